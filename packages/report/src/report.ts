/** The report of a run: one HTML file that needs nothing else, neither network nor script. */
import { duration } from './format.ts';
import { type Html, html } from './html.ts';
import { gather, type Material, type ReportInput } from './input.ts';
import { contextsSection } from './contexts.ts';
import { resultsSection, summary } from './results.ts';
import { learningSection, rewardsSection, selectionSection } from './rounds.ts';
import { configurationSection, limitsSection, timingsSection } from './setting.ts';
import { style } from './style.ts';

function facts({ input: { header, result } }: Material): Html {
  const entries: (readonly [string, string])[] = [
    ['preset', header.preset],
    ['mode', header.mode],
    ['seed', String(header.seed)],
    ['device', header.environment.adapter],
    ['runtime', header.environment.runtime],
    ['took', duration(result.timings.totalSeconds)],
  ];
  return html`<dl class="facts">${entries.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd class="model">${value}</dd></div>`,
  )}</dl>`;
}

/**
 * The whole report as one HTML document in UTF-8. Figures are drawn into it, all text is escaped, and a content
 * security policy forbids scripts and requests besides. The same input gives the same bytes.
 */
export function renderReport(input: ReportInput): string {
  const material = gather(input);
  const sections: readonly (readonly [id: string, title: string, section: Html | null])[] = [
    ['results', 'Results', resultsSection(material)],
    ['rewards', 'Rewards', rewardsSection(material)],
    ['contexts', `Every ${material.terms.context}`, contextsSection(material)],
    ['kept', 'What was kept', selectionSection(material)],
    ['learning', 'Learning', learningSection(material)],
    ['time', 'Time', timingsSection(material)],
    ['configuration', 'Configuration', configurationSection(material)],
    ['limits', 'Limits', limitsSection(material)],
  ];
  const shown = sections.filter(([, , section]) => section !== null);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>SEAL, ${input.header.preset}, seed ${input.header.seed}</title>
<style>${style}</style>
</head>
<body>
<header>
<p class="eyebrow">SEAL · self-adapting language model · run report</p>
${summary(material)}
${facts(material)}
<nav aria-label="sections">${shown.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav>
</header>
<main>
${shown.map(([, , section]) => section)}
</main>
<footer>Run <span class="model">${input.header.runId}</span>, started ${input.header.createdAt}.</footer>
</body>
</html>
`.markup;
}
