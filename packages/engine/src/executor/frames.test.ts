import { describe, expect, it } from 'vitest';
import { frame, FrameReader, type Sendable } from './frames.ts';

const join = (pieces: readonly Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

describe('frames', () => {
  const messages: Sendable[] = [
    { id: 1, text: 'ä\n"', list: [1, 2.5, null, true] },
    { files: { a: new Uint8Array([1, 2, 3]), b: new Uint8Array(0), c: 'text' }, deep: [{ bytes: new Uint8Array([9]) }] },
    'x'.repeat(10_000),
  ];

  it.each([1, 3, 7, 1_000, 1_000_000])('come out as they went in, cut into pieces of %i bytes', (size) => {
    const all = join(messages.flatMap(frame));
    const found: unknown[] = [];
    const reader = new FrameReader((message) => found.push(message));
    for (let at = 0; at < all.length; at += size) reader.push(all.slice(at, at + size));
    expect(found).toEqual(messages);
  });

  it('hold bytes as bytes and other numbers as numbers, whatever array they are in', () => {
    const found: unknown[] = [];
    const reader = new FrameReader((message) => found.push(message));
    reader.push(join(frame({ bytes: Buffer.from([1, 2]), numbers: Float32Array.of(0.5, 2) } as unknown as Sendable)));
    expect(found).toEqual([{ bytes: Uint8Array.of(1, 2), numbers: [0.5, 2] }]);
  });

  it('do not end before they are whole', () => {
    const found: unknown[] = [];
    const reader = new FrameReader((message) => found.push(message));
    const all = join(frame({ a: 1 }));
    reader.push(all.slice(0, -1));
    expect(found).toEqual([]);
    reader.push(all.slice(-1));
    expect(found).toEqual([{ a: 1 }]);
  });
});
