import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createChatTemplate, type ChatTemplate } from './chat.ts';
import { parseMessages, type ChatMessage } from './messages.ts';
import { readTextSide } from './text-files.ts';
import { createTokenizer } from './tokenizer.ts';

/** One token per letter, and two special ones. */
const tokenizerFile = {
  added_tokens: ['<begin>', '<end>'].map((content, id) => ({ id, content, special: true, normalized: false })),
  decoder: { type: 'Fuse' },
  model: {
    type: 'BPE',
    vocab: Object.fromEntries(Array.from({ length: 128 }, (_, code) => [String.fromCharCode(code), 2 + code])),
    merges: [],
  },
};
const tokenizer = createTokenizer(tokenizerFile, 'the tokenizer');
const compile = (source: string, date?: Date): ChatTemplate =>
  createChatTemplate(source, { tokenizer, specialTokens: { bos_token: '<begin>' }, place: 'the test', ...(date && { date }) });
const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const render = (source: string, messages: ChatMessage[] = [user('Hi')]): string => compile(source).render(messages, { addGenerationPrompt: false });

const TURNS =
  "{% for message in messages %}{{ message.role[0] ~ ':' ~ message.content ~ '<end>\n' }}{% endfor %}{% if add_generation_prompt %}a:{% endif %}";

describe('a template', () => {
  it('writes tokens by name and the same date every day', () => {
    expect(render('{{ bos_token }}{{ eos_token is defined }}')).toBe('<begin>False');
    expect(render("{{ strftime_now('%d %b %Y, %A %H:%M:%S') }}")).toBe('26 Jul 2024, Friday 00:00:00');
    expect(compile("{{ strftime_now('%d %B %y') }}", new Date('2031-02-03T10:00:00Z')).render([], { addGenerationPrompt: false })).toBe('03 February 31');
    expect(() => render("{{ strftime_now('%Q') }}")).toThrow('strftime_now() does not know %Q');
  });

  it('refuses messages with its own words', () => {
    const strict = "{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('No role ' ~ m.role ~ ' here') }}{% endif %}{% endfor %}";
    expect(render(strict)).toBe('');
    expect(() => render(strict, [assistant('Hi')])).toThrow(
      new RangeError('Cannot render the messages: the chat template of the test refuses them: No role assistant here'),
    );
  });

  it.each([
    ['{% for x in messages', 'is not valid'],
    ['{{ (((((( }}', 'is not valid'],
    [`{{ ${'('.repeat(30_000)} }}`, 'is not valid'],
    [`{{ 1 }}${' '.repeat(70_000)}`, 'at most 65536 are read'],
  ])('%.30s is refused by name', (source, problem) => {
    expect(() => compile(source)).toThrow(SyntaxError);
    expect(() => compile(source)).toThrow(problem);
  });

  it.each([
    ['a long range', '{% for i in range(100000000000) %}x{% endfor %}'],
    ['a range without an end', "{% for i in range('x') %}x{% endfor %}"],
    ['a range that stands still', '{% for i in range(0, 5, 0) %}x{% endfor %}'],
    ['loops in loops', '{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}{% endfor %}{% endfor %}{% endfor %}'],
    ['a text that doubles', "{% set ns = namespace(t='ab') %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t }}"],
    ['a list that doubles', '{% set ns = namespace(t=[1]) %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}'],
    ['much text', "{% for i in range(99999) %}{{ 'x'.join(['aaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccccc', 'dddddddddddd']) }}{% endfor %}"],
    ['a macro that calls itself', '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}'],
    ['what is no function', '{{ messages() }}'],
  ])('ends at %s', (_, source) => {
    const start = performance.now();
    expect(() => render(source)).toThrow(/^Cannot render the messages: the chat template of the test failed: /);
    expect(performance.now() - start).toBeLessThan(30_000);
  });
});

