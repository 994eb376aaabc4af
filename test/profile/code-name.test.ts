import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseCodeName, scriptPath } from '#dist/profile/code-name'

const FIXTURE = join(__dirname, '../../../test/fixtures/code-names.txt')

function functionAndFile(name: string) {
  const { function: called, file, line } = parseCodeName(name)
  return [called, file, line]
}

test('every name that Node 20 to 26 gave to code says its function, file and place', () => {
  const rows = readFileSync(FIXTURE, 'utf8')
    .split('\n')
    .filter((row) => row !== '' && !row.startsWith('#'))
    .map((row) => row.split('\t'))
  assert.ok(rows.length > 30)
  for (const [name, called, file, line, column, kind] of rows) {
    const expected = { function: called, file, line: Number(line), column: Number(column), kind }
    assert.deepEqual(parseCodeName(name!), expected, name)
  }
})

test('code that V8 does not optimize has no tier in its name', () => {
  assert.deepEqual(functionAndFile('JS:resize /app/thumbs.js:41:16'), ['resize', '/app/thumbs.js', 41])
  assert.deepEqual(functionAndFile('JS:o /app/thumbs.js:41:16'), ['o', '/app/thumbs.js', 41])
})

test('a method named like a route is not taken for a path', () => {
  assert.deepEqual(functionAndFile('JS:~GET /users /app/routes.js:7:3'), ['GET /users', '/app/routes.js', 7])
  assert.deepEqual(functionAndFile('JS:~GET /users file:///app/routes.mjs:7:3'), ['GET /users', '/app/routes.mjs', 7])
})

test('scripts that are no files keep their names', () => {
  assert.deepEqual(functionAndFile('JS:~f [eval]:1:2'), ['f', '[eval]', 1])
  assert.deepEqual(functionAndFile('JS:~get f [worker eval]:1:2'), ['get f', '[worker eval]', 1])
  assert.deepEqual(functionAndFile('JS:~f evalmachine.<anonymous>:1:2'), ['f', 'evalmachine.<anonymous>', 1])
  assert.deepEqual(functionAndFile('JS:~f webpack://app/./src/a b.ts:3:4'), ['f', 'webpack://app/./src/a b.ts', 3])
  assert.deepEqual(functionAndFile('JS:~f data:text/javascript,let%20a=1:3:4'), [
    'f',
    'data:text/javascript,let%20a=1',
    3,
  ])
})

test('a name that V8 cut short still says what is left of it', () => {
  assert.deepEqual(functionAndFile('JS:~resize /app/a/very/long/pa'), ['resize', '/app/a/very/long/pa', 0])
  assert.deepEqual(functionAndFile('JS:~resi'), ['resi', '', 0])
  assert.deepEqual(functionAndFile('JS:'), ['(anonymous)', '', 0])
  assert.deepEqual(functionAndFile(''), ['', '', 0])
})

test('a URL that names no file of this machine stays a URL', () => {
  for (const url of ['file://host/a.js', 'file:///a%2Fb.js', 'file:', 'https://a/b.js'])
    assert.equal(scriptPath(url), url)
})
