/**
 * Byte-pair encoding: a word's letters are joined pair by pair, the pair of the lowest rank first, the leftmost of equal
 * ones (Sennrich et al. 2016; order and unknown letters as Hugging Face's tokenizers 0.23).
 *
 * `@huggingface/tokenizers` is not used for this: its merging keys pairs by text, and its cache has no bound.
 */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import type { Vocabulary } from './vocabulary.ts';
import { remembered } from './word-cache.ts';

const fileSchema = type({
  'unk_token?': 'string | null',
  'dropout?': '0 | null',
  'continuing_subword_prefix?': "'' | null",
  'end_of_word_suffix?': "'' | null",
  'fuse_unk?': 'boolean | null',
  'byte_fallback?': 'boolean | null',
  'ignore_merges?': 'boolean | null',
  merges: 'unknown[]',
});

/** Words longer than this are cut where no merge can join, before their letters are merged. */
const LONG_WORD = 64;

/** A pair in its text form, `a b` or `[a, b]`. */
function pairOf(merge: unknown): readonly [string, string] | null {
  const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
  const [left, right] = parts;
  return parts.length === 2 && typeof left === 'string' && typeof right === 'string' ? [left, right] : null;
}

/** Names the token of a byte, `<0x0A>`. */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** Reads `model` of type BPE; gives the ids of one word. Throws SyntaxError when the file cannot be computed exactly. */
export function readBpe(json: object, { ids, largestId }: Vocabulary, place: string): (word: string) => readonly number[] {
  const file = fileSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot use ${place}: model: ${problemsOf(file)}`);
  const unknown = file.unk_token === null || file.unk_token === undefined ? null : (ids.get(file.unk_token) ?? null);
  const fusesUnknown = file.fuse_unk === true;
  const bytes = Array.from({ length: 256 }, (_, byte) => ids.get(byteToken(byte)));
  const fallsBack = file.byte_fallback === true;

  const span = largestId + 1;
  const ranks = new Map<number, number>();
  const merged = new Int32Array(file.merges.length);
  file.merges.forEach((merge, rank) => {
    const pair = pairOf(merge);
    if (!pair) throw new SyntaxError(`Cannot read ${place}: merge ${rank} is ${quoted(merge)}, not two tokens`);
    const [left, right, whole] = [ids.get(pair[0]), ids.get(pair[1]), ids.get(pair[0] + pair[1])];
    if (left === undefined || right === undefined || whole === undefined) {
      throw new SyntaxError(`Cannot read ${place}: merge ${rank}, ${quoted(pair)}, names or makes a token that is not in the vocabulary`);
    }
    ranks.set(left * span + right, rank);
    merged[rank] = whole;
  });

  const utf8 = new TextEncoder();
  const symbols = (word: string): number[] => {
    const out: number[] = [];
    let isUnknown = false;
    for (const letter of word) {
      const id = ids.get(letter);
      const spelled = id === undefined && fallsBack ? Array.from(utf8.encode(letter), (byte) => bytes[byte]) : [id];
      const isSpelled = spelled.every((part) => part !== undefined);
      if (isSpelled) out.push(...spelled);
      else if (unknown !== null && !(isUnknown && fusesUnknown)) out.push(unknown);
      isUnknown = !isSpelled;
    }
    return out;
  };

  const merge = (word: string): readonly number[] => mergeSymbols(symbols(word), (left, right) => ranks.get(left * span + right), merged);
  const mergeRemembered = remembered(merge);
  const cutLong = createCutter(file.merges, fallsBack && bytes.every((id) => id !== undefined), ids);
  const ignoresMerges = file.ignore_merges === true;
  return (word) => {
    const whole = ignoresMerges ? ids.get(word) : undefined;
    if (whole !== undefined) return [whole];
    if (word.length <= LONG_WORD) return merge(word);
    const out: number[] = [];
    for (const part of cutLong(word)) for (const id of mergeRemembered(part)) out.push(id);
    return out;
  };
}

/**
 * Cuts a word between two letters that no merge brings together: the parts are then merged independently, with the same
 * result. Words may be whole texts (Metaspace), and so texts become words again.
 */
function createCutter(merges: readonly unknown[], spellsAnyLetter: boolean, ids: ReadonlyMap<string, number>): (word: string) => string[] {
  let seams: Set<number> | null = null;
  const seam = (before: number, after: number): number => before * 0x110000 + after;
  const readSeams = (): Set<number> => {
    const found = new Set<number>();
    for (const merge of merges) {
      const pair = pairOf(merge);
      if (!pair) continue;
      found.add(seam(lastCodePoint(pair[0]), pair[1].codePointAt(0) ?? 0));
    }
    return found;
  };
  const joinsBytes = (): boolean => merges.some((merge) => pairOf(merge)?.some((part) => /^<0x[0-9A-F]{2}>$/.test(part)));
  let cuts: boolean | null = null;
  return (word) => {
    // Letters that are spelled by bytes, or unknown, would need seams of their own.
    cuts ??= !joinsBytes();
    if (!cuts) return [word];
    seams ??= readSeams();
    const parts: string[] = [];
    let start = 0;
    let before = -1;
    let index = 0;
    let wasKnown = false;
    for (const letter of word) {
      const here = letter.codePointAt(0) ?? 0;
      const isKnown = spellsAnyLetter || ids.has(letter);
      if (index > 0 && isKnown && wasKnown && !seams.has(seam(before, here))) {
        parts.push(word.slice(start, index));
        start = index;
      }
      wasKnown = isKnown;
      before = here;
      index += letter.length;
    }
    parts.push(word.slice(start));
    return parts;
  };
}

function lastCodePoint(text: string): number {
  const unit = text.charCodeAt(text.length - 1);
  const isTrail = unit >= 0xdc00 && unit < 0xe000;
  return text.codePointAt(text.length - (isTrail && text.length > 1 ? 2 : 1)) ?? 0;
}

/**
 * Joins neighbours until no pair has a rank. The queue holds `rank * symbols + position`, so that its least entry is the
 * next pair to join; entries whose pair has changed since are passed over. O(n log n).
 */
function mergeSymbols(symbols: number[], rankOf: (left: number, right: number) => number | undefined, merged: Int32Array): number[] {
  const count = symbols.length;
  if (count < 2) return symbols;
  const next = new Int32Array(count);
  const previous = new Int32Array(count);
  const queue: number[] = [];
  const offer = (left: number, right: number): void => {
    const rank = rankOf(symbols[left]!, symbols[right]!);
    if (rank !== undefined) push(queue, rank * count + left);
  };
  for (let i = 0; i < count; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i + 1 < count; i++) offer(i, i + 1);
  while (queue.length > 0) {
    const entry = pop(queue);
    const left = entry % count;
    const rank = (entry - left) / count;
    const right = next[left]!;
    if (symbols[left]! < 0 || right >= count || rankOf(symbols[left]!, symbols[right]!) !== rank) continue;
    symbols[left] = merged[rank]!;
    symbols[right] = -1;
    const after = next[right]!;
    next[left] = after;
    if (after < count) {
      previous[after] = left;
      offer(left, after);
    }
    if (previous[left]! >= 0) offer(previous[left]!, left);
  }
  return symbols.filter((id) => id >= 0);
}

/** Puts a number into a binary heap, least first. */
function push(heap: number[], value: number): void {
  let i = heap.length;
  heap.push(value);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[i] = heap[parent]!;
    i = parent;
  }
  heap[i] = value;
}

/** Takes the least number out of a heap that is not empty. */
function pop(heap: number[]): number {
  const least = heap[0]!;
  const value = heap.pop()!;
  const count = heap.length;
  if (count === 0) return least;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= count) break;
    if (child + 1 < count && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= value) break;
    heap[i] = heap[child]!;
    i = child;
  }
  heap[i] = value;
  return least;
}
