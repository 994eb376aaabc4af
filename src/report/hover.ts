/** The page's only script: a read-out of the chart at the pointer. Without it the page loses nothing else. */

export const HOVER = `
(() => {
  const plot = document.querySelector('.plot')
  const data = JSON.parse(document.getElementById('chart-data').textContent)
  const cursor = plot.querySelector('.cursor')
  const tip = plot.querySelector('.tip')
  const span = Math.max(data.t[data.t.length - 1], 1)

  const bytes = (n) => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    let unit = 0
    for (n = Math.abs(n); n >= 1023.5 && unit < 4; unit++) n /= 1024
    return n.toFixed(unit > 0 && n < 9.95 ? 1 : 0) + ' ' + units[unit]
  }
  const time = (ms) => {
    const s = ms / 1000
    if (s < 60) return s.toFixed(1) + ' s'
    const two = (n) => String(Math.floor(n)).padStart(2, '0')
    return (s >= 3600 ? Math.floor(s / 3600) + ':' : '') + two((s % 3600) / 60) + ':' + two(s % 60)
  }
  const row = (tag, texts, colour) => {
    const line = document.createElement(tag)
    if (colour) {
      const swatch = document.createElement('i')
      swatch.className = 'swatch'
      swatch.style.background = colour
      line.append(swatch)
    }
    for (const text of texts) {
      const cell = document.createElement('span')
      cell.textContent = text
      line.append(cell)
    }
    return line
  }
  const nearest = (t) => {
    let best = 0
    for (let i = 1; i < data.t.length; i++) if (Math.abs(data.t[i] - t) < Math.abs(data.t[best] - t)) best = i
    return best
  }

  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect()
    const i = nearest(((event.clientX - box.left) / box.width) * span)
    const at = data.t[i] / span
    const owners = data.owners.filter((owner) => owner.bytes[i])
    tip.replaceChildren(
      row('b', [time(data.t[i]), 'RSS ' + bytes(data.rss[i])]),
      ...owners.map((owner) => row('p', [owner.name, bytes(owner.bytes[i])], 'var(--' + owner.name + ')')),
    )
    cursor.hidden = tip.hidden = false
    cursor.style.left = at * 100 + '%'
    tip.style.left = at < 0.5 ? 'calc(' + at * 100 + '% + 14px)' : 'auto'
    tip.style.right = at < 0.5 ? 'auto' : 'calc(' + (1 - at) * 100 + '% + 14px)'
  })
  plot.addEventListener('pointerleave', () => {
    cursor.hidden = tip.hidden = true
  })
})()
`
