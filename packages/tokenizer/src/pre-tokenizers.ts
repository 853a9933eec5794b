/**
 * Pre-tokenizers of `tokenizer.json`: how a normalised text is cut into words, none of which a token can leave. As
 * Hugging Face's tokenizers 0.23. `@huggingface/tokenizers` departs from it in `ByteLevel` (`\s` of JavaScript, which
 * holds U+FEFF and not U+0085), `Digits` (ASCII only), `Metaspace` (no `split`) and `Split` (no merging behaviours),
 * so these are written out here.
 */

import { problemsOf } from '@seal/files';
import { type } from 'arktype';
import { literal, readPattern, regularExpression, typed, unsupported } from './text-patterns.ts';

/** Cuts a piece of text; `isFirst` where it begins where the text does. */
type Cut = (piece: string, isFirst: boolean) => string[];

/** How text becomes words. */
export interface PreTokenizer {
  readonly cut: Cut;
  /** The letters that a word is looked up by: itself, or a letter for every byte. */
  readonly spell: (word: string) => string;
}

const MAX_STEPS = 64;
const KNOWN = ['ByteLevel', 'Digits', 'Metaspace', 'Split', 'Whitespace', 'WhitespaceSplit', 'Sequence'];
const BYTE_LEVEL_WORDS = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

const BEHAVIORS = ['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof BEHAVIORS)[number];

const byteLevelSchema = type({ add_prefix_space: 'boolean', 'use_regex?': 'boolean' });
const digitsSchema = type({ individual_digits: 'boolean' });
const metaspaceSchema = type({
  replacement: /^[^]$/u,
  'prepend_scheme?': "'always' | 'first' | 'never'",
  'add_prefix_space?': 'boolean',
  'split?': 'boolean',
});
const splitSchema = type({ pattern: 'unknown', behavior: type.enumerated(...BEHAVIORS), 'invert?': 'boolean' });
const sequenceSchema = type({ pretokenizers: `unknown[] <= ${MAX_STEPS}` });

/** The letter of every byte: printable ones stand for themselves, the others for U+0100 and on. */
export const BYTE_LETTERS: readonly string[] = (() => {
  const stands = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let other = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(stands(byte) ? byte : other++));
})();

const utf8 = new TextEncoder();

function spellBytes(word: string): string {
  let letters = '';
  for (const byte of utf8.encode(word)) letters += BYTE_LETTERS[byte] ?? '';
  return letters;
}

/** A text as matches and what lies between them, nothing left out. */
function matchesAndGaps(text: string, pattern: RegExp, invert: boolean): { readonly text: string; readonly isMatch: boolean }[] {
  const parts: { text: string; isMatch: boolean }[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > end) parts.push({ text: text.slice(end, index), isMatch: invert });
    if (match !== '') parts.push({ text: match, isMatch: !invert });
    end = index + match.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), isMatch: invert });
  return parts;
}

/** Cuts at a pattern. */
function split(pattern: RegExp, behavior: Behavior, invert: boolean): Cut {
  return (piece) => {
    const parts = matchesAndGaps(piece, pattern, invert);
    if (behavior === 'Isolated') return parts.map(({ text }) => text);
    if (behavior === 'Removed') return parts.filter(({ isMatch }) => !isMatch).map(({ text }) => text);
    const joins = (i: number): boolean => {
      const [before, here] = [parts[i - 1]?.isMatch ?? false, parts[i]?.isMatch ?? false];
      if (behavior === 'Contiguous') return before === here;
      return behavior === 'MergedWithPrevious' ? here && !before : before && !here;
    };
    const words: string[] = [];
    parts.forEach(({ text }, i) => {
      if (i > 0 && joins(i)) words.push((words.pop() ?? '') + text);
      else words.push(text);
    });
    return words;
  };
}

const asItIs = (word: string): string => word;
const unspelled = (cut: Cut): PreTokenizer => ({ cut, spell: asItIs });

/** Reads `pre_tokenizer`, null for none. Throws SyntaxError. */
export function readPreTokenizer(json: unknown, place: string, depth = 0): PreTokenizer {
  if (json === null || json === undefined) return unspelled((piece) => [piece]);
  const part = typed(json, 'pre_tokenizer', place);
  const check = <T>(value: T | type.errors): T => {
    if (value instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: pre_tokenizer ${part.type}: ${problemsOf(value)}`);
    return value;
  };
  switch (part.type) {
    case 'ByteLevel': {
      const { add_prefix_space: addsSpace, use_regex: usesWords = true } = check(byteLevelSchema(part));
      const words: Cut = usesWords ? split(regularExpression(BYTE_LEVEL_WORDS, place), 'Isolated', false) : (piece) => [piece];
      return { cut: (piece, isFirst) => words(addsSpace && !piece.startsWith(' ') ? ` ${piece}` : piece, isFirst), spell: spellBytes };
    }
    case 'Digits':
      return unspelled(split(/\p{N}/gu, check(digitsSchema(part)).individual_digits ? 'Isolated' : 'Contiguous', false));
    case 'Metaspace': {
      const { replacement, prepend_scheme: scheme, add_prefix_space: legacy, split: cuts = true } = check(metaspaceSchema(part));
      const prepends = scheme ?? (legacy === false ? 'never' : 'always');
      const words = split(literal(replacement), 'MergedWithNext', false);
      return unspelled((piece, isFirst) => {
        const replaced = piece.replaceAll(' ', () => replacement);
        const isBare = !replaced.startsWith(replacement) && (prepends === 'always' || (prepends === 'first' && isFirst));
        const whole = isBare ? replacement + replaced : replaced;
        return cuts ? words(whole, isFirst) : [whole];
      });
    }
    case 'Split': {
      const { pattern: source, behavior, invert = false } = check(splitSchema(part));
      const pattern = readPattern(source, place);
      return unspelled(pattern ? split(pattern, behavior, invert) : (piece) => [piece]);
    }
    case 'Whitespace':
      return unspelled(split(regularExpression(String.raw`\w+|[^\w\s]+`, place), 'Removed', true));
    case 'WhitespaceSplit':
      return unspelled(split(/\p{White_Space}/gu, 'Removed', false));
    case 'Sequence': {
      if (depth > 8) throw new SyntaxError(`Cannot read ${place}: pre_tokenizers are nested too deeply`);
      const steps = check(sequenceSchema(part)).pretokenizers.map((step) => readPreTokenizer(step, place, depth + 1));
      return steps.reduce(followedBy, unspelled((piece) => [piece]));
    }
    default:
      throw unsupported('pre_tokenizer', part.type, KNOWN, place);
  }
}

/** One after the other: what the first spells, the second cuts. */
function followedBy(before: PreTokenizer, after: PreTokenizer, index: number): PreTokenizer {
  if (index === 0) return after;
  return {
    spell: after.spell,
    cut: (piece, isFirst) =>
      before.cut(piece, isFirst).flatMap((word, i) => after.cut(before.spell(word), isFirst && i === 0)),
  };
}
