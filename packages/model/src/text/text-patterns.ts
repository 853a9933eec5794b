/** Patterns of `tokenizer.json`: Oniguruma expressions and plain strings, as JavaScript's. */

import { problemsOf, quoted } from '@seal/files';
import * as library from '@huggingface/tokenizers';
import { type } from 'arktype';

/** The library's declarations do not reach what it re-exports. */
const { SplitPreTokenizer } = library as unknown as { readonly SplitPreTokenizer: new (config: object) => { readonly pattern: RegExp | null } };

const MAX_PATTERN_LENGTH = 8_192;

const patternSchema = type({ Regex: `string <= ${MAX_PATTERN_LENGTH}` }).or({ String: `string <= ${MAX_PATTERN_LENGTH}` });

/**
 * The expression, global and Unicode-aware, or null where nothing can match (an empty string). The library knows how
 * Oniguruma differs: its `\s` and `\d`, `(?i:)` for ASCII, possessive quantifiers. Throws SyntaxError.
 */
export function readPattern(json: unknown, place: string): RegExp | null {
  const pattern = patternSchema(json);
  if (pattern instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: pattern: ${problemsOf(pattern)}`);
  if ('String' in pattern) return pattern.String === '' ? null : literal(pattern.String);
  return regularExpression(pattern.Regex, place);
}

/** An expression that matches a text and nothing else. */
export function literal(text: string): RegExp {
  return new RegExp(escaped(text), 'gu');
}

/** A text as a part of an expression. */
export function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** An Oniguruma expression. Throws SyntaxError, also for one whose matching may take exponential time. */
export function regularExpression(source: string, place: string): RegExp {
  const pattern = translated(source, place);
  const problem = backtracking(pattern.source);
  if (problem !== null) {
    throw new SyntaxError(`Cannot use ${place}: the expression ${quoted(source)} ${problem}: matching it might never end`);
  }
  return pattern;
}

function translated(source: string, place: string): RegExp {
  try {
    const { pattern } = new SplitPreTokenizer({ type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false });
    if (pattern) return pattern;
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: the expression ${quoted(source)} cannot be used`, { cause });
  }
  throw new SyntaxError(`Cannot read ${place}: the expression ${quoted(source)} cannot be used`);
}

/** An escape, a class, a group's beginning, a quantifier, or one character. */
const PARTS = /\\(?:[pPu]\{[^}]*\}|[^])|\[(?:\\[^]|[^\]\\])*\]|\((?:\?(?:<(?![=!])[^>]*>|[^:=!]*[:=!]))?|[*+?]\??|\{\d+(?:,\d*)?\}\??|[^]/gu;

/** What a matcher may have to try otherwise on one way through an expression. */
interface Choices {
  /** Quantifiers and alternatives: trying all of them takes exponential time in their number. */
  readonly all: number;
  /** Quantifiers without a near bound: as many are the power of the text's length that it takes. */
  readonly endless: number;
}

const MOST: Choices = { all: 16, endless: 2 };
const NONE: Choices = { all: 0, endless: 0 };
const both = (a: Choices, b: Choices): Choices => ({ all: a.all + b.all, endless: a.endless + b.endless });
const more = (a: Choices, b: Choices): Choices => ({ all: Math.max(a.all, b.all), endless: Math.max(a.endless, b.endless) });

/**
 * What may make a backtracking matcher take for ever, or null. One that fails tries its choices in all combinations, so
 * their number on one way through the expression is bounded; what is repeated may hold none, for every repetition would
 * have them anew.
 */
function backtracking(source: string): string | null {
  // Of every open group: the way that is read, the longest one before it, and how many ways there are besides.
  const open = [{ here: NONE, before: NONE, others: 0 }];
  let group = open.at(-1);
  let within = NONE;
  for (const [part] of source.matchAll(PARTS)) {
    if (!group) break;
    let ended = NONE;
    if (part.startsWith('(')) {
      open.push((group = { here: NONE, before: NONE, others: 0 }));
    } else if (part === '|') {
      group.before = more(group.before, group.here);
      group.here = NONE;
      group.others += 1;
    } else if (part === ')') {
      ended = both(more(group.before, group.here), { all: group.others, endless: 0 });
      open.pop();
      group = open.at(-1);
      if (group) group.here = both(group.here, ended);
    } else if (/^(?:[*+?]|\{\d)/.test(part)) {
      const isRepeated = !/^(?:\?|\{[01]\}|\{[01],1\})/.test(part);
      if (isRepeated && within.all > 0) return 'repeats what can match in several ways';
      const isEndless = /^(?:[*+]|\{\d+,(?:\d\d+)?\})/.test(part);
      if (!/^\{\d+\}/.test(part)) group.here = both(group.here, { all: 1, endless: isEndless ? 1 : 0 });
    }
    within = ended;
  }
  const { all, endless } = more(open[0]?.before ?? NONE, open[0]?.here ?? NONE);
  if (endless > MOST.endless) return `has ${endless} endless quantifiers in a row, at most ${MOST.endless} are read`;
  return all > MOST.all ? `has ${all} quantifiers and alternatives in a row, at most ${MOST.all} are read` : null;
}

/** Reads an object with a `type` and gives both; `what` names it in the error. Throws SyntaxError. */
export function typed(json: unknown, what: string, place: string): { readonly type: string; readonly [key: string]: unknown } {
  const object = type({ type: 'string' })(json);
  if (object instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${what}: ${problemsOf(object)}`);
  return object;
}

/** The error for a kind of part that is not implemented. */
export function unsupported(what: string, kind: string, known: readonly string[], place: string): SyntaxError {
  return new SyntaxError(`Cannot use ${place}: ${what} ${quoted(kind)} is not supported; supported are ${known.join(', ')}`);
}
