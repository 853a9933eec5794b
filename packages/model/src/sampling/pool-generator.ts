/** Completions by adapters of a pool, however many there are for its slots. */

import type { AdapterPool, Lease } from '../adapters/adapter-pool.ts';
import type { Model } from '../model.ts';
import { Generator, type Completion, type GenerationOptions, type GenerationRequest, type GeneratorSizes } from './generation.ts';

/** A request by the adapter's digest; null asks the weights alone. */
export interface PoolRequest extends Omit<GenerationRequest, 'adapter'> {
  readonly adapter: string | null;
}

/** A generator whose requests name adapters of a pool. Owns the generator, not the pool. */
export class PoolGenerator {
  readonly pool: AdapterPool;
  #generator: Generator;
  /** The calls before this one: the generator works for one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(model: Model, pool: AdapterPool, sizes: GeneratorSizes) {
    this.pool = pool;
    this.#generator = new Generator(model, pool.pack, sizes, (slot) => pool.digestIn(slot));
  }

  /**
   * Completions of every request, [request][completion], each by the adapter that it asks; `adapterDigest` of each is
   * what its slot held while it answered. Calls wait for one another. Throws as Generator does, RangeError for an adapter
   * that the pool does not have, and Error where another adapter answered than was asked.
   */
  generate(requests: readonly PoolRequest[], options: GenerationOptions): Promise<Completion[][]> {
    const answers = this.#last.then(() => this.#generate(requests, options));
    this.#last = answers.catch(() => {});
    return answers;
  }

  async #generate(requests: readonly PoolRequest[], options: GenerationOptions): Promise<Completion[][]> {
    const results: Completion[][] = requests.map(() => []);
    for (const { adapter } of requests) {
      if (adapter !== null && !this.pool.has(adapter)) throw new RangeError(`Cannot ask adapter ${adapter}: the pool does not have it`);
    }
    let waiting = requests.map((_, index) => index);
    while (waiting.length > 0) {
      const leases = new Map<string | null, Lease>();
      try {
        // As many adapters as there are slots, in order of their first request, and all requests for them.
        for (const index of waiting) {
          const { adapter } = requests[index];
          if (!leases.has(adapter) && this.pool.canBind(adapter)) leases.set(adapter, this.pool.bind(adapter));
        }
        const now = waiting.filter((index) => leases.has(requests[index].adapter));
        if (now.length === 0) throw new RangeError(`Cannot answer ${waiting.length} requests: all slots of the pool are in use`);
        const asked = now.map((index) => ({ ...requests[index], adapter: leases.get(requests[index].adapter)?.slot ?? 0 }));
        const { onPieces } = options;
        const answers = await this.#generator.generate(asked, {
          ...options,
          ...(onPieces && { onPieces: (pieces) => onPieces(pieces.map((piece) => ({ ...piece, request: now[piece.request] }))) }),
        });
        answers.forEach((completions, i) => {
          const { adapter } = requests[now[i]];
          const other = completions.find(({ adapterDigest }) => adapterDigest !== adapter);
          if (other) throw new Error(`Cannot trust an answer: adapter ${adapter} was asked and ${other.adapterDigest} answered`);
          results[now[i]] = completions;
        });
        waiting = waiting.filter((index) => !leases.has(requests[index].adapter));
      } finally {
        for (const { release } of leases.values()) release();
      }
    }
    return results;
  }

  destroy(): void {
    this.#generator.destroy();
  }
}
