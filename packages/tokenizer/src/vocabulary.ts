/** The tokens of a model and their ids, both ways. */


import { quoted } from '@seal/files';
/** Ids above this are refused: pairs of ids are packed into one number. */
const MAX_ID = 2 ** 24 - 1;

export interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly tokens: ReadonlyMap<number, string>;
  /** -1 where there is no token. */
  readonly largestId: number;
}

/** Reads `model.vocab`. Throws SyntaxError when it is no map from text to ids, each used once. */
export function readVocabulary(json: unknown, place: string): Vocabulary {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new SyntaxError(`Cannot read ${place}: model.vocab must be an object of tokens and their ids`);
  }
  const ids = new Map<string, number>();
  const tokens = new Map<number, string>();
  let largestId = -1;
  for (const [token, id] of Object.entries(json as Record<string, unknown>)) {
    checkId(token, id, place);
    const other = tokens.get(id);
    if (other !== undefined) {
      throw new SyntaxError(`Cannot read ${place}: tokens ${quoted(other)} and ${quoted(token)} have the same id ${id}`);
    }
    ids.set(token, id);
    tokens.set(id, token);
    largestId = Math.max(largestId, id);
  }
  return { ids, tokens, largestId };
}

/** Throws SyntaxError when an id is not a whole number in range. */
export function checkId(token: string, id: unknown, place: string): asserts id is number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= MAX_ID) return;
  throw new SyntaxError(`Cannot read ${place}: token ${quoted(token)} has id ${quoted(id)}, not a whole number from 0 to ${MAX_ID}`);
}