describe('tokenise', () => {
  it('puts the loss on what the assistant says and on its end token', () => {
    const { tokens, targetWeights } = compile(TURNS).tokenise([user('q'), assistant('yes'), user('r'), assistant('')]);
    expect(tokenizer.decode(tokens, { skipSpecialTokens: false })).toBe('u:q<end>\na:yes<end>\nu:r<end>\na:<end>\n');
    const spoken = tokens.filter((_, i) => targetWeights[i] === 1);
    expect(tokenizer.decode(spoken, { skipSpecialTokens: false })).toBe('yes<end><end>');
    expect(targetWeights).toHaveLength(tokens.length);
  });

  it('gives no message a token of another, be they equal or inside each other', () => {
    const { tokens, targetWeights } = compile(TURNS).tokenise([user('a'), assistant('a'), user('a:a'), assistant('a:a')]);
    const spoken = tokens.map((id, i) => (targetWeights[i] === 1 ? tokenizer.decode([id], { skipSpecialTokens: false }) : '.')).join('');
    expect(spoken).toBe('.....' + '..a<end>.' + '.......' + '..a:a<end>.');
  });

  it.each([
    ['counts the messages', "{{ messages | length }}{{ 'x' }}", 1, 'writes nothing of it'],
    [
      'puts other words for what was said',
      "{% for m in messages %}{{ (m.content if loop.last or m.role == 'user' else 'cut') ~ '<end>' }}{% endfor %}",
      1,
      'writes neither what it says nor what stands before an answer',
    ],
    ['ends turns without a token', "{% for m in messages %}{{ m.content }}{% endfor %}", 3, 'ends it without an end token'],
  ])('refuses a template that %s', (_, source, message, problem) => {
    const talk = () => compile(source).tokenise([user('one'), assistant('two'), user('three'), assistant('four')]);
    expect(talk).toThrow(`Cannot tell which tokens message ${message} has: the chat template of the test ${problem}`);
  });

  /** What has a loss, between bars. */
  const learnt = (source: string, messages: readonly ChatMessage[]): string => {
    const { tokens, targetWeights } = compile(source).tokenise(messages);
    let text = '';
    tokens.forEach((id, i) => {
      if ((targetWeights[i] ?? 0) !== (targetWeights[i - 1] ?? 0)) text += '|';
      text += tokenizer.decode([id], { skipSpecialTokens: false });
    });
    return text;
  };
  const talk = [user('one'), assistant('two'), user('three'), assistant('two')];

  it.each([
    ['changes earlier answers', "{% for m in messages %}{{ (m.content if loop.last else m.content | upper) ~ '<end>' }}{% endfor %}", talk, 'ONE<end>|TWO<end>|THREE<end>|two<end>'],
    ['is begun by the assistant', TURNS, [assistant('Hi'), user('a')], 'a:|Hi<end>|\nu:a<end>\n'],
    ['brings a system turn along', `{% for m in messages %}{% if loop.first %}s:x<end>\n{% endif %}{{ m.role[0] ~ ':' ~ m.content ~ '<end>' }}{% endfor %}{% if add_generation_prompt %}a:{% endif %}`, [assistant('Hi')], 's:x<end>\na:|Hi<end>'],
    ['has one end for all', "{% for m in messages %}{{ m.role[0] ~ ':' ~ m.content ~ ' ' }}{% endfor %}{% if add_generation_prompt %}a:{% else %}<end>{% endif %}", talk, 'u:one a:|two| u:three a:|two <end>'],
    ['says nothing twice', TURNS, [user('a'), assistant(''), user('b'), assistant('')], 'u:a<end>\na:|<end>|\nu:b<end>\na:|<end>|\n'],
    ['asks for thoughts that are gone', "{% for m in messages %}{{ m.role[0] ~ ':' ~ m.content.split('/')[-1] ~ '<end>' }}{% endfor %}{% if add_generation_prompt %}a:*{% endif %}", [user('a'), assistant('*x/b'), user('c'), assistant('*y')], 'u:a<end>a:|b<end>|u:c<end>a:*|y<end>'],
    ['writes in a macro', "{% macro turn(m) %}{{ m.role[0] }}:{{ m.content | trim }}<end>{% endmacro %}{% for m in messages %}{{ turn(m) }}{% endfor %}", [user(' a '), assistant(' b ')], 'u:a<end>a:|b<end>'],
    ['goes by numbers', "{% for i in range(messages | length) %}{{ messages[i].role[0] ~ ':' ~ messages[i].content ~ '<end>' }}{% endfor %}", talk, 'u:one<end>a:|two<end>|u:three<end>a:|two<end>'],
    ['marks what is generated', "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% else %}={% generation %}{{ m.content ~ '<end>' }}{% endgeneration %}.{% endif %}{% endfor %}", talk, 'one=|two<end>|.three=|two<end>|.'],
    ['asks behind the last turn within the loop', "{% for m in messages %}{{ m.role[0] ~ ':' ~ m.content ~ '<end>' }}{% if loop.last and add_generation_prompt %}a:{% endif %}{% endfor %}", talk, 'u:one<end>a:|two<end>|u:three<end>a:|two<end>'],
  ])('knows the turns where a template %s', (_, source, messages, expected) => {
    expect(learnt(source, messages)).toBe(expected);
  });

  it('leaves answers of weight 0 out, however the template marks them', () => {
    const messages = [user('a'), { ...assistant('b'), weight: 0 }, user('c'), assistant('d')];
    expect(learnt(TURNS, messages)).toBe('u:a<end>\na:b<end>\nu:c<end>\na:|d<end>|\n');
    expect(learnt("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}", messages.filter(({ role }) => role !== 'user'))).toBe('b|d');
  });

  it('takes a thousand messages in time', () => {
    const messages = Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? user(`question ${i} of some length`) : assistant(`answer ${i} of some length`)));
    const start = performance.now();
    const { targetWeights } = compile(TURNS).tokenise(messages);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(targetWeights.filter((weight, i) => weight === 1 && targetWeights[i - 1] === 0)).toHaveLength(500);
  });
});

