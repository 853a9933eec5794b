/** What templates have without being given it: `loop`, `range`, `dict` and `namespace`. */

import { textOf } from './marked.ts';
import { str } from './printing.ts';
import { bind, Callable, Dict, equal, itemsOf, Row, Thing, typeOf, Undefined, wholeOf, type Call, type Value } from './values.ts';

/** What the sandbox of jinja2 lets `range` give. */
const MAX_RANGE = 100_000;

/** The variable `loop`. */
export function loopOver(items: readonly Value[]): { readonly thing: Thing; readonly move: (index: number) => void } {
  const length = items.length;
  const attributes = new Map<string, Value>([['length', length], ['depth', 1], ['depth0', 0]]);
  let [at, last]: [number, readonly Value[] | null] = [0, null];
  attributes.set('cycle', new Callable('cycle', ({ args }) => {
    if (args.length === 0) throw new RangeError('no items for cycling given');
    return args[at % args.length] ?? null;
  }));
  attributes.set('changed', new Callable('changed', ({ args }) => {
    const same = last !== null && equal(last, args);
    last = args;
    return !same;
  }));
  return {
    thing: new Thing('LoopContext', attributes),
    move(index) {
      at = index;
      const beside = (item: Value | undefined, name: string) => (item === undefined ? new Undefined(`there is no ${name} item`) : item);
      const own: Record<string, Value> = {
        index: index + 1, index0: index, revindex: length - index, revindex0: length - index - 1, first: index === 0, last: index === length - 1,
        previtem: beside(items[index - 1], 'previous'), nextitem: beside(items[index + 1], 'next'),
      };
      for (const [name, value] of Object.entries(own)) attributes.set(name, value);
    },
  };
}

/** Jinja's `range`, as far as its sandbox lets it go. */
export function makeRange(call: Call): Value {
  const [first = null, second, third] = bind('range', call, ['start', 'stop', 'step'], 1);
  const own = [first, ...(second === undefined ? [] : [second]), ...(third === undefined ? [] : [third])].map((value) => {
    const number = wholeOf(value);
    if (number === null) throw new RangeError(`'${typeOf(value)}' object cannot be interpreted as an integer`);
    return number;
  });
  const [start = 0, stop = 0, step = 1] = own.length === 1 ? [0, ...own] : own;
  if (step === 0) throw new RangeError('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MAX_RANGE) throw new RangeError(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`);
  const label = `range(${start}, ${stop}${step === 1 ? '' : `, ${step}`})`;
  return new Row('range', Array.from({ length }, (_, i) => start + i * step), { label });
}

function entriesOf({ args, named }: Call, name: string): [Value, Value][] {
  const [first, ...more] = args;
  if (more.length > 0) throw new RangeError(`${name}() takes at most 1 argument`);
  const pairs = first === undefined ? [] : first instanceof Dict ? first.entries() : [...itemsOf(first)].map((pair): [Value, Value] => {
    const [key, value, ...rest] = itemsOf(pair);
    if (key === undefined || value === undefined || rest.length > 0) throw new RangeError(`${name}() needs pairs`);
    return [key, value];
  });
  return [...pairs.map(([key, value]): [Value, Value] => [key, value]), ...named];
}

/** Jinja's `dict`. */
export function makeDict(call: Call): Dict {
  return new Dict(entriesOf(call, 'dict'));
}

/** Jinja's `namespace`. */
export function makeNamespace(call: Call): Thing {
  const entries = entriesOf(call, 'namespace').map(([key, value]) => [textOf(str(key)), value] as const);
  for (const [name] of entries) checkAttribute(name);
  return new Thing('Namespace', new Map(entries));
}

/** Throws for a name that a namespace cannot hold. */
export function checkAttribute(name: string): void {
  if (name.startsWith('_')) throw new RangeError(`a namespace cannot hold '${name}': names may not begin with an underscore`);
}
