/** A memory of short words: text repeats itself, so most words are looked up instead of computed. */

const MAX_ENTRIES = 65_536;
const MAX_WORD_LENGTH = 64;

/** `compute`, remembered for words of at most 64 UTF-16 units; when 65,536 are held, all are forgotten. */
export function remembered<T>(compute: (word: string) => T): (word: string) => T {
  const known = new Map<string, T>();
  return (word) => {
    const found = known.get(word);
    if (found !== undefined) return found;
    const value = compute(word);
    if (word.length > MAX_WORD_LENGTH) return value;
    if (known.size >= MAX_ENTRIES) known.clear();
    known.set(word, value);
    return value;
  };
}
