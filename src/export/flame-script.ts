/** The flame graph's script: draws a tree of thousands of stacks on one canvas, and answers to pointer, keyboard and controls. */

export const FLAME_SCRIPT = `
(() => {
  const NATIVE = 1, INTERNAL = 2, INLINED = 4
  const ROW = 20
  const MOST_ROWS = 1500
  const MIXED = -1
  const HUES = [28, 205, 140, 275, 340, 175, 55, 95, 245, 310]

  const root = document.getElementById('flame')
  const data = JSON.parse(document.getElementById('flame-data').textContent)
  const part = (name) => root.querySelector('.flame-' + name)
  const canvas = root.querySelector('canvas')
  const brush = canvas.getContext('2d')
  const tip = part('tip')
  const said = part('said')
  const path = part('path')
  const key = part('key')
  const found = part('found')
  const none = part('none')
  const stage = part('stage')
  const control = {}
  for (const name of ['value', 'source', 'region', 'colour', 'internal', 'search']) control[name] = part('by-' + name)

  // Trees: parents come before their children.

  const asTree = (frame, parent, leaf) => {
    const size = frame.length
    const depth = new Int32Array(size), first = new Int32Array(size).fill(-1), next = new Int32Array(size).fill(-1)
    for (let node = size - 1; node > 0; node--) {
      next[node] = first[parent[node]]
      first[parent[node]] = node
    }
    for (let node = 1; node < size; node++) depth[node] = depth[parent[node]] + 1
    return { frame, parent, leaf, depth, first, next }
  }
  const wholeTree = () => asTree(data.nodes.frame, data.nodes.parent, data.traces.node)

  // Without the frames of Node and V8, but for the one nearest the leaf.
  const foldedTree = () => {
    const frame = [-1], parent = [-1], children = new Map(), leaves = new Map()
    const leaf = data.traces.node.map((last) => {
      const known = leaves.get(last)
      if (known !== undefined) return known
      const shown = []
      let met = false
      for (let node = last; node > 0; node = data.nodes.parent[node]) {
        const inside = data.frames[data.nodes.frame[node]][3] & INTERNAL
        if (!inside || !met) shown.push(data.nodes.frame[node])
        met = met || !!inside
      }
      let node = 0
      for (const at of shown.reverse()) {
        const id = node * 16777216 + at
        let child = children.get(id)
        if (child === undefined) {
          child = frame.push(at) - 1
          parent.push(node)
          children.set(id, child)
        }
        node = child
      }
      leaves.set(last, node)
      return node
    })
    return asTree(frame, parent, leaf)
  }

  const trees = {}
  let tree, sums, zoom = 0, selected = 0, rows = [], matches = null

  const addUp = () => {
    const size = tree.frame.length
    const { value, variance, samples } = data.values[control.value.value]
    const source = control.source.value, region = control.region.value
    sums = {
      value: new Float64Array(size), variance: new Float64Array(size), samples: new Float64Array(size),
      region: new Int32Array(size).fill(-2), order: new Map(), taken: new Uint8Array(tree.leaf.length),
    }
    for (let trace = 0; trace < tree.leaf.length; trace++) {
      if (value[trace] === 0) continue
      if (source !== '' && data.traces.source[trace] !== Number(source)) continue
      if (region !== '' && data.traces.region[trace] !== Number(region)) continue
      const node = tree.leaf[trace]
      sums.taken[trace] = 1
      sums.value[node] += value[trace]
      sums.variance[node] += variance[trace] === null ? NaN : variance[trace]
      sums.samples[node] += samples[trace] === null ? NaN : samples[trace]
      joinRegion(node, data.traces.region[trace])
    }
    for (let node = size - 1; node > 0; node--) {
      if (sums.value[node] === 0) continue
      const parent = tree.parent[node]
      sums.value[parent] += sums.value[node]
      sums.variance[parent] += sums.variance[node]
      sums.samples[parent] += sums.samples[node]
      joinRegion(parent, sums.region[node])
    }
  }
  const joinRegion = (node, region) => {
    const known = sums.region[node]
    sums.region[node] = known === -2 || known === region ? region : MIXED
  }

  const childrenOf = (node) => {
    let order = sums.order.get(node)
    if (order === undefined) {
      order = []
      for (let child = tree.first[node]; child >= 0; child = tree.next[child]) if (sums.value[child] > 0) order.push(child)
      order.sort((a, b) => sums.value[b] - sums.value[a])
      sums.order.set(node, order)
    }
    return order
  }

  const layOut = (width) => {
    rows = []
    const put = (node, x, wide, rest) => {
      const depth = tree.depth[node] + (rest ? 1 : 0)
      if (depth < MOST_ROWS) (rows[depth] = rows[depth] || []).push({ node, x, wide, rest })
    }
    for (let node = tree.parent[zoom]; node >= 0; node = tree.parent[node]) put(node, 0, width, false)
    const open = sums.value[zoom] > 0 ? [{ node: zoom, x: 0, wide: width }] : []
    while (open.length > 0) {
      const { node, x, wide } = open.pop()
      put(node, x, wide, false)
      const scale = wide / sums.value[node]
      let at = x, left = 0
      const order = childrenOf(node)
      for (const child of order) left += sums.value[child]
      for (const child of order) {
        const span = sums.value[child] * scale
        if (span < 1) {
          // All that follow are thinner still.
          if (left * scale >= 1) put(node, at, left * scale, true)
          break
        }
        open.push({ node: child, x: at, wide: span })
        at += span
        left -= sums.value[child]
      }
    }
  }

  // Words.

  const bytes = (n) => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    let unit = 0
    for (n = Math.abs(n); n >= 1023.5 && unit < 4; unit++) n /= 1024
    return n.toFixed(unit > 0 && n < 9.95 ? 1 : 0) + ' ' + units[unit]
  }
  const amount = (n) => (control.value.value.endsWith('bytes') ? bytes(n) : Math.round(n).toLocaleString('en'))
  const share = (n, of) => (of > 0 ? ((100 * n) / of).toFixed(1) : '0.0') + ' %'
  const name = (node) => (node === 0 ? 'all' : data.frames[tree.frame[node]][0])
  const place = (node) => {
    if (node === 0) return ''
    const [, file, line] = data.frames[tree.frame[node]]
    return data.files[file] + (line > 0 ? ':' + line : '')
  }
  const kind = (node) => {
    if (node === 0) return ''
    const bits = data.frames[tree.frame[node]][3]
    return (bits & INTERNAL ? 'Node or V8' : bits & NATIVE ? 'native' : 'JavaScript') + (bits & INLINED ? ', inlined' : '')
  }
  const estimate = (node) => {
    const error = Math.sqrt(sums.variance[node])
    const from = sums.samples[node]
    const unit = control.value.value.endsWith('bytes') ? '' : ' objects'
    let text = amount(sums.value[node]) + (error > 0 ? ' ± ' + amount(error) : '') + unit
    if (from > 0) text += ' from ' + from.toLocaleString('en') + (from === 1 ? ' sample' : ' samples')
    return text
  }
  const shares = (node) => {
    let text = share(sums.value[node], sums.value[0]) + ' of all'
    if (zoom !== 0) text += ', ' + share(sums.value[node], sums.value[zoom]) + ' of ' + name(zoom)
    return text
  }
  const regionName = (node) => {
    const region = sums.region[node]
    if (data.regions.length < 2) return ''
    return region === MIXED ? 'several regions' : region > 0 ? 'region ' + data.regions[region] : 'outside every region'
  }
  const facts = (node) => [place(node), estimate(node), shares(node), [kind(node), regionName(node)].filter(Boolean).join(', ')].filter(Boolean)

  // Colours.

  const dark = window.matchMedia('(prefers-color-scheme: dark)')
  let theme = {}
  const readTheme = () => {
    const style = getComputedStyle(root)
    const variable = (of) => style.getPropertyValue('--' + of).trim()
    theme = { found: variable('found'), on: variable('on'), card: variable('card'), soft: variable('soft'), js: variable('js'), native: variable('native'), inside: variable('inside'), ink: variable('ink') }
  }
  const hash = (text) => {
    let h = 2166136261
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619)
    return h >>> 0
  }
  const hue = (n) => 'hsl(' + HUES[n % HUES.length] + (dark.matches ? ' 45% ' : ' 70% ') + ((dark.matches ? 30 : 74) + (Math.floor(n / HUES.length) % 3) * 5) + '%)'
  const fileHues = data.files.map((file) => hash(file))
  const colour = (node) => {
    if (node === 0) return theme.inside
    const [, file, , bits] = data.frames[tree.frame[node]]
    if (control.colour.value === 'region') return sums.region[node] > 0 ? hue(sums.region[node]) : theme.inside
    if (control.colour.value === 'file') return data.files[file] === '' ? theme.inside : hue(fileHues[file])
    return bits & INTERNAL ? theme.inside : bits & NATIVE ? theme.native : theme.js
  }

  const draw = () => {
    const width = Math.max(stage.clientWidth, 1)
    layOut(width)
    const height = Math.max(rows.length, 1) * ROW
    // A larger canvas than browsers allow would stay empty.
    const scale = Math.min(window.devicePixelRatio || 1, 32000 / height)
    canvas.width = Math.round(width * scale)
    canvas.height = Math.round(height * scale)
    canvas.style.height = height + 'px'
    brush.setTransform(scale, 0, 0, scale, 0, 0)
    brush.clearRect(0, 0, width, height)
    brush.font = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace'
    brush.textBaseline = 'middle'
    const letter = brush.measureText('MMMMMMMMMM').width / 10
    const zoomed = tree.depth[zoom]
    for (let depth = 0; depth < rows.length; depth++) {
      for (const { node, x, wide, rest } of rows[depth] || []) {
        const hit = !rest && matches !== null && node > 0 && matches[tree.frame[node]]
        brush.globalAlpha = rest ? 0.35 : depth < zoomed ? 0.55 : matches !== null && !hit ? 0.4 : 1
        brush.fillStyle = rest ? theme.soft : hit ? theme.found : colour(node)
        brush.fillRect(x, depth * ROW, Math.max(wide - 0.5, 0.5), ROW - 1)
        const letters = Math.floor((wide - 6) / letter)
        if (!rest && letters >= 2) {
          brush.globalAlpha = 1
          brush.fillStyle = hit ? '#fff' : theme.on
          const text = name(node)
          brush.fillText(text.length > letters ? text.slice(0, letters - 1) + '…' : text, x + 3, depth * ROW + ROW / 2)
        }
        if (!rest && node === selected && document.activeElement === canvas) {
          brush.globalAlpha = 1
          brush.strokeStyle = theme.ink
          brush.lineWidth = 2
          brush.strokeRect(x + 1, depth * ROW + 1, Math.max(wide - 2.5, 1), ROW - 3)
        }
      }
    }
    brush.globalAlpha = 1
    none.hidden = sums.value[0] > 0
  }

  // Answers.

  const drawPath = () => {
    const nodes = []
    for (let node = zoom; node >= 0; node = tree.parent[node]) nodes.unshift(node)
    path.replaceChildren(...nodes.map((node) => {
      const item = document.createElement('li')
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = name(node)
      if (node === zoom) button.setAttribute('aria-current', 'true')
      button.addEventListener('click', () => zoomTo(node))
      item.append(button)
      return item
    }))
  }
  const drawKey = () => {
    let entries
    if (control.colour.value === 'region') {
      entries = data.regions.map((region, i) => [region || 'none or several', i > 0 ? hue(i) : theme.inside]).slice(0, 20)
    } else if (control.colour.value === 'file') {
      entries = []
    } else {
      entries = [['JavaScript', theme.js], ['native', theme.native], ['Node and V8', theme.inside]]
    }
    key.replaceChildren(...entries.map(([text, fill]) => {
      const item = document.createElement('li')
      const swatch = document.createElement('i')
      swatch.className = 'swatch'
      swatch.style.background = fill
      item.append(swatch, text)
      return item
    }))
  }
  const search = () => {
    const wanted = control.search.value.trim().toLowerCase()
    found.textContent = ''
    matches = null
    if (wanted === '') return
    const inFile = data.files.map((file) => file.toLowerCase().includes(wanted))
    matches = data.frames.map(([text, file]) => text.toLowerCase().includes(wanted) || inFile[file])
    const below = new Uint8Array(tree.frame.length)
    for (let node = 1; node < below.length; node++) below[node] = matches[tree.frame[node]] || below[tree.parent[node]] ? 1 : 0
    const { value } = data.values[control.value.value]
    let sum = 0
    for (let trace = 0; trace < tree.leaf.length; trace++) if (sums.taken[trace] && below[tree.leaf[trace]]) sum += value[trace]
    found.textContent = amount(sum) + ', ' + share(sum, sums.value[0]) + ' of all'
  }
  const say = (node) => { said.textContent = [name(node), ...facts(node)].join('. ') }
  const zoomTo = (node) => {
    zoom = selected = node
    tip.hidden = true
    drawPath()
    draw()
    say(node)
  }
  const renew = (otherTree) => {
    if (otherTree) {
      const shape = control.internal.checked ? 'whole' : 'folded'
      tree = trees[shape] = trees[shape] || (control.internal.checked ? wholeTree() : foldedTree())
      zoom = selected = 0
    }
    addUp()
    if (sums.value[zoom] === 0) zoom = selected = 0
    tip.hidden = true
    search()
    drawPath()
    drawKey()
    draw()
  }

  const nodeAt = (event) => {
    const box = canvas.getBoundingClientRect()
    const x = event.clientX - box.left
    const row = rows[Math.floor((event.clientY - box.top) / ROW)] || []
    return row.find((one) => !one.rest && x >= one.x && x < one.x + one.wide)
  }
  const showTip = (event) => {
    const one = nodeAt(event)
    tip.hidden = one === undefined
    if (one === undefined) return
    const title = document.createElement('b')
    title.textContent = name(one.node)
    tip.replaceChildren(title, ...facts(one.node).map((fact) => {
      const line = document.createElement('small')
      line.textContent = fact
      return line
    }))
    const box = stage.getBoundingClientRect()
    const x = event.clientX - box.left, y = event.clientY - box.top
    tip.style.left = x < box.width / 2 ? x + 14 + 'px' : 'auto'
    tip.style.right = x < box.width / 2 ? 'auto' : box.width - x + 14 + 'px'
    tip.style.top = y + 16 + 'px'
  }

  const siblings = (node) => (node === 0 ? [0] : childrenOf(tree.parent[node]))
  const moves = {
    ArrowUp: () => Math.max(tree.parent[selected], 0),
    ArrowDown: () => childrenOf(selected)[0] ?? selected,
    ArrowLeft: () => siblings(selected)[siblings(selected).indexOf(selected) - 1] ?? selected,
    ArrowRight: () => siblings(selected)[siblings(selected).indexOf(selected) + 1] ?? selected,
    Home: () => 0,
  }
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key in moves) {
      const to = moves[event.key]()
      // What is left of the zoomed frame is not drawn: go there.
      let drawn = false
      for (let node = to; node >= 0 && !drawn; node = tree.parent[node]) drawn = node === zoom
      for (let node = zoom; node >= 0 && !drawn; node = tree.parent[node]) drawn = node === to
      if (!drawn) zoom = to
      selected = to
      say(to)
      drawPath()
      draw()
    } else if (event.key === 'Enter' || event.key === ' ') zoomTo(selected)
    else if (event.key === 'Escape' || event.key === 'Backspace') zoomTo(Math.max(tree.parent[zoom], 0))
    else if (event.key === '/') control.search.focus()
    else return
    event.preventDefault()
  })
  canvas.addEventListener('focus', () => { say(selected); draw() })
  canvas.addEventListener('blur', draw)
  canvas.addEventListener('click', (event) => {
    const one = nodeAt(event)
    if (one) zoomTo(one.node)
  })
  canvas.addEventListener('pointermove', showTip)
  canvas.addEventListener('pointerleave', () => { tip.hidden = true })
  control.internal.addEventListener('change', () => renew(true))
  for (const name of ['value', 'source', 'region', 'colour']) control[name].addEventListener('change', () => renew(false))
  control.search.addEventListener('input', () => { search(); draw() })
  dark.addEventListener('change', () => { readTheme(); drawKey(); draw() })
  window.addEventListener('resize', draw)

  readTheme()
  renew(true)
})()
`
