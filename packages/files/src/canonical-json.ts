/**
 * JSON with one spelling per value, so that equal values have equal bytes and equal digests.
 * Follows RFC 8785: object keys sorted by UTF-16 code units, no white space, numbers as ECMAScript prints them.
 * Departs from it in that a property whose value is `undefined` is left out, as `JSON.stringify` does.
 */

function place(path: string): string {
  return path === '' ? 'the value' : path;
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function write(value: unknown, path: string, parents: readonly object[]): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`Cannot write ${place(path)} as JSON: ${value} is not finite`);
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') {
    const kind = value === undefined ? 'undefined' : `a ${typeof value}`;
    throw new TypeError(`Cannot write ${place(path)} as JSON: it is ${kind}`);
  }
  if (parents.includes(value)) throw new TypeError(`Cannot write ${place(path)} as JSON: it contains itself`);
  const inside = [...parents, value];
  if (Array.isArray(value)) {
    return `[${Array.from(value, (item, index) => write(item, `${path}[${index}]`, inside)).join(',')}]`;
  }
  if (!isPlainObject(value)) {
    const kind = value.constructor?.name ?? 'object';
    throw new TypeError(`Cannot write ${place(path)} as JSON: it is a ${kind}, not a plain object or array`);
  }
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    members.push(`${JSON.stringify(key)}:${write(member, path === '' ? key : `${path}.${key}`, inside)}`);
  }
  return `{${members.join(',')}}`;
}

/**
 * The canonical JSON text of `value`.
 *
 * Throws RangeError for NaN and infinities and TypeError for anything JSON has no form for, naming its place.
 *
 * @example canonicalJson({ b: 1, a: [true, null] }) // '{"a":[true,null],"b":1}'
 */
export function canonicalJson(value: unknown): string {
  return write(value, '', []);
}
