import type { ChatMessage } from '@seal/tokenizer';
/** Files of examples: what they may hold, what is refused with which line, what damage does. */

import { describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { encodeExamples, parseExamples, unusedColumns, type ExampleEncoder } from './examples.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseExamples(bytes(text), 'data.jsonl');

/** A token a letter; `th` is one token. */
const encoder: ExampleEncoder = {
  tokenizer: { encode: (text) => [...text.matchAll(/th|[^]/g)].map(([token]) => (token === 'th' ? 500 : token.charCodeAt(0))) },
  begin: [1],
  ends: [2],
  chat: null,
};
const encode = (text: string, maxTokens = 100, own: Partial<ExampleEncoder> = {}) => encodeExamples(parse(text), { ...encoder, ...own }, maxTokens, 'data.jsonl');

describe('parseExamples', () => {
  it('takes all three kinds in one file, with empty lines, carriage returns and no last line feed', () => {
    const lines = ['{"prompt":"a","completion":"b"}', '', '{"text":"c"}\r', '  ', '{"messages":[{"role":"user","content":"d"}]}'];
    expect(parse(`\ufeff${lines.join('\n')}`).map(({ at }) => at)).toEqual(['line 1', 'line 3', 'line 5']);
  });

  it.each([
    ['{"text":"a"}\n{', /data\.jsonl, line 2: it is not JSON/],
    ['{"text":"a"}\n\n[1]', /line 3: it is none of/],
    ['\n\n[1]', /item 0: it is none of/],
    ['[{"text":"a"},{"text":7}]', /data\.jsonl, item 1: text must be a string/],
    ['[{"text":"a"}', /data\.jsonl: it is not JSON; it begins with \[ and is read as one list/],
    ['[]', /there is no example in it/],
    ['{"question":"a","answer":"b"}', /line 1: it is none of .*"instruction", "output".*; its columns are "question", "answer": rename those/],
    ['{"prompt":"a","chosen":"b","rejected":"c"}', /line 1: completion must be a string \(was missing\)/],
    ['{"instruction":"a","input":"b"}', /line 1: output must be a string \(was missing\)/],
    ['{"prompt":"a","completion":[{"role":"assistant","content":"b"}]}', /line 1: of prompt and completion one is a list .* write both/],
    ['{"prompt":[{"role":"user"}],"completion":[{"role":"assistant","content":"b"}]}', /line 1, prompt: messages: value at \[0\]/],
    ['{"conversations":[]}', /line 1, conversations: .*non-empty/],
    ['{"conversations":[{"from":"human","value":"a"},{"from":"function_call","value":"b"}]}', /line 1: conversations\[1\]\.from is "function_call", known are human, .* write "messages"/],
    ['null', /line 1: it is none of/],
    ['"text"', /line 1: it is none of/],
    ['{"completion":"a"}', /line 1: it is none of/],
    ['{"text":7}', /line 1: text must be a string \(was a number\)/],
    ['{"text":""}', /line 1: text must be non-empty/],
    ['{"prompt":"a"}', /line 1: completion must be a string \(was missing\)/],
    ['{"messages":[]}', /line 1: messages: must be non-empty/],
    ['{"messages":[{"role":"user"}]}', /line 1: messages: value at \[0\]/],
    ['{"messages":[{"role":"user","content":"a","weight":2}]}', /line 1: messages: value at \[0\]\.weight/],
    ['{"messages":[{"role":"user","content":[{"type":"image"}]}]}', /line 1: messages: value at \[0\]\.content/],
    ['', /there is no example in it/],
    ['\n \n\r\n', /there is no example in it/],
  ])('refuses %j', (text, message) => {
    expect(() => parse(text)).toThrow(SyntaxError);
    expect(() => parse(text)).toThrow(message);
  });

  it('reads one list as it reads lines', () => {
    const rows = [{ text: 'a' }, { prompt: 'b', completion: 'c' }];
    const gist = (text: string) => parse(text).map((example) => ({ ...example, at: '' }));
    expect(gist(`\ufeff \n${JSON.stringify(rows, null, 2)}`)).toEqual(gist(rows.map((row) => JSON.stringify(row)).join('\n')));
    expect(parse(JSON.stringify(rows)).map(({ at }) => at)).toEqual(['item 0', 'item 1']);
  });

  it('takes the columns of other data sets as messages', () => {
    const [user, assistant] = [(content: string) => ({ role: 'user', content }), (content: string) => ({ role: 'assistant', content })];
    const messagesOf = (row: object) => parse(JSON.stringify(row)).map((example) => ('messages' in example ? example.messages : []))[0];
    const turns = [['system', 's'], ['human', 'a'], ['gpt', 'b'], ['tool', 'c']].map(([from, value]) => ({ from, value }));
    expect(messagesOf({ id: 7, conversations: turns })).toEqual([{ role: 'system', content: 's' }, user('a'), assistant('b'), { role: 'tool', content: 'c' }]);
    expect(messagesOf({ conversations: [{ from: 'human', value: 'a' }, { from: 'gpt', value: 'b', weight: 0 }] })).toEqual([user('a'), { ...assistant('b'), weight: 0 }]);
    expect(messagesOf({ conversations: [user('a'), assistant('b')] })).toEqual([user('a'), assistant('b')]);
    expect(messagesOf({ instruction: 'Add.', input: '1 2', output: '3', text: 'Add. 1 2 3' })).toEqual([user('Add.\n1 2'), assistant('3')]);
    expect(messagesOf({ instruction: 'Add.', input: null, output: '3' })).toEqual([user('Add.'), assistant('3')]);
    // Only the completion is trained.
    expect(messagesOf({ prompt: [user('a'), assistant('b'), user('c')], completion: [assistant('d')] })).toEqual([user('a'), { ...assistant('b'), weight: 0 }, user('c'), assistant('d')]);
    expect(messagesOf({ messages: [user('a')], prompt: 'a', text: null })).toEqual([user('a')]);
  });

  it('says once which columns it has no use for', () => {
    const lines = ['{"text":"a","source":"x","id":1}', '{"prompt":"a","completion":"b","text":"ab","id":2}', '{"text":"c","source":null}'];
    expect(unusedColumns(parse(lines.join('\n')))).toBe('3 columns of 3 examples not trained on: source of 1, id of 2, text of 1');
    expect(unusedColumns(parse('{"text":"a"}'))).toBeNull();
    const wide = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`c${i}`, i]));
    expect(unusedColumns(parse(JSON.stringify({ text: 'a', ...wide })))).toMatch(/^20 columns of 1 example not trained on: c0 of 1, .*c11 of 1, 8 more$/);
  });

  it('names the line that is not UTF-8', () => {
    expect(() => parseExamples(Uint8Array.of(...bytes('{"text":"a"}\n{"text":"'), 0xff, ...bytes('"}')), 'data.jsonl')).toThrow(/line 2: it is not UTF-8/);
  });

  it('reads or refuses 3,000 damaged files, never anything else', () => {
    const whole = bytes('{"prompt":"a","completion":"b \\u00e9"}\n{"messages":[{"role":"user","content":"hi"}]}\n{"text":"é 好"}\n');
    let refused = 0;
    for (let i = 0; i < 3_000; i++) {
      const random = stream(1, 'damage', i);
      const damaged = Array.from(whole);
      for (let n = random.integer(4); n >= 0; n--) {
        const at = random.integer(damaged.length);
        const kind = random.integer(4);
        if (kind === 0) damaged[at] = random.integer(256);
        else if (kind === 1) damaged.splice(at, 1 + random.integer(20));
        else if (kind === 2) damaged.splice(at, 0, ...damaged.slice(random.integer(damaged.length), random.integer(damaged.length)));
        else damaged.splice(at, 0, random.integer(256));
        if (damaged.length === 0) damaged.push(0);
      }
      try {
        const examples = parseExamples(Uint8Array.from(damaged), 'data.jsonl');
        expect(examples.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
        expect((error as Error).message).toMatch(/^Cannot (read data\.jsonl(, (line|item) \d+(, \w+)?)?|train on data\.jsonl): /);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(refused).toBeLessThan(3_000);
  });
});

describe('encodeExamples', () => {
  const ids = (text: string) => encoder.tokenizer.encode(text);

  it('puts the loss on completion and end, and on all of a text', () => {
    const { documents } = encode('{"prompt":"ab","completion":"c"}\n{"text":"ab"}');
    expect(documents).toEqual([
      { tokens: [1, ...ids('abc'), 2], targetWeights: [0, 0, 0, 1, 1] },
      { tokens: [1, ...ids('ab'), 2], targetWeights: [1, 1, 1, 1] },
    ]);
  });

  it('counts a token that spans the end of the prompt as completion', () => {
    const { documents } = encode('{"prompt":"at","completion":"he"}');
    expect(documents).toEqual([{ tokens: [1, 97, 500, 101, 2], targetWeights: [0, 0, 1, 1, 1] }]);
  });

  it('cuts, counts, and leaves out what then teaches nothing', () => {
    const { documents, cut, dropped } = encode('{"prompt":"abcdef","completion":"g"}\n{"text":"abcdef"}\n{"text":"a"}', 4);
    expect(documents.map(({ tokens }) => tokens)).toEqual([[1, ...ids('abc')], [1, 97, 2]]);
    expect({ cut, dropped }).toEqual({ cut: 2, dropped: 1 });
    expect(() => encode('{"prompt":"abcdef","completion":"g"}', 4)).toThrow(/within 4 tokens no example has anything to learn; raise `seq`/);
  });

  it('takes messages as the chat template does', () => {
    const messages = '{"text":"x"}\n{"messages":[{"role":"user","content":"a"}]}';
    expect(() => encode(messages)).toThrow(/data\.jsonl, line 2: the model has no chat template/);
    const chat = { tokenise: (given: readonly ChatMessage[]) => ({ tokens: [7, ...given.flatMap(({ content }) => ids(String(content)))], targetWeights: [0, 1] }) };
    expect(encode(messages, 100, { chat }).documents[1]).toEqual({ tokens: [7, 97], targetWeights: [0, 1] });
    const refusing = { tokenise: () => { throw new Error('roles must alternate'); } };
    expect(() => encode(messages, 100, { chat: refusing })).toThrow(/line 2: roles must alternate/);
  });
});
