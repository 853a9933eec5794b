/** Patterns of `tokenizer.json`: Oniguruma expressions and plain strings, as JavaScript's. */

import { mayNeverEnd, problemsOf, quoted } from '@seal/files';
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
  const problem = mayNeverEnd(pattern.source);
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
