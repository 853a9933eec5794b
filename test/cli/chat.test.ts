/** `seal chat` through a pipe and in a terminal, and `seal adapt --documents` before it. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { seal, shippedModel } from './seal.ts';

const directory = mkdtempSync(join(tmpdir(), 'seal-chat-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);

const model = at('model');
mkdirSync(model);
for (const file of ['config.json', 'model.safetensors', 'tokenizer.json']) symlinkSync(join(shippedModel, file), join(model, file));
writeFileSync(join(model, 'chat_template.jinja'), "{% for message in messages %}{{ message.content + ' ' }}{% endfor %}");

describe('through a pipe', () => {
  it('answers line by line, saves what generate goes on with, and leaves at the end', async () => {
    const saved = at('saved.json');
    const input = `who plays the\n\n/save ${saved}\n/reset\nwho plays the`;
    const { code, stdout, stderr } = await seal(['chat', '--model', model, '--max-tokens', '4'], { input });
    expect(code, stderr).toBe(0);
    const [first = '', second, ...rest] = stdout.split('\n');
    expect([second, ...rest]).toEqual([first, '']);
    const messages = JSON.parse(readFileSync(saved, 'utf8')) as { role: string; content: string }[];
    expect(messages).toEqual([{ role: 'user', content: 'who plays the' }, { role: 'assistant', content: first }]);
    writeFileSync(saved, JSON.stringify(messages.slice(0, 1)));
    expect((await seal(['generate', '--model', model, '--messages', saved, '--max-tokens', '4'])).stdout.trim()).toBe(first.trim());
  });

  it.each<[string, string, number, string]>([
    ['/frob\n', '', 2, 'Cannot do /frob: there are /ask-base'],
    ['/ask-base\n', '', 2, 'Cannot compare: this is the model without an adapter already; name one with --adapter'],
    ['who plays the zither ?\n', '', 3, '"zither"'],
    ['/quit\nwho plays the\n', '', 0, ''],
  ])('ends at %j', async (input, stdout, code, message) => {
    const ended = await seal(['chat'], { input });
    expect(ended).toMatchObject({ code, stdout });
    expect(ended.stderr).toContain(message);
  });
});

it('learns documents and says how well, then answers by the adapter and without it', async () => {
  mkdirSync(at('docs'));
  writeFileSync(at('docs/quilthy.md'), 'quilthy wexshaw : she has a house in skerry . she works as a beekeeper .');
  writeFileSync(at('docs/notes.docx'), 'x');
  writeFileSync(at('more.txt'), 'dalric holby : he keeps a gecko .');
  const adapted = await seal(['adapt', '--documents', at('docs'), at('more.txt'), '--edits', '0', '--steps', '48', '--out', at('adapter')]);
  expect(adapted.code, adapted.stderr).toBe(0);
  expect(adapted.stdout).toMatch(/^Adapter in .*\n {2}[\d.]+ before, [\d.]+ after {2}quilthy\.md\n {2}[\d.]+ before, [\d.]+ after {2}more\.txt\nLoss a token on all passages: [\d.]+ before, [\d.]+ after\n$/);
  expect(adapted.stderr).toContain('Skipped 1 file of other kinds: 1 .docx');
  expect(adapted.stderr).toMatch(/The device needs \d+ MiB of memory/);
  const { code, stdout } = await seal(['chat', '--adapter', at('adapter')], { input: 'where does quilthy wexshaw live ?\n/ask-base\n' });
  expect(code).toBe(0);
  const [learnt = '', plain = ''] = stdout.split('\n');
  const asked = await seal(['ask', 'where does quilthy wexshaw live ?', '--adapter', at('adapter')]);
  const base = await seal(['ask', 'where does quilthy wexshaw live ?']);
  expect([learnt.trim(), plain.trim()]).toEqual([asked.stdout.trim(), base.stdout.trim()]);
});

/** A terminal needs a program that makes one. */
const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;

describe.skipIf(!hasScript)(`in a terminal${hasScript ? '' : ' (skipped: there is no script(1) to make one)'}`, () => {
  it('stops an answer at Ctrl-C and goes on; leaves at Ctrl-C where it waits', async () => {
    const main = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));
    const command = `'${process.execPath}' '${main}' chat --model '${model}' --max-tokens 400`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...process.env, TERM: 'dumb' }, stdio: ['pipe', 'pipe', 'ignore'], timeout: 40_000 });
    let told = '';
    let step = 0;
    const steps: [RegExp, string][] = [
      [/> $/, 'who plays the\r'],
      // Something of the answer is there.
      [/who plays the\r*\n.{8,}/s, '\u0003'],
      [/\(stopped\)[^]*> $/, '/frob\r'],
      [/Cannot do \/frob[^]*> $/, '\u0003'],
    ];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text;
      const [pattern, keys] = steps[step] ?? [];
      if (!pattern?.test(stripVTControlCharacters(told))) return;
      step += 1;
      child.stdin.write(keys ?? '');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, step }, told).toEqual({ code: 0, step: 4 });
  });
});
