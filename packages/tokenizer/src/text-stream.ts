/**
 * The text of a completion while its tokens arrive, and where a stop string ends it. What may become a stop string is
 * held back.
 */

import type { DecodeStream, Tokenizer } from './tokenizer.ts';

/** How tokens become text, and what ends it. */
export interface TextOptions {
  readonly tokenizer: Pick<Tokenizer, 'stream'>;
  /** Strings that end a completion; they and what follows are not part of it. */
  readonly stop?: readonly string[];
}

/** What `TextStream.push` released: text that is certain, and the tokens that it is complete with. */
export interface TextPiece {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** One completion's text. */
export class TextStream {
  #decoder: DecodeStream;
  #stops: readonly string[];
  #tokens: number[] = [];
  /** Length of the text with each token; tokens of an incomplete character have the length that completes it. */
  #ends: number[] = [];
  #text = '';
  #releasedText = 0;
  #releasedTokens = 0;
  #stopped = false;

  /** Throws RangeError for an empty stop string. */
  constructor({ tokenizer, stop = [] }: TextOptions) {
    if (stop.includes('')) throw new RangeError('Cannot stop at an empty string: it is everywhere');
    this.#decoder = tokenizer.stream();
    this.#stops = stop;
  }

  /** Whether a stop string has come. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Text of the completion, cut before the stop string. */
  get text(): string {
    return this.#text;
  }

  /** Tokens of the completion; none that has a part of the stop string. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Takes the next token and releases what no later one can change. */
  push(token: number): TextPiece {
    this.#tokens.push(token);
    return this.#take(this.#decoder.push(token), false);
  }

  /** Releases the rest, incomplete characters too. */
  finish(): TextPiece {
    return this.#stopped ? { text: '', tokens: [] } : this.#take(this.#decoder.end(), true);
  }

  #take(added: string, last: boolean): TextPiece {
    const from = this.#text.length;
    this.#text += added;
    if (added !== '' || last) while (this.#ends.length < this.#tokens.length) this.#ends.push(this.#text.length);
    this.#cut(from);
    return this.#release(last);
  }

  /** Ends the text before the first stop string that the new text completes. */
  #cut(from: number): void {
    const places = this.#stops.map((stop) => this.#text.indexOf(stop, Math.max(0, from - stop.length + 1))).filter((place) => place >= 0);
    if (places.length === 0) return;
    const place = Math.min(...places);
    this.#stopped = true;
    this.#text = this.#text.slice(0, place);
    const kept = this.#ends.findIndex((end) => end > place);
    this.#tokens.length = kept;
    this.#ends.length = kept;
  }

  #release(last: boolean): TextPiece {
    const held = last || this.#stopped ? 0 : this.#heldBack();
    const until = Math.max(this.#releasedText, this.#text.length - held);
    const text = this.#text.slice(this.#releasedText, until);
    const beyond = this.#ends.findIndex((end) => end > until);
    const count = Math.max(this.#releasedTokens, beyond < 0 ? this.#ends.length : beyond);
    const tokens = this.#tokens.slice(this.#releasedTokens, count);
    this.#releasedText = until;
    this.#releasedTokens = count;
    return { text, tokens };
  }

  /** Length of the longest end of the text that a stop string begins with. */
  #heldBack(): number {
    let most = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#text.length); length > most; length--) {
        if (stop.startsWith(this.#text.slice(-length))) most = length;
      }
    }
    return most;
  }
}
