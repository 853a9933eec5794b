/**
 * Which temporaries of a recording share memory. Lifetimes are known before anything runs, so the plan is made once:
 * the largest temporary first, each into the smallest buffer whose tenants are all dead while it lives (greedy by size,
 * Pisarchyk & Lee 2020, arXiv 2001.03288, section 3). Whole buffers, not ranges of one arena: WebGPU forbids a dispatch
 * that binds one buffer for reading and for writing.
 */

/** When a temporary is alive: from the item that first writes it to the last that reads or writes it, both included. */
export interface Lifetime {
  readonly byteLength: number;
  readonly first: number;
  readonly last: number;
}

/** Buffers to make, and the index of each temporary's buffer. */
export interface MemoryPlan {
  readonly byteLengths: readonly number[];
  readonly placement: readonly number[];
}

/** Assigns temporaries to buffers. The same lifetimes in the same order give the same plan. */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const bySize = lifetimes
    .map((lifetime, index) => ({ ...lifetime, index }))
    .sort((a, b) => b.byteLength - a.byteLength || a.first - b.first || a.index - b.index);
  const buffers: { readonly byteLength: number; readonly tenants: Lifetime[] }[] = [];
  const placement = Array.from(lifetimes, () => 0);
  for (const temporary of bySize) {
    // Buffers were made in falling order of size, so the last one that is free is the smallest.
    let chosen = buffers.findLastIndex(({ tenants }) => tenants.every((tenant) => disjoint(tenant, temporary)));
    if (chosen < 0) chosen = buffers.push({ byteLength: temporary.byteLength, tenants: [] }) - 1;
    buffers[chosen].tenants.push(temporary);
    placement[temporary.index] = chosen;
  }
  return { byteLengths: buffers.map(({ byteLength }) => byteLength), placement };
}

function disjoint(a: Lifetime, b: Lifetime): boolean {
  return a.last < b.first || b.last < a.first;
}
