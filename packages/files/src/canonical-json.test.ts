import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import { digest, digestId } from './digest.ts';

describe('canonicalJson', () => {
  it('spells the RFC 8785 examples as the RFC does', () => {
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
    // Keys sort by UTF-16 code units: the emoji's lead surrogate, d83d, comes before fb33.
    expect(canonicalJson({ '\ufb33': 1, '\u{1f600}': 2, '\r': 3, 1: 4 })).toBe(
      '{"\\r":3,"1":4,"\u{1f600}":2,"\ufb33":1}',
    );
  });

  it('does not depend on the order in which keys were set', () => {
    expect(canonicalJson({ b: 1, a: { d: 2, c: 3 } })).toBe(canonicalJson({ a: { c: 3, d: 2 }, b: 1 }));
  });

  it('leaves undefined properties out, and minus zero without its sign', () => {
    expect(canonicalJson({ a: undefined, b: -0 })).toBe('{"b":0}');
  });

  it.each([
    [{ a: [1, Number.NaN] }, RangeError, 'Cannot write a[1] as JSON: NaN is not finite'],
    [Infinity, RangeError, 'Cannot write the value as JSON: Infinity is not finite'],
    [{ a: { b: 1n } }, TypeError, 'Cannot write a.b as JSON: it is a bigint'],
    [[undefined], TypeError, 'Cannot write [0] as JSON: it is undefined'],
    [Array(2), TypeError, 'Cannot write [0] as JSON: it is undefined'],
    [{ at: new Date(0) }, TypeError, 'Cannot write at as JSON: it is a Date, not a plain object or array'],
  ])('refuses what JSON has no form for, by place', (value, kind, message) => {
    expect(() => canonicalJson(value)).toThrow(kind);
    expect(() => canonicalJson(value)).toThrow(message);
  });

  it('refuses a value that contains itself', () => {
    const value: Record<string, unknown> = {};
    value.self = [value];
    expect(() => canonicalJson(value)).toThrow('Cannot write self[0] as JSON: it contains itself');
  });
});

describe('digest', () => {
  it('is SHA-256: the published digests of nothing and of abc', () => {
    expect(digest(new Uint8Array())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(digest(new TextEncoder().encode('abc'))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it('of a value is that of its canonical JSON, and its id is the beginning', () => {
    expect(digest({ b: 1, a: 2 })).toBe(digest(new TextEncoder().encode('{"a":2,"b":1}')));
    expect(digestId('x')).toBe(digest('x').slice(0, 16));
  });
});
