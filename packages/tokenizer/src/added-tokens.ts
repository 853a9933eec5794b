/**
 * Added tokens: texts that are one token wherever they stand. Those that are not `normalized` are found in the text as it
 * is, the others in its normalised pieces, where they are normalised too. Leftmost first, the longest of those.
 *
 * As Hugging Face's tokenizers 0.23; `@huggingface/tokenizers` leaves out `single_word`.
 */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import type { Normalizer } from './normalizers.ts';
import { escaped, regularExpression } from './text-patterns.ts';
import { checkId, type Vocabulary } from './vocabulary.ts';

const schema = type({
  id: 'number.integer',
  content: 'string <= 4096',
  'single_word?': 'boolean',
  'lstrip?': 'boolean',
  'rstrip?': 'boolean',
  'normalized?': 'boolean',
  'special?': 'boolean',
}).array();

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly singleWord: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A stretch of text: one added token, or text between them (id null). */
export interface Section {
  readonly start: number;
  readonly end: number;
  readonly id: number | null;
}

/** The added tokens of a tokenizer. */
export interface AddedTokens {
  readonly ids: ReadonlyMap<string, number>;
  /** What each stands for in a text: its content, normalised where it is looked for in normalised pieces. */
  readonly texts: ReadonlyMap<number, string>;
  readonly specialIds: ReadonlySet<number>;
  readonly largestId: number;
  /** Finds those that are looked for in a text as it is. */
  readonly inText: (text: string) => Section[];
  /** Finds those that are looked for in a normalised piece. */
  readonly inNormalised: (piece: string) => Section[];
}

/** Reads `added_tokens`. Throws SyntaxError when they contradict each other or the vocabulary. */
export function readAddedTokens(json: unknown, vocabulary: Vocabulary, normalise: Normalizer, place: string): AddedTokens {
  const file = schema(json ?? []);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: added_tokens: ${problemsOf(file)}`);
  const ids = new Map<string, number>();
  const tokens = new Map<number, string>();
  const added: AddedToken[] = [];
  for (const { id, content, single_word: singleWord = false, lstrip = false, rstrip = false, special = false, normalized = !special } of file) {
    checkId(content, id, place);
    if (content === '') throw new SyntaxError(`Cannot read ${place}: added token ${id} has no content`);
    const holder = tokens.get(id) ?? vocabulary.tokens.get(id) ?? content;
    const own = ids.get(content) ?? vocabulary.ids.get(content) ?? id;
    if (holder !== content || own !== id) {
      const problem = holder === content ? `has id ${own} elsewhere in the file` : `shares it with ${quoted(holder)}`;
      throw new SyntaxError(`Cannot read ${place}: added token ${quoted(content)} has id ${id} and ${problem}`);
    }
    ids.set(content, id);
    tokens.set(id, content);
    added.push({ id, content, singleWord, lstrip, rstrip, normalized, special });
  }
  return {
    ids,
    texts: new Map(added.map(({ id, content, normalized }) => [id, normalized ? normalise(content) : content])),
    specialIds: new Set(added.filter(({ special }) => special).map(({ id }) => id)),
    largestId: [...tokens.keys()].reduce((most, id) => Math.max(most, id), -1),
    inText: createFinder(added.filter(({ normalized }) => !normalized).map((token) => [token.content, token])),
    inNormalised: createFinder(added.filter(({ normalized }) => normalized).map((token) => [normalise(token.content), token])),
  };
}

const WORD_BEFORE = regularExpression(String.raw`\w\z`, 'the tokenizer');
const WORD_AFTER = regularExpression(String.raw`\A\w`, 'the tokenizer');
const isSpace = (letter: string): boolean => /^\p{White_Space}$/u.test(letter);

/** Finds tokens by their texts. Where two have the same text the first wins. */
function createFinder(entries: readonly (readonly [string, AddedToken])[]): (text: string) => Section[] {
  const byText = new Map<string, AddedToken>();
  for (const [text, token] of entries) if (text !== '' && !byText.has(text)) byText.set(text, token);
  if (byText.size === 0) return (text) => (text === '' ? [] : [{ start: 0, end: text.length, id: null }]);
  const longestFirst = [...byText.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escaped).join('|'), 'g');
  return (text) => {
    const sections: Section[] = [];
    let end = 0;
    for (const { 0: match, index } of text.matchAll(pattern)) {
      const token = byText.get(match);
      if (!token || index < end) continue;
      let start = index;
      let stop = index + match.length;
      if (token.singleWord && (endsWithWord(text, start) || startsWithWord(text, stop))) continue;
      if (token.lstrip) while (start > end && isSpace(text.charAt(start - 1))) start--;
      if (token.rstrip) while (stop < text.length && isSpace(text.charAt(stop))) stop++;
      if (start > end) sections.push({ start: end, end: start, id: null });
      sections.push({ start, end: stop, id: token.id });
      end = stop;
    }
    if (end < text.length) sections.push({ start: end, end: text.length, id: null });
    return sections;
  };
}

/** Whether the letter before `index` belongs to a word. */
function endsWithWord(text: string, index: number): boolean {
  return text.slice(Math.max(0, index - 2), index).search(WORD_BEFORE) >= 0;
}

/** Whether the letter at `index` belongs to a word. */
function startsWithWord(text: string, index: number): boolean {
  return text.slice(index, index + 2).search(WORD_AFTER) >= 0;
}
