/** The page's style sheet. Owners keep their colour in every report, in light and in dark. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #17202b; --soft: #5b6776; --line: #e1e5ea; --grid: #17202b18; --rss: #17202b;
  --leak: #c92a3c; --retention: #a86a00; --warm-up: #0b7285; --steady: #2b7a3d; --unknown: #5b6776;
  --js-heap: #f2a541; --js-code: #d98324; --array-buffers: #e4677c; --wasm: #9b6bd3; --malloc: #2f7ed8;
  --malloc-free: #9cc7f2; --thread-stacks: #57b894; --mmap: #23a0a8; --program: #8793a3; --file: #c3cad4;
  --shmem: #86a85a; --profiler: #d9c04c; --unexplained: #dfe3e8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151c; --card: #18202a; --ink: #e8edf3; --soft: #98a5b5; --line: #2a3542; --grid: #ffffff1c; --rss: #f4f7fa;
    --leak: #ff6b78; --retention: #f0b04a; --warm-up: #4cc3d9; --steady: #6bcf83; --unknown: #98a5b5;
    --js-heap: #e09a3c; --js-code: #b8701f; --array-buffers: #d65a70; --wasm: #8d5fc4; --malloc: #3b82d6;
    --malloc-free: #7fb0e0; --thread-stacks: #48a583; --mmap: #1e939b; --program: #66717f; --file: #4b5663;
    --shmem: #76964d; --profiler: #c4ac3f; --unexplained: #38424e;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 48px }
h1 { font-size: 26px; line-height: 1.25; margin: 10px 0 6px; letter-spacing: -.01em; text-wrap: balance; overflow-wrap: anywhere }
h2 { font-size: 16px; margin: 0 0 12px }
p { margin: 0 }
.run, .note, footer { color: var(--soft); overflow-wrap: anywhere }
.kind { display: inline-block; padding: 2px 12px; border-radius: 99px; font-weight: 700; font-size: 13px; letter-spacing: .06em; text-transform: uppercase; color: var(--page); background: var(--kind) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin-top: 18px }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin: 22px 0 0 }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 16px }
.facts dt { color: var(--soft); font-size: 13px }
.facts dd { margin: 0; font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -.01em }
.facts small { display: block; color: var(--soft); font-size: 13px; font-weight: 400; letter-spacing: 0 }
.plot { position: relative; height: 340px; margin: 10px 0 26px 68px }
.plot svg { width: 100%; height: 100%; display: block; overflow: visible }
.plot path { vector-effect: non-scaling-stroke }
.area { stroke: var(--card); stroke-width: .7 }
.grid { stroke: var(--grid); fill: none }
.rss { stroke: var(--rss); stroke-width: 1.8; fill: none; stroke-linejoin: round }
.limit { stroke: var(--leak); stroke-width: 1.5; stroke-dasharray: 6 4; fill: none }
.x, .y, .limit-label { position: absolute; font-size: 12px; color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums }
.y { right: 100%; margin-right: 10px; transform: translateY(50%) }
.x { top: 100%; margin-top: 6px; transform: translateX(-50%) }
.limit-label { right: 0; color: var(--leak); padding-bottom: 2px }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--ink); opacity: .5; pointer-events: none }
.tip { position: absolute; top: 8px; z-index: 1; min-width: 190px; padding: 10px 12px; border-radius: 8px; background: var(--card); border: 1px solid var(--line); box-shadow: 0 6px 24px #0003; font-size: 13px; pointer-events: none; font-variant-numeric: tabular-nums }
.tip b { display: flex; justify-content: space-between; gap: 18px }
.tip p { display: flex; align-items: center; gap: 7px }
.tip p span:last-child { margin-left: auto; padding-left: 14px }
[hidden] { display: none }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0; padding: 0; list-style: none; font-size: 13px }
.legend li { display: flex; align-items: center; gap: 7px }
.legend .line { width: 14px; height: 2px; background: var(--rss) }
.swatch { display: inline-block; flex: none; width: 11px; height: 11px; border-radius: 3px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 500; font-size: 13px; color: var(--soft) }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: baseline }
tr:last-child td { border-bottom: 0 }
td:first-child { overflow-wrap: break-word; min-width: 130px }
.n { text-align: right; white-space: nowrap; padding-right: 0; padding-left: 14px }
tr.total td { font-weight: 600 }
td .swatch { margin-right: 8px }
td small { color: var(--soft); margin-left: 8px; font-size: 13px }
details { display: inline-block; vertical-align: top; max-width: calc(100% - 22px) }
summary { cursor: pointer; overflow-wrap: anywhere }
.stack { margin: 6px 0 4px; padding-left: 28px; font-size: 13px; overflow-wrap: anywhere }
.tag { font-weight: 600; color: var(--kind) }
ul.evidence { margin: 0; padding-left: 20px }
ul.evidence li { margin: 3px 0; overflow-wrap: anywhere }
.remedy { border-left: 4px solid var(--kind) }
.remedy p + p { margin-top: 10px }
footer { margin-top: 26px; font-size: 13px }
@media (max-width: 560px) {
  main { padding: 20px 12px 32px }
  h1 { font-size: 21px }
  .card { padding: 14px }
  .plot { height: 240px; margin-left: 58px }
  .wide { display: none }
  td small { display: block; margin-left: 22px }
  .facts { grid-template-columns: 1fr 1fr; gap: 8px }
  .facts dd { font-size: 17px }
}
@media print { .card, .facts div { break-inside: avoid } }
`
