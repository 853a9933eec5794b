import { describe, expect, it } from 'vitest';
import { finiteFloat32, parseSafetensors, toFloat32, writeSafetensors, type StoredTensor } from './safetensors.ts';

/** A file with the header as given, whatever it claims. */
function file(header: unknown, data = new Uint8Array(), headerLength?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.byteLength + data.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? json.byteLength), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.byteLength);
  return bytes;
}

const entry = (dtype: string, shape: unknown, start: number, end: number) => ({ dtype, shape, data_offsets: [start, end] });
const refusal = (bytes: Uint8Array): string => {
  try {
    parseSafetensors(bytes, 'm.safetensors');
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    const { message } = error as SyntaxError;
    expect(message).toMatch(/^Cannot read m\.safetensors: [^\n]+$/);
    return message;
  }
};

describe('parseSafetensors', () => {
  it('reads the bytes that the format describes', () => {
    // Written by hand: 8 bytes of length, the header, two float32.
    const data = Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0);
    const tensors = parseSafetensors(file({ __metadata__: { format: 'pt' }, w: entry('F32', [2, 1], 0, 8) }, data), 'm');
    expect([...tensors.keys()]).toEqual(['w']);
    expect(tensors.get('w')?.shape).toEqual([2, 1]);
    expect([...toFloat32(tensors.get('w') as StoredTensor, 'w')]).toEqual([1, -2]);
  });

  it('reads a file that starts at an odd byte of a larger buffer', () => {
    const inner = file({ w: entry('F32', [1], 0, 4) }, Uint8Array.of(0, 0, 0x80, 0x3f));
    const outer = new Uint8Array(inner.byteLength + 3);
    outer.set(inner, 3);
    expect([...toFloat32(parseSafetensors(outer.subarray(3), 'm').get('w') as StoredTensor, 'w')]).toEqual([1]);
  });

  it('accepts scalars and empty tensors', () => {
    const tensors = parseSafetensors(file({ s: entry('F32', [], 0, 4), e: entry('F32', [0, 7], 4, 4) }, new Uint8Array(4)), 'm');
    expect(tensors.get('s')?.shape).toEqual([]);
    expect(tensors.get('e')?.bytes.byteLength).toBe(0);
  });

  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(), 'it has 0 bytes'],
    ['a file of 7 bytes', new Uint8Array(7), 'it has 7 bytes'],
    ['a header larger than the file', file('{}', new Uint8Array(), 3), 'header claims 3 bytes, the file has 2'],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80, 0x7b, 0x7d), 'header claims 9223372036854775808 bytes'],
    ['a header that is not JSON', file('{"a":'), 'its header is not JSON'],
    ['a header that is not UTF-8', file('{"?"', Uint8Array.of(), 4).with(9, 0xff), 'its header is not JSON'],
    ['a header that is a list', file([]), 'its header is not an object'],
    ['a header that is null', file('null'), 'its header is not an object'],
    ['an entry that is a number', file({ w: 3 }), 'tensor w: '],
    ['an entry without a shape', file({ w: { dtype: 'F32', data_offsets: [0, 4] } }), 'shape must be'],
    ['a negative axis', file({ w: entry('F32', [-1], 0, 4) }, new Uint8Array(4)), 'shape[0] must be'],
    ['a fractional axis', file({ w: entry('F32', [1.5], 0, 6) }, new Uint8Array(6)), 'shape[0] must be an integer'],
    ['three offsets', file({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, new Uint8Array(8)), 'data_offsets'],
    ['an unknown dtype', file({ w: entry('F8_E4M3', [4], 0, 4) }, new Uint8Array(4)), 'tensor w has the unknown dtype F8_E4M3'],
    ['a dtype named like a property', file({ w: entry('toString', [1], 0, 4) }, new Uint8Array(4)), 'unknown dtype toString'],
    ['data cut off', file({ w: entry('F32', [2], 0, 8) }, new Uint8Array(5)), 'lies at bytes 0 to 8, the data has 5'],
    ['offsets out of range', file({ w: entry('F32', [1], 100, 104) }, new Uint8Array(4)), 'lies at bytes 100 to 104'],
    ['offsets the wrong way round', file({ w: entry('F32', [1], 4, 0) }, new Uint8Array(4)), 'lies at bytes 4 to 0'],
    ['a size that the shape does not need', file({ w: entry('F32', [3], 0, 8) }, new Uint8Array(8)), '(3) F32 needs 12 bytes, the header gives it 8'],
    ['a shape whose product overflows', file({ w: entry('F32', [1e200, 1e200], 0, 4) }, new Uint8Array(4)), 'the header gives it 4'],
    ['overlapping tensors', file({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }, new Uint8Array(12)), 'tensors a and b overlap'],
    ['two tensors at one place', file({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 0, 4) }, new Uint8Array(4)), 'tensors a and b overlap'],
    ['a gap', file({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) }, new Uint8Array(12)), '4 bytes between a and b belong to no tensor'],
    ['bytes behind the last tensor', file({ a: entry('F32', [1], 0, 4) }, new Uint8Array(9)), '5 bytes after a belong to no tensor'],
    ['a Git LFS pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 98765\n'), 'Git LFS pointer'],
  ])('refuses %s', (_, bytes, message) => {
    expect(refusal(bytes)).toContain(message);
  });

  it('refuses every truncation of a good file', () => {
    const good = writeSafetensors([['a', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]);
    for (let length = 0; length < good.byteLength; length++) {
      if (refusal(good.subarray(0, length)) === 'accepted') expect.fail(`accepted the first ${length} of ${good.byteLength} bytes`);
    }
  });
});

