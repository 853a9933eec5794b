/** Templates against jinja2 as transformers sets it up; see jinja/make.py. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderJinja } from '@seal/tokenizer';

const json = (name: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, 'jinja', name), 'utf8'));
const { templates, variables } = json('templates.json') as { templates: Record<string, string>; variables: Record<string, Record<string, unknown>> };
const { cases } = json('expected.json') as { cases: Record<string, [string, string | { refused: string }][]> };

/** What jinja2 writes and is refused here, by what the refusal names. What it refuses must be refused. */
const NOT_SUPPORTED: Readonly<Record<string, string>> = {
  'e073 d.items': 'prints a function',
  "e093 'abc'[:'x']": 'slice indices must be integers',
  "e110 xs|map('upper')": 'prints a generator',
  'e153 1 is sameas 1': "the test 'sameas' is supported for none, true and false only",
  'e168 1.real': "the attribute 'real' of 'int' is not supported",
  'e183 lipsum()': "the function 'lipsum' is not supported",
  "e198 'a'.encode('utf8')": "the method 'encode' of 'str' is not supported",
  "e199 '<a>'|e": 'the filter "e" is not supported',
  "e200 'a'|safe": 'the filter "safe" is not supported',
  'e201 cycler': "the function 'cycler' is not supported",
  recursive: 'recursive loops are not supported',
  block: 'the tag "block" is not supported',
};

const refusals = new Map(Object.entries(NOT_SUPPORTED));

describe.each(Object.keys(templates))('%s', (name) => {
  it.each(cases[name] ?? [])('with %s', (key, expected) => {
    const render = () => renderJinja(templates[name] ?? '', variables[key] ?? {});
    const named = refusals.get(name);
    if (named !== undefined) expect(render).toThrow(named);
    else if (typeof expected === 'string') expect(render()).toBe(expected);
    else expect(render).toThrow(/^Cannot /);
  });
});
