/**
 * Markup that cannot be injected into: `html` escapes every value put into it, unless the value is markup made by
 * `html` itself. Everything a model or a data file wrote reaches the page through it.
 */

/** Finished markup; only `html`, `trusted` and `join` make it. */
export interface Html {
  readonly markup: string;
}

/** What may stand in a template: text is escaped, markup is not, null and false are nothing. */
export type Part = string | number | Html | null | false | undefined | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Text for a place between tags or inside a quoted attribute; control characters without a form become U+FFFD. */
export function escape(text: string): string {
  return text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these are the characters meant
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '\ufffd')
    .replaceAll(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');
}

function isList(part: Part): part is readonly Part[] {
  return Array.isArray(part);
}

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string') return escape(part);
  if (typeof part === 'number') return String(part);
  return isList(part) ? part.map(render).join('') : part.markup;
}

/** Declares a string to be markup: for what this package itself made. */
export function trusted(markup: string): Html {
  return { markup };
}

/**
 * Template tag. Attributes must be quoted in the template.
 *
 * @example html`<p title="${title}">${text}</p>`.markup
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return trusted(strings.reduce((all, piece, index) => all + render(parts[index - 1]) + piece));
}
