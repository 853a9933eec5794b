/**
 * Jinja templates as chat formats use them: what jinja2 3.1.6 writes as transformers 5.24 sets it up, to the character, or a
 * refusal by name. A template is a program that a stranger wrote: how long it is, what it may compute and how much it may
 * write is limited (`jinja/interpreter.ts`), and it sees no clock.
 */

import { brief } from '@seal/files';
import { renderTemplate, valueOf } from './jinja/interpreter.ts';
import { textOf, type Text } from './jinja/marked.ts';
import { parseTemplate } from './jinja/parser.ts';
import { str } from './jinja/printing.ts';
import { bind, Callable, type Value } from './jinja/values.ts';

/** The longest published templates have some 20,000 characters. */
const MAX_TEMPLATE_LENGTH = 65_536;

/** Renders with variables. Throws RangeError when the template refuses them or exceeds its bounds. */
export type Template = (variables: ReadonlyMap<string, Value>) => Text;

/** Compiles a template; `date` is what it is told when it asks for the date. Throws SyntaxError when it is not Jinja. */
export function compileTemplate(source: string, date: Date, place: string): Template {
  if (source.length > MAX_TEMPLATE_LENGTH) {
    throw new SyntaxError(`Cannot use ${place}: the chat template has ${source.length} characters, at most ${MAX_TEMPLATE_LENGTH} are read`);
  }
  const template = parsed(source, place);
  return (variables) => {
    let refusal: string | null = null;
    const globals = new Map<string, Value>([
      ['strftime_now', new Callable('strftime_now', (call) => strftime(date, textOf(str(bind('strftime_now', call, ['format'], 1)[0] ?? null))))],
      ['raise_exception', new Callable('raise_exception', (call) => {
        refusal = textOf(str(bind('raise_exception', call, ['message'], 1)[0] ?? null));
        throw new RangeError(refusal);
      })],
      ...variables,
    ]);
    try {
      return renderTemplate(template, globals);
    } catch (cause) {
      const problem = refusal ?? (cause instanceof Error ? cause.message : String(cause));
      const kind = refusal === null ? 'failed' : 'refuses them';
      throw new RangeError(`Cannot render the messages: the chat template of ${place} ${kind}: ${brief(problem)}`, { cause });
    }
  };
}

function parsed(source: string, place: string): ReturnType<typeof parseTemplate> {
  try {
    return parseTemplate(source);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`Cannot use ${place}: the chat template is not valid: ${brief(problem)}`, { cause });
  }
}

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** A date in Python's notation, in English and UTC. Throws RangeError for a mark that is none of the common ones. */
function strftime(date: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const month = MONTHS[date.getUTCMonth()] ?? '';
  const day = DAYS[date.getUTCDay()] ?? '';
  const marks: Readonly<Record<string, string>> = {
    a: day.slice(0, 3),
    A: day,
    b: month.slice(0, 3),
    B: month,
    d: two(date.getUTCDate()),
    H: two(date.getUTCHours()),
    m: two(date.getUTCMonth() + 1),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    y: two(date.getUTCFullYear() % 100),
    Y: String(date.getUTCFullYear()),
    '%': '%',
  };
  return format.replace(/%([^]|$)/gu, (_, mark: string) => {
    const text = Object.hasOwn(marks, mark) ? marks[mark] : undefined;
    if (text === undefined) throw new RangeError(`strftime_now() does not know %${mark}`);
    return text;
  });
}

/** A template's text with variables of JSON, for what is no conversation. Throws as `compileTemplate` and what it gives. */
export function renderJinja(source: string, variables: Readonly<Record<string, unknown>>): string {
  const template = compileTemplate(source, new Date(0), 'a template');
  return textOf(template(new Map(Object.entries(variables).map(([name, value]) => [name, valueOf(value)] as const))));
}
