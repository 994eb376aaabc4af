'use strict'
// Addons of test/fixtures/native. They are compiled by a child process, which finds them made from the second time on:
// the program under test should hold nothing of that.

const { execFileSync } = require('node:child_process')
const { join } = require('node:path')

const FIXTURES = join(__dirname, '../../../out/test/native-fixtures.js')
const BUILD = 'process.stdout.write(require(process.argv[1]).buildAddon(process.argv[2], process.argv.slice(3)))'

exports.addon = (name, ...flags) =>
  require(execFileSync(process.execPath, ['-e', BUILD, '--', FIXTURES, name, ...flags], { encoding: 'utf8' }))