describe('messages', () => {
  it.each([
    [{}, 'an array'],
    [[], 'non-empty'],
    [[{ role: 'user' }], 'content'],
    [[{ role: 'user', content: 7 }], 'content'],
    [[{ role: '', content: 'x' }], 'role'],
    [[{ role: 'assistant', content: null, tool_calls: [] }], 'content or tool_calls'],
    [[{ role: 'user', content: [{ type: 'image' }] }], 'content'],
    [[{ role: 'user', content: 'x', weight: 0.5 }], 'weight'],
  ])('%j is refused', (json, problem) => {
    expect(() => parseMessages(json, 'a.json')).toThrow(SyntaxError);
    expect(() => parseMessages(json, 'a.json')).toThrow(problem);
  });
});

describe('files', () => {
  const root = mkdtempSync(join(tmpdir(), 'seal-text-'));
  afterAll(() => rmSync(root, { recursive: true }));
  const directory = (name: string, files: Record<string, unknown>): string => {
    mkdirSync(join(root, name));
    for (const [file, content] of Object.entries(files)) {
      writeFileSync(join(root, name, file), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return join(root, name);
  };
  const said = (chat: ChatTemplate | null) => chat?.render([user('Hi')], { addGenerationPrompt: false });

  it('has a chat format where a template is', async () => {
    const files = { 'tokenizer.json': tokenizerFile };
    expect((await readTextSide(directory('none', files))).chat).toBeNull();
    const config = { bos_token: { content: '<begin>' }, chat_template: '{{ bos_token ~ pad_token }}' };
    const map = { pad_token: '<end>', bos_token: 'x' };
    expect(said((await readTextSide(directory('one', { ...files, 'tokenizer_config.json': config, 'special_tokens_map.json': map }))).chat)).toBe('<begin><end>');
    const named = { chat_template: [{ name: 'tool_use', template: 'tools' }, { name: 'default', template: 'plain' }] };
    expect(said((await readTextSide(directory('named', { ...files, 'tokenizer_config.json': named }))).chat)).toBe('plain');
    expect(said((await readTextSide(directory('own', { ...files, 'tokenizer_config.json': named, 'chat_template.jinja': 'file\n' }))).chat)).toBe('file');
  });

  it('has the template of chat_template.json where there is no other', async () => {
    const older = { 'tokenizer.json': tokenizerFile, 'chat_template.json': { chat_template: 'older' } };
    expect(said((await readTextSide(directory('older', older))).chat)).toBe('older');
    const config = { chat_template: 'config' };
    expect(said((await readTextSide(directory('both', { ...older, 'tokenizer_config.json': config }))).chat)).toBe('config');
    expect(said((await readTextSide(directory('all', { ...older, 'tokenizer_config.json': config, 'chat_template.jinja': 'own' }))).chat)).toBe('own');
    const named = { chat_template: [{ name: 'rag', template: 'documents' }, { name: 'default', template: 'plain' }] };
    expect(said((await readTextSide(directory('older named', { ...older, 'chat_template.json': named }))).chat)).toBe('plain');
  });

  it('says what to do without tokenizer.json', async () => {
    await expect(readTextSide(directory('empty', {}))).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(readTextSide(join(root, 'empty'))).rejects.toThrow('there is no such file');
    const remedy = 'cannot be read; write it with transformers: AutoTokenizer.from_pretrained(';
    await expect(readTextSide(directory('gpt2', { 'vocab.json': {}, 'merges.txt': '' }))).rejects.toThrow(`only vocab.json and merges.txt, which ${remedy}`);
    await expect(readTextSide(directory('spm', { 'tokenizer.model': '' }))).rejects.toThrow(`only tokenizer.model, which ${remedy}`);
  });

  it.each([
    ['tokenizer_config.json', { chat_template: 7 }],
    ['tokenizer_config.json', { chat_template: '{% if %}' }],
    ['tokenizer_config.json', { bos_token: 7, chat_template: 'x' }],
    ['tokenizer_config.json', '{'],
    ['special_tokens_map.json', { eos_token: 7 }],
    ['chat_template.jinja', '{{ x'],
    ['chat_template.json', { chat_template: 7 }],
    ['chat_template.json', { chat_template: '{% if %}' }],
  ])('names %s when it is %j', async (name, content) => {
    const place = directory(`bad-${Math.abs(JSON.stringify([name, content]).length)}-${name}`, { 'tokenizer.json': tokenizerFile, [name]: content });
    await expect(readTextSide(place)).rejects.toThrow(SyntaxError);
    await expect(readTextSide(place)).rejects.toThrow(name);
  });
});
