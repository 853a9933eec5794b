/** Where each token id occurs: the positions `order[starts[v]] .. order[starts[v + 1] - 1]` hold token v. */
export interface Occurrences {
  /** Positions (T) sorted by token id, and by position where ids are equal. */
  readonly order: Uint32Array;
  /** (V + 1) offsets into `order`. */
  readonly starts: Uint32Array;
}

/** Sorts token positions by id in O(T + V). Throws RangeError on an id outside the vocabulary of V tokens. */
export function occurrencesOf(tokens: ArrayLike<number>, V: number): Occurrences {
  const starts = new Uint32Array(V + 1);
  for (let t = 0; t < tokens.length; t++) {
    const token = tokens[t];
    if (!(token < V)) throw new RangeError(`Cannot sort tokens: position ${t} holds ${token}, the vocabulary has ${V}`);
    starts[token + 1]++;
  }
  for (let v = 0; v < V; v++) starts[v + 1] += starts[v];
  const next = starts.slice();
  const order = new Uint32Array(tokens.length);
  for (let t = 0; t < tokens.length; t++) order[next[tokens[t]]++] = t;
  return { order, starts };
}