describe('toFloat32', () => {
  const words = (dtype: 'F16' | 'BF16', ...values: number[]): StoredTensor => ({
    dtype,
    shape: [values.length],
    bytes: new Uint8Array(Uint16Array.from(values).buffer),
  });

  it('converts half precision by its bit patterns', () => {
    // The examples of IEEE 754 binary16: one, -2, largest, smallest normal, largest and smallest subnormal, 1/3, zeros.
    const got = toFloat32(words('F16', 0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x0001, 0x3555, 0x0000, 0x8000, 0x7c00, 0xfc00, 0x7e00), 'w');
    const expected = [1, -2, 65_504, 2 ** -14, (1_023 / 1_024) * 2 ** -14, 2 ** -24, 0.333251953125, 0, -0, Infinity, -Infinity, NaN];
    expect([...got]).toEqual(expected);
  });

  it('agrees with the runtime on every half-precision number, where it has them', ({ skip }) => {
    const Float16 = (globalThis as { Float16Array?: new (buffer: ArrayBuffer) => ArrayLike<number> }).Float16Array;
    if (!Float16) return skip('this runtime has no Float16Array');
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    expect([...toFloat32(words('F16', ...all), 'w')]).toEqual(Array.from(new Float16(all.buffer)));
  });

  it('converts bfloat16 by its bit patterns', () => {
    const got = toFloat32(words('BF16', 0x3f80, 0xc000, 0x4049, 0x0080, 0x0001, 0x7f7f, 0x8000, 0x7f80, 0x7fc0), 'w');
    expect([...got]).toEqual([1, -2, 3.140625, 2 ** -126, 2 ** -133, 255 * 2 ** 120, -0, Infinity, NaN]);
  });

  it('refuses what is not floating point', () => {
    expect(() => toFloat32({ dtype: 'I64', shape: [1], bytes: new Uint8Array(8) }, 'w')).toThrow(RangeError);
    expect(() => finiteFloat32({ dtype: 'U8', shape: [1], bytes: new Uint8Array(1) }, 'w', 'm.safetensors')).toThrow(
      'Cannot use m.safetensors: tensor w has dtype U8, supported are F64, F32, F16 and BF16',
    );
    expect(() => finiteFloat32(words('BF16', 0x3f80, 0x7fc0), 'w', 'm.safetensors')).toThrow('tensor w holds NaN at element 1');
  });
});

describe('writeSafetensors', () => {
  it('writes what is read back bit for bit, data at a multiple of 8 bytes', () => {
    const a = Float32Array.of(1, -0, Infinity, 1e-45, Math.PI, 3);
    const bytes = writeSafetensors([['a', { shape: [2, 3], data: a }], ['é', { shape: [], data: Float32Array.of(7) }]]);
    const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect((8 + headerLength) % 8).toBe(0);
    const tensors = parseSafetensors(bytes, 'm');
    expect([...tensors.keys()]).toEqual(['a', 'é']);
    expect(Buffer.from(tensors.get('a')?.bytes ?? []).equals(Buffer.from(a.buffer))).toBe(true);
    expect(tensors.get('a')).toMatchObject({ dtype: 'F32', shape: [2, 3] });
  });

  it('refuses data that is not of its shape', () => {
    expect(() => writeSafetensors([['a', { shape: [2], data: new Float32Array(3) }]])).toThrow('shape (2) has 2 elements, data 3');
  });
});
