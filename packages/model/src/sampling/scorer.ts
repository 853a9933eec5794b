/** How likely adapters find the ends of texts: many texts of many adapters in one pass, nothing decoded. */

import type { LoraPack } from '../adapters/lora.ts';
import { packBatch, segmentTokens } from '../batch.ts';
import { KeptStreams } from '../kept.ts';
import type { Model } from '../model.ts';
import { evenTokens } from '../tables.ts';
import { InferencePass } from './inference.ts';

/** Most bytes of what lies below the adapted layers. */
const KEPT_BYTES = 2 ** 25;

/** A text of which the tokens from number `first` on, 1 or later, are scored behind those before them. */
export interface ScoredText {
  readonly tokens: readonly number[];
  readonly first: number;
}

interface Placed extends ScoredText {
  readonly adapter: number;
}

/** Scores texts by the adapters of a pack, or by the weights alone. Owns its buffers until `destroy`. */
export class Scorer {
  readonly #pass: InferencePass;
  /** Prompts and gold answers below the adapted layers: they are the same for all adapters. */
  readonly #kept: KeptStreams | null;
  readonly #tokens: number;

  /**
   * A text may have `tokens` tokens, a multiple of 8; as many of them as fit into that are read in one pass. What lies below
   * the lowest adapted layer is kept within `keptBytes` until `forget`.
   */
  constructor(model: Model, pack: LoraPack | null, tokens: number, keptBytes = KEPT_BYTES) {
    this.#tokens = tokens;
    this.#kept = pack && pack.lowestLayer > 0 ? new KeptStreams(model, pack.lowestLayer, evenTokens(model, tokens), keptBytes) : null;
    this.#pass = new InferencePass(model, pack, { tokens, rows: tokens }, undefined, this.#kept);
  }

  /** Must be called where the weights changed. */
  forget(): void {
    this.#kept?.forget();
  }

  /**
   * Mean log-probability a token, in nats, of every text of group e by adapter e. What is not finite (an adapter that
   * diverged) comes back as it is. Throws RangeError for a text without scored tokens and for one that is too long.
   */
  async score(groups: readonly (readonly ScoredText[])[]): Promise<number[][]> {
    const scores: number[][] = groups.map(() => []);
    const queue = groups.flatMap((texts, adapter) => texts.map((text): Placed => ({ ...text, adapter })));
    for (let next = 0; next < queue.length; ) {
      const taken: Placed[] = [];
      for (let room = this.#tokens; next < queue.length; next++) {
        const one = queue[next];
        room -= segmentTokens([one]);
        if (room < 0) break;
        taken.push(one);
      }
      const [first] = taken;
      if (!first) throw new RangeError(`Cannot score a text of ${queue[next].tokens.length} tokens: ${this.#tokens} fit`);
      const means = await this.#scoreBatch(taken);
      taken.forEach(({ adapter }, i) => scores[adapter].push(means[i]));
    }
    return scores;
  }

  async #scoreBatch(texts: readonly Placed[]): Promise<number[]> {
    const byAdapter = Map.groupBy(texts, ({ adapter }) => adapter);
    const adapters = 1 + Math.max(...byAdapter.keys());
    const segments = Array.from({ length: adapters }, (_, e) => byAdapter.get(e) ?? []);
    const batch = packBatch(segments);
    this.#kept?.prepare(segments, batch);
    const rows: number[] = [];
    const given: number[] = [];
    texts.forEach(({ tokens, first }, i) => {
      if (first < 1 || first >= tokens.length) throw new RangeError(`Cannot score a text of ${tokens.length} tokens from number ${first} on`);
      const start = batch.lastTokens[i] + 1 - tokens.length;
      for (let t = first; t < tokens.length; t++) {
        rows.push(start + t - 1);
        given.push(tokens[t]);
      }
    });
    this.#pass.submit(batch, Uint32Array.from(rows), 0, Uint32Array.from(given));
    const found = await this.#pass.logProbabilities(rows.length, { mayOverflow: true });
    let at = 0;
    return texts.map(({ tokens, first }) => {
      const own = found.subarray(at, (at += tokens.length - first));
      return own.reduce((sum, one) => sum + one, 0) / own.length;
    });
  }

  destroy(): void {
    this.#pass.destroy();
    this.#kept?.destroy();
  }
}
