/**
 * Merges of a SentencePiece vocabulary. SentencePiece joins the two neighbours whose piece has the best score; a list of
 * merges says the same by their order: every pair of pieces that makes a piece, by the score of that, the longer parts first
 * (`generate_merges` in transformers' `tokenization_utils_sentencepiece.py`).
 */

/** A piece that texts are made of. */
export interface Piece {
  readonly id: number;
  readonly text: string;
  readonly score: number;
}

interface Merge {
  readonly pair: readonly [left: string, right: string];
  readonly score: number;
  readonly lengths: readonly [left: number, right: number];
}

/** Pairs of pieces, the first to be joined first. */
export function mergesOf(pieces: readonly Piece[]): (readonly [left: string, right: string])[] {
  const ids = new Map(pieces.map(({ id, text }) => [text, id]));
  const merges: Merge[] = [];
  for (const { text, score } of pieces) {
    const own: (Merge & { readonly ids: readonly [left: number, right: number] })[] = [];
    const letters = Array.from(text);
    for (let at = 0, cut = 1; cut < letters.length; cut++) {
      at += letters[cut - 1].length;
      const [left, right] = [text.slice(0, at), text.slice(at)];
      const leftId = ids.get(left);
      const rightId = leftId === undefined ? undefined : ids.get(right);
      if (leftId === undefined || rightId === undefined) continue;
      own.push({ pair: [left, right], score, lengths: [cut, letters.length - cut], ids: [leftId, rightId] });
    }
    merges.push(...own.sort((a, b) => a.ids[0] - b.ids[0] || a.ids[1] - b.ids[1]));
  }
  return merges.sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1]).map(({ pair }) => pair);
}
