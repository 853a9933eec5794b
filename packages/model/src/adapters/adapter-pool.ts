/**
 * Many adapters over one model: those in use lie in the slots of a pack, the others on the host, and a slot is given to
 * another adapter when it is the one that was used longest ago and nobody uses it.
 *
 * Adapters may differ in rank, scale and targets. A slot holds the largest rank and all targets of the pool; what an
 * adapter has not is zero there and adds nothing.
 */

import { loraLayout, LoraPack, moduleName, type AdapterValues, type LoraConfig, type LoraLayout } from './lora.ts';
import type { Model } from '../model.ts';
import type { PeftAdapter } from './peft.ts';

/** What a pool needs of an adapter. */
export type PooledAdapter = Pick<PeftAdapter, 'lora' | 'layout' | 'values' | 'digest'>;

/** What the adapters of a pool may have at most. */
export interface PoolSizes {
  /** Adapters on the device at once. */
  readonly slots: number;
  readonly rank: number;
  readonly targets: LoraConfig['targets'];
}

/** A slot that an adapter stays in until `release`. */
export interface Lease {
  readonly slot: number;
  readonly digest: string | null;
  readonly release: () => void;
}

interface Slot {
  digest: string | null;
  users: number;
  /** When it was last used: larger is later. */
  used: number;
}

/** Slot 0 is never written: its adapter is zero, which is the weights alone. */
const NO_ADAPTER = 0;

/** An adapter's values in a layout of the same rank with more targets: what is not adapted is zero. */
function spread(values: AdapterValues, from: LoraLayout, to: LoraLayout): AdapterValues {
  const wide = new Float32Array(to.stride);
  const places = new Map(to.places.map((place) => [moduleName(place), place]));
  for (const place of from.places) {
    const target = places.get(moduleName(place));
    if (!target) throw new RangeError(`Cannot serve the adapter: it adapts ${place.projection}, the pool was made without`);
    const { inner, out, offsetA, offsetB } = place;
    wide.set(values.subarray(offsetA, offsetA + from.rank * inner), target.offsetA);
    wide.set(values.subarray(offsetB, offsetB + from.rank * out), target.offsetB);
  }
  return wide;
}

/** Adapters by digest and the slots that they take turns in. Owns its pack until `destroy`. */
export class AdapterPool {
  readonly pack: LoraPack;
  #model: Model;
  #adapters = new Map<string, PooledAdapter>();
  #slots: Slot[];
  #clock = 0;
  #loads = 0;

  /** Throws RangeError for fewer than one slot and as LoraPack does. */
  constructor(model: Model, { slots, rank, targets }: PoolSizes) {
    if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`Cannot serve adapters with ${slots} slots: at least one is needed`);
    this.#model = model;
    this.pack = new LoraPack(model.gpu.device, model.config, { rank, alpha: rank, targets }, 1 + slots);
    this.#slots = Array.from({ length: slots + 1 }, () => ({ digest: null, users: 0, used: 0 }));
  }

  /** Adapters put into slots so far. */
  get loads(): number {
    return this.#loads;
  }

  /** Takes an adapter. Throws RangeError for a rank or targets that the pool has no room for. */
  add(adapter: PooledAdapter): void {
    const { rank, targets } = this.pack.config;
    const other = adapter.lora.targets.find((target) => !targets.includes(target));
    if (adapter.lora.rank > rank || other !== undefined) {
      const what = other === undefined ? `it has rank ${adapter.lora.rank}` : `it adapts ${other}`;
      throw new RangeError(
        `Cannot serve adapter ${adapter.digest}: ${what}, the pool was made for ranks up to ${rank} of ${targets.join(', ')}`,
      );
    }
    this.#adapters.set(adapter.digest, adapter);
  }

  /** Whether the pool has an adapter, in a slot or not. */
  has(digest: string): boolean {
    return this.#adapters.has(digest);
  }

  /** The digest of what a slot holds, null for the weights alone. */
  digestIn(slot: number): string | null {
    return this.#slots[slot]?.digest ?? null;
  }

  /** Whether `bind` would find a slot for the adapter. */
  canBind(digest: string | null): boolean {
    return digest === null || this.#slots.some((slot, i) => i !== NO_ADAPTER && (slot.users === 0 || slot.digest === digest));
  }

  /** Puts an adapter into a slot, if it is in none. Throws RangeError for one that is not known and where all slots are in use. */
  bind(digest: string | null): Lease {
    const index = digest === null ? NO_ADAPTER : this.#slotFor(digest);
    const slot = this.#slots[index];
    slot.users += 1;
    slot.used = ++this.#clock;
    let held = true;
    return {
      slot: index,
      digest: slot.digest,
      release: () => {
        if (held) slot.users -= 1;
        held = false;
      },
    };
  }

  #slotFor(digest: string): number {
    const adapter = this.#adapters.get(digest);
    if (!adapter) throw new RangeError(`Cannot ask adapter ${digest}: the pool does not have it`);
    const bound = this.#slots.findIndex((slot) => slot.digest === digest);
    if (bound >= 0) return bound;
    const free = this.#slots.map((_, i) => i).filter((i) => i !== NO_ADAPTER && this.#slots[i].users === 0);
    if (free.length === 0) throw new RangeError(`Cannot bind adapter ${digest}: all ${this.#slots.length - 1} slots are in use`);
    const oldest = free.reduce((a, b) => (this.#slots[b].used < this.#slots[a].used ? b : a));
    const { targets } = this.pack.config;
    const layout = loraLayout(this.#model.config, { ...adapter.lora, targets });
    this.pack.write(oldest, spread(adapter.values, adapter.layout, layout), adapter.lora);
    this.#slots[oldest].digest = digest;
    this.#loads += 1;
    return oldest;
  }

  destroy(): void {
    this.pack.destroy();
  }
}
