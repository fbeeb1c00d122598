"""The style sheet of all pages.

Colours of groups are Okabe and Ito's, which stay apart for every kind of colour vision; in
the dark the brighter ones come first.
"""

CSS = """
:root {
  color-scheme: light dark;
  --bg: #f5f6f8; --card: #ffffff; --ink: #1b1f24; --soft: #59626e; --line: #dde1e7;
  --faint: #eef0f3; --edge: #868f9b; --accent: #0063a0; --calm: #0063a0;
  --alert: #b34700; --unsure: #8a6100;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b8588c; --c4: #b87f00; --c5: #3d9bd4;
  --c6: #6b7280; --heat: 213, 94, 0;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --bg: #121519; --card: #1b1f25; --ink: #e9ebee; --soft: #a5aeb9; --line: #343b45;
    --faint: #252a32; --edge: #79838f; --accent: #7cc4f0; --calm: #7cc4f0;
    --alert: #ff9a52; --unsure: #f0c14b;
    --c0: #56b4e9; --c1: #e69f00; --c2: #1fbf92; --c3: #e08fbb; --c4: #f0e442; --c5: #e8743b;
    --c6: #b0b7c0;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--bg); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue",
    Arial, sans-serif;
  overflow-wrap: anywhere;
}
main, .page-head, .page-foot { max-width: 1120px; margin: 0 auto; padding: 0 28px; }
a { color: var(--accent); text-underline-offset: .18em; text-decoration-thickness: 1px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -9999px; }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
.skip:focus { left: 16px; top: 12px; z-index: 9; background: var(--card); padding: 8px 14px; }
bdi.name { font-weight: inherit; }
small { font-size: .82em; color: var(--soft); }

.page-head { padding-top: 56px; padding-bottom: 26px; }
.kicker { margin: 0; color: var(--soft); font-size: .84rem; font-weight: 600;
  letter-spacing: .09em; text-transform: uppercase; }
h1 { margin: .15em 0 .3em; font-size: clamp(1.7rem, 4vw, 2.5rem); line-height: 1.15;
  letter-spacing: -.02em; font-weight: 680; }
.facts { margin: 0; color: var(--soft); display: flex; flex-wrap: wrap; gap: 2px 20px; }
nav { position: sticky; top: 0; z-index: 5; background: var(--bg);
  border-bottom: 1px solid var(--line); }
nav ul { max-width: 1120px; margin: 0 auto; padding: 0 18px; display: flex; gap: 2px;
  overflow-x: auto; list-style: none; scrollbar-width: thin; }
nav li { flex: none; max-width: 220px; }
nav a { display: block; padding: 11px 10px; color: var(--soft); font-size: .9rem;
  text-decoration: none; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
nav a:hover { color: var(--ink); text-decoration: underline; }

section { margin: 44px 0 60px; scroll-margin-top: 60px; }
/* parts out of sight are laid out when they come near: large pages open and sort quickly */
@media screen { .pair, .cases { content-visibility: auto; contain-intrinsic-size: auto 420px; } }
h2 { font-size: 1.5rem; line-height: 1.25; letter-spacing: -.012em; margin: 0 0 .5em;
  font-weight: 660; }
h3 { font-size: 1.06rem; margin: 0 0 .5em; font-weight: 640; }
h4 { font-size: .95rem; margin: 0 0 .3em; font-weight: 640; }
.lead { color: var(--soft); margin: 0 0 1.3em; max-width: 76ch; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 24px 26px; margin: 0 0 20px; }
.card > :last-child { margin-bottom: 0; }
.card p { max-width: 82ch; }
.hint { color: var(--soft); font-size: .88rem; margin: .8em 0 0; max-width: 88ch; }
ul.notes { padding-left: 1.2em; margin: .4em 0; }

.finding { border-left: 5px solid var(--soft); }
.finding.shown { border-left-color: var(--alert); }
.finding.unclear { border-left-color: var(--unsure); }
.finding.larger { border-left-color: var(--alert); }
.finding.smaller { border-left-color: var(--calm); }
.finding.not-shown { border-left-color: var(--calm); }
.finding-head { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: baseline;
  justify-content: space-between; margin: 0 0 .3em; }
.finding-head h3 { margin: 0; }
.badge { font-size: .8rem; font-weight: 640; color: var(--soft); white-space: nowrap; }
.badge::before { content: ""; display: inline-block; width: .68em; height: .68em;
  margin-right: .5em; border: 2px solid currentColor; border-radius: 50%; }
.shown .badge { color: var(--alert); }
.shown .badge::before { background: currentColor; }
.unclear .badge { color: var(--unsure); }
.unclear .badge::before { background: linear-gradient(90deg, currentColor 50%, transparent 50%); }
.larger .badge { color: var(--alert); }
.smaller .badge { color: var(--calm); }
.larger .badge::before, .smaller .badge::before { background: currentColor; }
.not-shown .badge { color: var(--calm); }
.headline { font-size: 1.16rem; line-height: 1.5; margin: 0 0 .7em; }
.headline bdi.name, .brief bdi.name { font-weight: 640; }
.briefs { margin: 1.1em 0 0; display: grid; grid-template-columns: max-content 1fr;
  gap: 4px 18px; font-size: .93rem; }
.briefs dt { color: var(--soft); }
.briefs dd { margin: 0; }

.plot { margin: 10px 0 4px; font-variant-numeric: tabular-nums; }
.plot-row { display: grid; grid-template-columns: minmax(90px, 200px) minmax(120px, 1fr)
  minmax(64px, 168px); gap: 0 18px; align-items: center; }
.strips .plot-row { min-height: 62px; }
.forest .plot-row { min-height: 40px; }
.plot-name { font-size: .92rem; line-height: 1.25; }
.plot-name small { display: block; }
.plot-value { font-size: .9rem; line-height: 1.25; }
.forest .plot-value small { font-size: .78rem; white-space: nowrap; }
.plot-area { align-self: stretch; position: relative; min-height: 34px; }
.plot-area svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block;
  overflow: visible; }
.strips .plot-row + .plot-row:not(.plot-axis) .plot-area { border-top: 1px solid transparent; }
.plot svg path { vector-effect: non-scaling-stroke; fill: none; stroke-linecap: butt; }
.plot .grid { stroke: var(--line); stroke-width: 1; }
.plot .zero { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; }
.plot .box { fill: var(--g); fill-opacity: .16; stroke: var(--g); stroke-width: 1;
  vector-effect: non-scaling-stroke; }
.plot .dots { stroke: var(--g); stroke-opacity: .5; stroke-linecap: round; }
.plot .dots.l { stroke-width: 6.5; } .plot .dots.m { stroke-width: 4.5; }
.plot .dots.s { stroke-width: 3; }
.plot .median { stroke: var(--ink); stroke-width: 3; }
.plot .whisker { stroke: var(--g); stroke-width: 2.5; }
.plot .marker { stroke: var(--g); stroke-width: 13; stroke-linecap: round; }
.plot .hole { stroke: var(--card); stroke-width: 8; stroke-linecap: round; }
.instead { position: absolute; inset: 6px 0; display: flex; align-items: center;
  padding: 0 12px; color: var(--soft); font-size: .86rem; border: 1px dashed var(--line);
  border-radius: 6px; }
.plot-axis { min-height: 24px !important; }
.ticks { position: relative; height: 24px; border-top: 1px solid var(--soft); }
.ticks span { position: absolute; top: 3px; transform: translateX(-50%); font-size: .78rem;
  color: var(--soft); white-space: nowrap; }
.plot-unit { text-align: center; font-size: .82rem; color: var(--soft); }
.plot-group { margin: 12px 0 0; font-size: .92rem; font-weight: 640; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 20px; }
.pair > .card { min-width: 0; }
.pair .plot-row { grid-template-columns: minmax(70px, 120px) 1fr minmax(56px, 74px); gap: 0 14px; }
.pair .forest .plot-row { grid-template-columns: minmax(70px, 116px) 1fr 112px; }
.c0 { --g: var(--c0); } .c1 { --g: var(--c1); } .c2 { --g: var(--c2); } .c3 { --g: var(--c3); }
.c4 { --g: var(--c4); } .c5 { --g: var(--c5); } .c6 { --g: var(--c6); }

.scroll { overflow-x: auto; margin: 0 -6px; padding: 0 6px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: .88rem; padding: 0 0 .7em; }
th, td { text-align: left; vertical-align: top; padding: 9px 14px 9px 0; line-height: 1.35;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th { font-weight: 620; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: nowrap; }
tbody th { min-width: 110px; max-width: 230px; overflow-wrap: anywhere; }
td.count, th.count { text-align: right; }
td.value { white-space: nowrap; }
td.value small, .plot-value small { display: block; }
td.count small { display: block; }
tr.overall > * { border-top: 2px solid var(--line); }
tr.small td, tr.small td strong, tr.small th bdi { color: var(--soft); font-weight: 400; }
tbody.measures th { font-weight: 400; }
tr.divider th { padding-top: 22px; color: var(--soft); font-weight: 600; border-bottom: 1px solid
  var(--soft); }
td strong { font-weight: 680; }
th small { display: block; font-weight: 400; }
a.term { color: inherit; text-decoration: underline dotted; }
.undefined { color: var(--soft); cursor: help; }

.heat { width: auto; min-width: 50%; border-collapse: separate; border-spacing: 5px; }
.heat th { vertical-align: middle; border: 0; padding: 6px 10px; max-width: 170px;
  overflow-wrap: anywhere; }
.heat thead th { text-align: center; white-space: normal; color: var(--ink); }
.heat td { border: 0; padding: 14px 16px; min-width: 118px; text-align: center; border-radius: 8px;
  background: rgba(var(--heat), var(--share, 0)); box-shadow: inset 0 0 0 1px var(--line);
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.heat td b { display: block; font-size: 1.16rem; font-weight: 660; }
.heat td small { color: inherit; opacity: .88; display: block; }
.heat td.few, .heat td.none { color: var(--soft); background: repeating-linear-gradient(135deg,
  transparent 0 7px, var(--faint) 7px 14px); }
.heat td.few b { font-weight: 500; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; align-items: center; font-size: .9rem;
  margin: 0 0 1em; color: var(--soft); }
.ramp { display: inline-block; width: 130px; height: 12px; border-radius: 6px; vertical-align: -1px;
  margin: 0 8px; background: linear-gradient(90deg, rgba(var(--heat), .04), rgba(var(--heat), .6));
  box-shadow: inset 0 0 0 1px var(--line);
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }

.toggle-box h3 { margin-top: 32px; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 20px; }
figure { margin: 0; min-width: 0; }
.case-figure { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  overflow: hidden; break-inside: avoid; }
svg.case { display: block; width: 100%; height: 240px; background: #16181b; }
svg.case image { image-rendering: auto; }
svg.case path { fill: none; stroke-linejoin: round; stroke-linecap: square;
  vector-effect: non-scaling-stroke; }
svg.case .halo { stroke: #000; stroke-opacity: .55; stroke-width: 5.5; }
svg.case .reference { stroke: #56b4e9; stroke-width: 3.4; }
svg.case .prediction { stroke: #ffb000; stroke-width: 1.8; }
.case-figure figcaption { padding: 12px 16px 14px; font-size: .9rem; line-height: 1.4; }
.case-figure figcaption strong, .case-figure figcaption span { display: block; }
.case-figure figcaption span { color: var(--soft); }
.swatch { display: inline-block; width: 26px; vertical-align: middle; margin-right: 8px;
  background: #56b4e9; height: 5px; border-radius: 2px; box-shadow: 0 0 0 1px rgba(0,0,0,.45);
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.swatch.thin { background: #ffb000; height: 3px; }
.toggle { accent-color: var(--accent); margin: 0 8px 0 0; vertical-align: -1px; }
.toggle-box:has(.toggle:checked) svg.case path { visibility: hidden; }

.contributions > span { display: flex; align-items: center; gap: 8px; white-space: nowrap;
  font-size: .88rem; }
.contributions { min-width: 190px; }
.bar { display: inline-block; width: calc(4px + var(--share, .3) * 54px); height: 9px; flex: none;
  border-radius: 2px; background: var(--c1); vertical-align: 0;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.bar.better { background: none; border: 2px solid var(--c0); }

#tip { position: fixed; z-index: 20; max-width: min(44ch, calc(100vw - 16px)); padding: 9px 13px;
  background: var(--ink); color: var(--card); border-radius: 8px; font-size: .86rem;
  line-height: 1.42; font-weight: 400; box-shadow: 0 4px 18px rgba(0, 0, 0, .28); }
[hidden] { display: none !important; }
a.to-cases { display: inline-block; font-size: .8rem; font-weight: 400; margin-top: 2px; }
.controls { display: flex; flex-wrap: wrap; gap: 12px 16px; align-items: flex-end; }
.controls label { display: flex; flex-direction: column; gap: 3px; font-size: .84rem;
  color: var(--soft); max-width: 100%; }
.controls label.tick { flex-direction: row; align-items: center; min-height: 38px;
  font-size: .92rem; }
button, select, input[type=search] { font: inherit; font-size: .92rem; color: var(--ink);
  background: var(--card); border: 1px solid var(--edge); border-radius: 7px; padding: 6px 11px;
  min-height: 38px; max-width: 100%; }
select { max-width: 240px; text-overflow: ellipsis; }
input[type=search] { width: 190px; }
button { cursor: pointer; }
button:hover { background: var(--faint); }
.case-list thead th { padding-right: 6px; }
.case-list thead button { border: 0; background: none; color: inherit; font-weight: 600;
  padding: 4px 6px 4px 0; min-height: 28px; text-align: left; white-space: nowrap; }
.case-list thead button:hover { text-decoration: underline; }
.case-list thead button::after { content: "↕"; margin-left: .4em; opacity: .45; }
.case-list th[aria-sort=ascending] button::after { content: "↑"; opacity: 1; }
.case-list th[aria-sort=descending] button::after { content: "↓"; opacity: 1; }
.case-list th[aria-sort=ascending], .case-list th[aria-sort=descending] { color: var(--ink); }
.case-list tbody th { font-weight: 400; }
.case-list tbody tr:hover > * { background: var(--faint); }
.buttons { margin: 16px 0 0; }
.case-figure:target { outline: 3px solid var(--accent); outline-offset: 2px; }
.case-figure { scroll-margin-top: 70px; }

details { margin: 0 0 20px; }
.card > details { margin: 0; }
summary { cursor: pointer; color: var(--accent); font-size: .94rem; padding: 4px 0; }
details > :nth-child(2) { margin-top: 12px; }
dl.terms { display: grid; grid-template-columns: minmax(130px, 230px) 1fr; gap: 0 26px; margin: 0; }
dl.terms dt { font-weight: 620; padding: 11px 0; border-top: 1px solid var(--line);
  scroll-margin-top: 70px; }
dl.terms dd { margin: 0; padding: 11px 0; border-top: 1px solid var(--line); }
dl.terms > :nth-child(-n+2) { border-top: 0; }
dl.terms dt:target, dl.terms dt:target + dd { background: var(--faint); }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.page-foot { padding-top: 18px; padding-bottom: 60px; color: var(--soft); font-size: .88rem; }

svg.plane { display: block; width: 100%; max-width: 640px; height: auto; margin: 0 auto;
  font-variant-numeric: tabular-nums; overflow: visible; }
.plane .grid { stroke: var(--line); fill: none; }
.plane .tick { font-size: 12px; fill: var(--soft); }
.plane .axis-title { font-size: 13px; fill: var(--ink); }
.plane .whisker { stroke: var(--g); stroke-width: 2; fill: none; stroke-opacity: .6; }
.plane .spot { fill: var(--g); stroke: var(--card); stroke-width: 1.5; }
.plane .baseline .spot { fill: var(--card); stroke: var(--g); stroke-width: 3; }
.plane .letter { font-size: 12px; font-weight: 700; fill: var(--card); }
.plane .baseline .letter { fill: var(--ink); }
.plane .arrow { stroke: var(--soft); stroke-width: 1.6; fill: none; }
.plane .arrow-head { fill: var(--soft); }
.keys { list-style: none; padding: 0; margin: 0 0 14px; display: flex; flex-wrap: wrap;
  gap: 6px 22px; }
.key { display: inline-flex; width: 22px; height: 22px; border-radius: 50%; margin-right: 9px;
  align-items: center; justify-content: center; font-size: 12px; font-weight: 700;
  background: var(--g); color: var(--card); border: 2px solid var(--g);
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.key.baseline { background: var(--card); color: var(--ink); }

@media (max-width: 720px) {
  main, .page-head, .page-foot { padding-left: 16px; padding-right: 16px; }
  .page-head { padding-top: 32px; }
  .card { padding: 18px 16px; border-radius: 10px; }
  .pair { grid-template-columns: 1fr; }
  caption { max-width: calc(100vw - 68px); }
  .plot-row { grid-template-columns: minmax(70px, 26%) 1fr minmax(52px, 25%); gap: 0 10px; }
  .plot-row .plot-value { font-size: .8rem; }
  .instead { inset: 3px 0; padding: 0 6px; font-size: .72rem; line-height: 1.2; }
  .briefs, dl.terms { grid-template-columns: 1fr; gap: 0; }
  .briefs dd { margin-bottom: 8px; }
  dl.terms dt { padding-bottom: 0; } dl.terms dd { border-top: 0; padding-top: 2px; }
  dl.terms > :nth-child(2) { border-top: 0; }
}
@media print {
  @page { size: A4; margin: 14mm 13mm; }
  body { background: #fff; font-size: 10pt; }
  nav, .skip, .toggle, .toggle-label, .controls, .buttons, .to-cases, #tip {
    display: none !important; }
  .case-list thead button { padding: 0; min-height: 0; font-size: inherit; white-space: normal; }
  .case-list thead button::after { content: "" !important; }
  main, .page-head, .page-foot { max-width: none; padding: 0; }
  section { margin: 18pt 0; }
  .card { padding: 10pt 12pt; border-radius: 6pt; }
  .finding, figure, .plot-row, .strips, tr { break-inside: avoid; }
  h2, h3, h4, caption { break-after: avoid; }
  table { font-size: 8pt; }
  th, td { padding: 4pt 6pt 4pt 0; }
  td.value, thead th { white-space: normal; }
  tbody th { min-width: 60pt; }
  .headline { font-size: 11.5pt; }
  .scroll { overflow: visible; }
  .pair { grid-template-columns: 1fr; }
  .cases { grid-template-columns: repeat(3, 1fr); gap: 8pt; }
  svg.case { height: 130pt; }
  .plot svg, .plot path, .plot rect { -webkit-print-color-adjust: exact;
    print-color-adjust: exact; }
  details::details-content { content-visibility: visible; height: auto; }
  a { color: inherit; text-decoration: none; }
}
"""
