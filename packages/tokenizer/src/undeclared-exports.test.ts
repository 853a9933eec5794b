/**
 * Two libraries are used beyond what their declarations say. Where an upgrade fails here, this is what it took away: see
 * template.ts for the first and text-patterns.ts for the second.
 */

import * as jinja from '@huggingface/jinja';
import * as tokenizers from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { regularExpression } from './text-patterns.ts';

describe('@huggingface/jinja', () => {
  it('exports the Interpreter and the Environment that it runs a program with', () => {
    expect(jinja).toMatchObject({ Interpreter: expect.any(Function), Environment: expect.any(Function) });
  });

  it('evaluates every node, those within others too, through the method `evaluate` that is replaced to count them', () => {
    const { Environment, Interpreter } = jinja as unknown as {
      readonly Environment: new () => { set(name: string, value: unknown): void };
      readonly Interpreter: new (environment: unknown) => { evaluate(node: unknown, scope: unknown): unknown; run(program: unknown): { readonly value: unknown } };
    };
    const environment = new Environment();
    environment.set('items', [1, 2, 3]);
    const interpreter = new Interpreter(environment);
    const evaluate = interpreter.evaluate.bind(interpreter);
    const nodes: string[] = [];
    interpreter.evaluate = (node, scope) => {
      nodes.push((node as { readonly type: string }).type);
      return evaluate(node, scope);
    };
    expect(interpreter.run(new jinja.Template('{% for item in items %}{{ item + 1 }}{% endfor %}').parsed).value).toBe('234');
    expect(nodes.filter((type) => type === 'BinaryExpression')).toHaveLength(3);
    expect(nodes).toEqual(expect.arrayContaining(['Program', 'For', 'Identifier', 'IntegerLiteral']));
  });
});

describe('@huggingface/tokenizers', () => {
  it('exports SplitPreTokenizer, whose `pattern` is an Oniguruma expression translated', () => {
    expect(tokenizers).toMatchObject({ SplitPreTokenizer: expect.any(Function) });
  });

  it.each([
    ['letters without case in a group', String.raw`(?i:'s|'T)`, ["'s", "'S", "'t"], ["'r"]],
    ['the end of a text', String.raw`\w\z`, ['a'], ['a ']],
    ['its beginning', String.raw`\A\w`, ['a'], [' a']],
    ['a possessive quantifier', String.raw`^a++$`, ['aa'], ['ab']],
    ['digits of any script', String.raw`^\d$`, ['7', '\u0667'], ['a']],
    ['white space but for the byte order mark', String.raw`^\s$`, [' ', '\u3000', '\u0085'], ['\ufeff', 'a']],
  ])('translates %s', (_, source, matching, others) => {
    const pattern = regularExpression(source, 'x');
    expect(pattern.flags).toContain('u');
    expect([...matching, ...others].filter((text) => text.search(pattern) >= 0)).toEqual(matching);
  });
});
