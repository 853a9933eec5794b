/**
 * Jinja templates as chat formats use them, through @huggingface/jinja, with its bounds: a template is a program that a
 * stranger wrote. How long it is, what it may compute and how much it may write is limited, and it sees no clock.
 */

import { brief } from '@seal/files';
import * as library from '@huggingface/jinja';

/** What the library computes with; its declarations do not reach this. */
interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
}

interface Environment {
  set(name: string, value: unknown): void;
}

interface Interpreter {
  evaluate(statement: unknown, environment: unknown): RuntimeValue;
  run(program: unknown): RuntimeValue;
}

const { Environment, Interpreter } = library as unknown as {
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
};

/** The longest published templates have some 20,000 characters. */
const MAX_TEMPLATE_LENGTH = 65_536;
/** Of a text that is written, or of one on the way to it. */
const MAX_TEXT_LENGTH = 4_194_304;
const MAX_LIST_LENGTH = 262_144;
/** Evaluated nodes, and another for every 64 characters or every item that one gives. A message takes some hundred. */
const MAX_WORK = 4_000_000;

/** Renders with variables. Throws RangeError when the template refuses them or exceeds its bounds. */
export type Template = (variables: Readonly<Record<string, unknown>>) => string;

/** Compiles a template; `date` is what it is told when it asks for the date. Throws SyntaxError when it is not Jinja. */
export function compileTemplate(source: string, date: Date, place: string): Template {
  if (source.length > MAX_TEMPLATE_LENGTH) {
    throw new SyntaxError(`Cannot use ${place}: the chat template has ${source.length} characters, at most ${MAX_TEMPLATE_LENGTH} are read`);
  }
  const program = parseTemplate(source, place);
  return (variables) => {
    let refusal: string | null = null;
    let exceeded: string | null = null;
    const environment = new Environment();
    const globals = {
      false: false,
      true: true,
      none: null,
      False: false,
      True: true,
      None: null,
      range: boundedRange,
      strftime_now: (format: unknown) => strftime(date, String(format)),
      raise_exception(message: unknown): never {
        refusal = String(message);
        throw new RangeError(refusal);
      },
      ...variables,
    };
    for (const [name, value] of Object.entries(globals)) environment.set(name, value);
    const interpreter = new Interpreter(environment);
    const evaluate = interpreter.evaluate.bind(interpreter);
    let work = 0;
    // Every node of the program passes here, the nodes within it too.
    interpreter.evaluate = (statement, scope) => {
      const value = evaluate(statement, scope);
      const length = typeof value.value === 'string' ? value.value.length : 0;
      const items = Array.isArray(value.value) ? value.value.length : 0;
      work += 1 + (length >> 6) + items;
      if (length > MAX_TEXT_LENGTH || items > MAX_LIST_LENGTH || work > MAX_WORK) {
        exceeded = length > MAX_TEXT_LENGTH ? `writes more than ${MAX_TEXT_LENGTH} characters` : 'computes too much';
        throw new RangeError(exceeded);
      }
      return value;
    };
    try {
      return String(interpreter.run(program).value);
    } catch (cause) {
      const problem = refusal ?? exceeded ?? (cause instanceof Error ? cause.message : String(cause));
      const kind = refusal === null ? 'failed' : 'refuses them';
      throw new RangeError(`Cannot render the messages: the chat template of ${place} ${kind}: ${brief(problem)}`, { cause });
    }
  };
}

function parseTemplate(source: string, place: string): unknown {
  try {
    return new library.Template(source).parsed;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`Cannot use ${place}: the chat template is not valid: ${brief(problem)}`, { cause });
  }
}

/** Jinja's `range`, for lists that fit. */
function boundedRange(first: unknown, second?: unknown, third?: unknown): number[] {
  const [start, stop] = second === undefined ? [0, Number(first)] : [Number(first), Number(second)];
  const step = third === undefined ? 1 : Number(third);
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_LIST_LENGTH)) throw new RangeError(`range() may give at most ${MAX_LIST_LENGTH} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
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
