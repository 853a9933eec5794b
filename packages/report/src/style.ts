/** The style sheet of the report: system fonts, light and dark, one column on a phone. */
import { trusted } from './html.ts';

export const style = trusted(`
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #ffffff; --ink: #20242a; --quiet: #666c74; --line: #e5e2da; --wash: #f2f0ea;
  --before: #8590a2; --after: #0f766e; --control: #c3bfb4; --ceiling: #c9a54a; --wrong: #b0442f; --tint: #e3f1ee;
  --sans: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif;
  --serif: 'Iowan Old Style', 'Palatino Linotype', Charter, Georgia, 'Liberation Serif', serif;
  --mono: ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131518; --card: #1a1d21; --ink: #e8e6e1; --quiet: #9ba1a9; --line: #2d3137; --wash: #202429;
    --before: #8793a6; --after: #41b9a9; --control: #545a63; --ceiling: #b3924a; --wrong: #e58a74; --tint: #17302d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 var(--sans); }
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 4.5rem; }
h1 { font: 400 clamp(1.6rem, 4.6vw, 2.5rem)/1.25 var(--serif); letter-spacing: -0.01em; margin: 0.5rem 0 1.25rem; text-wrap: balance; }
h1 b { font-weight: 400; color: var(--after); white-space: nowrap; }
h2 { font: 400 1.6rem/1.3 var(--serif); margin: 0 0 0.5rem; letter-spacing: -0.005em; }
h3 { font-size: 0.95rem; font-weight: 600; margin: 0 0 0.4rem; }
p { margin: 0 0 1rem; max-width: 44rem; text-wrap: pretty; }
section { margin: 4rem 0; scroll-margin-top: 1rem; }
a { color: var(--after); text-decoration-thickness: 1px; text-underline-offset: 0.2em; }
.eyebrow { font-size: 0.8rem; color: var(--quiet); letter-spacing: 0.06em; text-transform: uppercase; margin: 0; max-width: none; }
.lead { font-size: 1.1rem; }
.quiet { color: var(--quiet); }
.small { font-size: 0.875rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem 1.4rem; }
.facts { display: flex; flex-wrap: wrap; gap: 0.9rem 2.4rem; margin: 2rem 0 0; padding: 1.1rem 0; border: solid var(--line); border-width: 1px 0; }
.facts dt { font-size: 0.78rem; color: var(--quiet); }
.facts dd { margin: 0; font-weight: 500; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 0.35rem 1.2rem; margin-top: 1.1rem; font-size: 0.9rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.25rem; margin: 1.25rem 0; }
.grid > :only-child { max-width: 34rem; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; height: auto; font-family: var(--sans); overflow: visible; color: var(--quiet); }
figcaption { font-size: 0.85rem; color: var(--quiet); margin-top: 0.6rem; line-height: 1.5; }
.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; font-size: 0.82rem; color: var(--quiet); margin: 0 0 0.7rem; padding: 0; list-style: none; }
.key li::before { content: ''; display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px; margin-right: 0.45em; background: var(--swatch); vertical-align: -0.05em; }
.is-before { --swatch: var(--before); } .is-after { --swatch: var(--after); }
.is-control { --swatch: var(--control); } .is-ceiling { --swatch: var(--ceiling); } .is-ink { --swatch: var(--ink); }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th { font-weight: 500; font-size: 0.78rem; color: var(--quiet); text-align: left; vertical-align: bottom; }
th, td { padding: 0.45rem 0.6rem; border-bottom: 1px solid var(--line); }
tr > :first-child { padding-left: 0; } tr > :last-child { padding-right: 0; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-size: inherit; color: inherit; font-weight: 400; vertical-align: middle; }
.n { text-align: right; white-space: nowrap; }
.bars td, .bars tbody th { padding-top: 0.35rem; padding-bottom: 0.35rem; height: 2.9rem; line-height: 1.35; border-color: var(--wash); }
.bars tbody th { min-width: 16.5rem; }
.bars .plot { width: 36%; padding: 0 0.75rem; position: relative; }
.bars td.plot svg { position: absolute; inset: 0 0.75rem; width: calc(100% - 1.5rem); height: 100%; }
.strip svg { display: block; width: 100%; height: 1.25rem; }
.plot svg *, .strip svg * { vector-effect: non-scaling-stroke; }
.scale { position: relative; height: 1.2em; font-variant-numeric: tabular-nums; }
.scale span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.counts { display: none; }
.name { display: block; } .id { display: block; font: 0.78rem/1.4 var(--mono); color: var(--quiet); }
.strong { font-weight: 600; }
.headline > * { background: var(--tint); }
.headline > :first-child { box-shadow: -0.6rem 0 0 var(--tint); } .headline > :last-child { box-shadow: 0.6rem 0 0 var(--tint); }
.verdict { border-left: 3px solid var(--after); padding: 0.1rem 0 0.1rem 1rem; margin: 1.5rem 0 0; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.scroll table { min-width: 32rem; }
details { border-top: 1px solid var(--line); }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: 0.7rem 0; display: flex; align-items: baseline; gap: 0.75rem; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: '›'; color: var(--quiet); width: 0.6em; flex: none; transition: transform 0.15s; display: inline-block; font-size: 1.2em; line-height: 1; }
details[open] > summary::before { transform: rotate(90deg) translateX(0.1em); }
summary:hover { color: var(--after); }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--after); outline-offset: 3px; border-radius: 3px; }
summary .change { margin-left: auto; flex: none; align-self: center; }
summary .change svg { display: block; width: 9.4rem; height: auto; }
summary .change + .end { margin-left: 0; min-width: 6.6rem; text-align: right; }
summary .end { margin-left: auto; font-variant-numeric: tabular-nums; white-space: nowrap; font-size: 0.92rem; }
.inside { padding: 0.25rem 0 1.75rem 1.2rem; }
details details { border: 0; border-bottom: 0 !important; }
details details summary { font-size: 0.875rem; color: var(--quiet); padding: 0.35rem 0; }
.model { unicode-bidi: isolate; overflow-wrap: anywhere; }
.passage { font: 1.05rem/1.65 var(--serif); max-width: 46rem; margin: 0 0 1.25rem; padding-left: 1rem; border-left: 2px solid var(--line); white-space: pre-wrap; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 0.9rem; margin-bottom: 0.9rem; }
.edit { background: var(--wash); border-radius: 10px; padding: 0.8rem 1rem; min-width: 0; border-top: 3px solid var(--swatch); }
.edit h4 { margin: 0 0 0.45rem; font-size: 0.82rem; font-weight: 600; display: flex; justify-content: space-between; gap: 0.5rem; flex-wrap: wrap; }
.edit h4 span { font-weight: 400; color: var(--quiet); }
.edit ol { margin: 0; padding: 0 0 0 1.6rem; font: 0.84rem/1.55 var(--mono); }
.edit li::marker { color: var(--quiet); font-size: 0.85em; }
.edit p { margin: 0; font-size: 0.875rem; }
.edit p + p, .edit ol + p { margin-top: 0.5rem; }
.right { color: var(--after); } .wrong { color: var(--wrong); }
.answer { white-space: nowrap; } .answer .model { white-space: normal; }
.answer + .answer { display: block; }
.questions td, .choices td { vertical-align: top; }
.choices td:first-child { width: 22%; } .choices .strip { width: 26%; } .choices .strip svg { margin-top: 0.15rem; }
.questions .kind { display: block; font-size: 0.78rem; color: var(--quiet); }
.pairs { columns: 2; column-gap: 2.5rem; margin: 0; font-size: 0.875rem; }
.pairs div { break-inside: avoid; display: flex; justify-content: space-between; gap: 1rem; padding: 0.25rem 0; border-bottom: 1px solid var(--line); }
.pairs dt { color: var(--quiet); flex: none; } .pairs dd { margin: 0; text-align: right; font-family: var(--mono); font-size: 0.82rem; overflow-wrap: anywhere; }
.limits { padding-left: 1.1rem; max-width: 44rem; } .limits li { margin-bottom: 0.7rem; } .limits li::marker { color: var(--quiet); }
footer { padding-bottom: 4rem; color: var(--quiet); font-size: 0.85rem; }
@media (max-width: 40rem) {
  main, header, footer { padding-left: 1.1rem; padding-right: 1.1rem; }
  header { padding-top: 2rem; }
  section { margin: 3rem 0; }
  .card { padding: 1rem; }
  .facts { gap: 0.7rem 1.6rem; }
  .bars, .bars tbody { display: block; }
  .bars thead { display: none; }
  .bars tr { display: grid; grid-template-columns: 1fr auto; gap: 0 0.8rem; padding: 0.55rem 0; border-bottom: 1px solid var(--line); }
  .bars tbody tr > * { border: 0; height: auto; padding: 0; width: auto; }
  .bars tbody .plot { grid-column: 1 / -1; order: 5; width: auto; padding: 0.2rem 0 0; }
  .bars td.plot svg { position: static; display: block; width: 100%; height: 1.5rem; }
  .bars tbody th { min-width: 0; }
  .bars .extra { display: none; }
  .bars .counts { display: block; font-size: 0.78rem; }
  .bars .id { display: none; }
  .kinds { font-size: 0.82rem; }
  .kinds th, .kinds td { padding-left: 0.3rem; padding-right: 0.3rem; line-height: 1.35; }
  .bars .interval { grid-column: 1 / -1; text-align: left; white-space: normal; font-size: 0.85rem; color: var(--quiet); }
  .headline, .headline > :first-child, .headline > :last-child { box-shadow: none; }
  .headline { background: var(--tint); margin: 0 -0.6rem; padding-left: 0.6rem !important; padding-right: 0.6rem !important; border-radius: 6px; }
  summary .change { display: none; }
  summary .change + .end { margin-left: auto; }
  .sides { grid-template-columns: 1fr; }
  .inside { padding-left: 0; }
  .pairs { columns: 1; }
  .choices, .choices tbody { display: block; }
  .choices thead { display: none; }
  .choices tr { display: grid; grid-template-columns: 1fr auto; gap: 0.2rem 0.8rem; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
  .choices td, .choices td:first-child, .choices .strip { border: 0; padding: 0; width: auto; }
  .choices .strip, .choices td:last-child { grid-column: 1 / -1; order: 2; }
  .questions thead { display: none; }
  .questions tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0.1rem 0.8rem; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
  .questions td { border: 0; padding: 0; }
  .questions td:nth-child(-n + 2) { grid-column: 1 / -1; }
  .questions td[data-label]::before { content: attr(data-label) ' '; color: var(--quiet); font-size: 0.78rem; display: block; }
  .questions td.gold::before { display: inline; }
}
@media print { details:not([open]) { display: none; } section { break-inside: avoid; } body { background: none; } }
`);
