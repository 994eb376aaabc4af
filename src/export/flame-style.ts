/** The flame graph's style sheet. Its colours are the report's: this needs report/style.ts before it. */

export const FLAME_STYLE = `
.flame { --js: #f0b65c; --native: #8fbcec; --inside: #cfd5dd; --found: #d63fb2; --on: #17202b }
@media (prefers-color-scheme: dark) { .flame { --js: #9a6a20; --native: #2c5f99; --inside: #3d4855; --found: #e055bd; --on: #f4f7fa } }
.flame-controls { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 14px; margin-bottom: 10px; font-size: 13px }
.flame-controls label { display: flex; align-items: center; gap: 6px; color: var(--soft) }
.flame-controls select, .flame-controls input, .flame button { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 3px 8px; max-width: 260px }
.flame-controls input[type=checkbox] { padding: 0; margin: 0 }
.flame-controls input[type=search] { width: 200px }
.flame :focus-visible { outline: 2px solid var(--malloc); outline-offset: 1px }
.flame-path { display: flex; flex-wrap: wrap; gap: 4px; margin: 0 0 8px; padding: 0; list-style: none; font-size: 13px; max-height: 5.4em; overflow-y: auto }
.flame-path li + li::before { content: "›"; color: var(--soft); margin-right: 4px }
.flame-path button { border: 0; padding: 0 4px; max-width: 260px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom; cursor: pointer }
.flame-path button[aria-current] { font-weight: 600 }
.flame-stage { position: relative }
.flame-stage canvas { display: block; width: 100%; border-radius: 4px; cursor: pointer; touch-action: manipulation }
.flame-tip { position: absolute; z-index: 2; max-width: min(460px, 90%); padding: 8px 12px; border-radius: 8px; background: var(--card); border: 1px solid var(--line); box-shadow: 0 6px 24px #0003; font-size: 13px; pointer-events: none; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
.flame-tip b { display: block }
.flame-tip small { display: block; color: var(--soft); font-size: 13px }
.flame-key { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 10px 0 0; padding: 0; list-style: none; font-size: 13px; color: var(--soft) }
.flame-key li { display: flex; align-items: center; gap: 6px }
.flame-said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.flame-found { color: var(--soft) }
`
