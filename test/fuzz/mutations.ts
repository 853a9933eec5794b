/** Damaging files on purpose: bytes changed, cut, doubled or overwritten; JSON values exchanged, dropped or wrapped. */


import type { Random } from '@seal/files';
/** One of the items. */
function pick<T>(items: readonly T[], random: Random): T {
  return items[random.integer(items.length)] as T;
}

/** Values that readers of numbers, names and lists are known to trip over. */
const ODD: readonly unknown[] = [
  null, true, false, 0, -1, 0.5, 1, 2, 255, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 1e308, -1e308, 1e-320,
  '', 'a', '\u0000', '\ud800', '../../etc/passwd', '/absolute', 'C:\\x', '__proto__', 'constructor', 'toString', 'F32', 'BF16', 'I64', 'llama',
  'x'.repeat(10_000), [], [[]], {}, [null], [-1], [1e9, 1e9, 1e9], [2 ** 32, 2 ** 32], [0], { a: 1 }, { length: 5 },
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Every place of a JSON value: where it hangs and under which key. */
function placesOf(value: Json, places: { holder: Json[] | Record<string, Json>; key: string }[] = []): typeof places {
  if (typeof value !== 'object' || value === null) return places;
  const entries = Array.isArray(value) ? value.map((item, i) => [String(i), item] as const) : Object.entries(value);
  // Long lists are all alike: a few of their items stand for them.
  for (const [key, item] of entries.slice(0, 64)) {
    places.push({ holder: value, key });
    placesOf(item, places);
  }
  return places;
}

const slot = (holder: Json[] | Record<string, Json>) => holder as Record<string, Json>;

/** A copy of a JSON document, damaged in one to three places. */
export function mutateJson(document: unknown, random: Random): unknown {
  let copy = structuredClone(document) as Json;
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const places = placesOf(copy);
    if (places.length === 0) return pick(ODD, random);
    const { holder, key } = pick(places, random);
    const value = slot(holder)[key];
    const odd = () => structuredClone(pick(ODD, random)) as Json;
    switch (random.integer(7)) {
      case 0:
      case 1:
        slot(holder)[key] = odd();
        break;
      case 2:
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else delete holder[key];
        break;
      case 3:
        if (Array.isArray(holder)) holder.push(value ?? null);
        else slot(holder)[`${key}${pick(['', ' ', '.', '2', '\u0000'], random)}`] = odd();
        break;
      case 4:
        slot(holder)[key] = [value ?? null];
        break;
      case 5:
        if (typeof value === 'number') slot(holder)[key] = pick([-value, value + 1, value - 1, value * 2, value / 2, value * 1e9], random);
        else if (typeof value === 'string') slot(holder)[key] = pick([`${value}x`, value.slice(1), value.toUpperCase(), value + value], random);
        else slot(holder)[key] = odd();
        break;
      default: {
        const other = pick(places, random);
        slot(holder)[key] = structuredClone(slot(other.holder)[other.key] ?? null);
      }
    }
    if (random.integer(200) === 0) copy = pick(ODD, random) as Json;
  }
  return copy;
}

/** A copy of a file, damaged in one to four places; `head` bytes at its beginning are hit half of the time. */
export function mutateBytes(file: Uint8Array, random: Random, head: number = file.length): Uint8Array {
  let copy = file.slice();
  for (let times = 1 + random.integer(4); times > 0 && copy.length > 0; times--) {
    const at = random.integer(random.integer(2) === 0 ? Math.min(head, copy.length) : copy.length);
    const count = 1 + random.integer(16);
    switch (random.integer(7)) {
      case 0:
        copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(8));
        break;
      case 1:
        copy = copy.slice(0, at);
        break;
      case 2:
        copy = Uint8Array.of(...copy.subarray(0, at), ...Array.from({ length: count }, () => random.integer(256)), ...copy.subarray(at));
        break;
      case 3:
        copy = Uint8Array.of(...copy.subarray(0, at), ...copy.subarray(at + count));
        break;
      case 4:
        copy.fill(pick([0, 0x22, 0x2d, 0x39, 0x5b, 0x7b, 0xff], random), at, at + count);
        break;
      case 5:
        copy.copyWithin(random.integer(copy.length), at, at + count);
        break;
      default: {
        // The length that the first eight bytes claim.
        const claimed = pick([0n, 1n, 7n, BigInt(copy.length), BigInt(copy.length) - 8n, 100_000_001n, 2n ** 53n, 2n ** 64n - 1n], random);
        if (copy.length >= 8) new DataView(copy.buffer).setBigUint64(0, claimed, true);
      }
    }
  }
  return copy;
}
