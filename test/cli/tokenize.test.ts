/** `seal tokenize` in a directory that has a tokenizer and nothing else. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seal } from './seal.ts';

const golden = join(import.meta.dirname, '../golden');
const base = mkdtempSync(join(tmpdir(), 'seal-tokenize-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const at = (name: string) => join(base, name);
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};

type Entry = [name: string, text: string, prompted: string, ids: number[], stretches: [number, number][]];
const read = (path: string): unknown => JSON.parse(readFileSync(join(golden, path), 'utf8'));
const conversations = read('chat/conversations.json') as Record<string, unknown>;
const templates = read('chat/templates.json') as Record<string, { template: string }>;
const chats = (read('chat/expected.json') as { generation: Entry[] }).generation;
const expected = read('tokenizers/expected/byte-level.json') as { specials: [number[], number[]]; texts: [number[]][] };
const texts = read('tokenizers/texts.json') as string[];
/** Lines whose ids the reference gave, in full. */
const lines = texts
  .map((text, i) => ({ text, ids: expected.texts[i]![0] }))
  .filter(({ text, ids }) => !/[\r\n]/.test(text) && text.isWellFormed() && !text.startsWith('\ufeff') && typeof ids[1] !== 'string');

beforeAll(() => {
  mkdirSync(at('model'));
  copyFileSync(join(golden, 'tokenizers/byte-level.json'), at('model/tokenizer.json'));
  writeFileSync(at('model/chat_template.jinja'), templates['generation']!.template);
  mkdirSync(at('old'));
  writeFileSync(at('old/tokenizer.model'), '');
  mkdirSync(at('plain'));
  copyFileSync(join(golden, 'tokenizers/metaspace.json'), at('plain/tokenizer.json'));
});

describe('seal tokenize', () => {
  it.concurrent('gives the ids of the reference, a list for every line', async () => {
    const input = file('lines.txt', lines.map(({ text }) => text).join('\n') + '\n');
    const ended = await seal(['tokenize', '--model', at('model'), '--input', input, '--json']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ended.stdout)).toEqual({ ids: lines.map(({ ids }) => ids) });
  });

  it.concurrent('adds the tokens around a text and lists what each stands for', async () => {
    const input = file('two.txt', 'x\r\n\r\n');
    const special = await seal(['tokenize', '--model', at('model'), '--input', input, '--special', '--json']);
    const [x] = lines.filter(({ text }) => text === 'x');
    const [before, after] = expected.specials;
    expect(JSON.parse(special.stdout)).toEqual({ ids: [[...before, ...x!.ids, ...after], [...before, ...after]] });
    const listed = await seal(['tokenize', '--model', at('model'), '--input', input]);
    expect(listed.stdout).toMatch(/^line 1: 1 token\n +\d+ {2}"x"\n\nline 2: 0 tokens\n$/);
  });

  it.concurrent('gives conversations and what the assistant says, from JSON and from JSONL', async () => {
    const [first, second] = chats;
    const masks = [first!, second!].map(([, , , ids, stretches]) => ids.map((_, i) => (stretches.some(([from, until]) => i >= from && i < until) ? 1 : 0)));
    const one = file('one.json', JSON.stringify(conversations[first![0]], null, 2));
    const single = await seal(['tokenize', '--model', at('model'), '--input', one, '--chat', '--json']);
    expect(JSON.parse(single.stdout)).toEqual({ ids: [first![3]], mask: [masks[0]] });
    const many = file('many.jsonl', [first!, second!].map(([name]) => JSON.stringify({ messages: conversations[name] })).join('\n') + '\n\n');
    const both = await seal(['tokenize', '--model', at('model'), '--input', many, '--chat', '--json']);
    expect(JSON.parse(both.stdout)).toEqual({ ids: [first![3], second![3]], mask: masks });
  });

  it.concurrent.each<[string, string[], number, string]>([
    ['a file that is not there', ['--model', 'model', '--input', 'absent.txt'], 3, 'absent.txt: there is no such file'],
    ['a file that is not UTF-8', ['--model', 'model', '--input', 'latin.txt'], 3, 'latin.txt: line 2 is not UTF-8'],
    ['a tokenizer of an older kind', ['--model', 'old', '--input', 'latin.txt'], 4, 'only tokenizer.model, which cannot be read; write it with transformers'],
    ['a model that does not chat', ['--model', 'plain', '--input', 'bad.jsonl', '--chat'], 4, 'has no chat template'],
    ['--special with --chat', ['--model', 'model', '--input', 'bad.jsonl', '--chat', '--special'], 2, 'Cannot use --special with --chat'],
    ['a line that is no conversation', ['--model', 'model', '--input', 'bad.jsonl', '--chat'], 3, 'bad.jsonl, line 2'],
    ['a line that is not JSON', ['--model', 'model', '--input', 'worse.jsonl', '--chat'], 3, 'worse.jsonl, line 1: it is not JSON'],
  ])('refuses %s', async (_, args, code, text) => {
    file('latin.txt', Uint8Array.of(0x61, 0x0a, 0xe4, 0x0a));
    file('bad.jsonl', '{"messages":[{"role":"user","content":"a"}]}\n{"messages":[{"role":"user"}]}\n');
    file('worse.jsonl', '{\n{\n');
    const paths = args.map((arg) => (arg.startsWith('--') ? arg : at(arg)));
    const ended = await seal(['tokenize', ...paths]);
    expect(ended.stderr).toMatch(/^seal: [^\n]+$/);
    expect(ended.stderr).toContain(text);
    expect(ended).toMatchObject({ code, stdout: '' });
  });
});
