/** Chat templates in Go's notation, read by an interpreter of the few actions that they have. */

import { describe, expect, it } from 'vitest';
import { createChatTemplate, createTokenizer, type ChatMessage } from '@seal/tokenizer';
import { modelfile } from './modelfile.ts';
import { goTemplate, turnFormat } from './ollama-template.ts';

const ENDS = ['<|im_end|>', '<|eot_id|>', '</s>', '<end_of_turn>'];
const special = ['<bos>', ...ENDS];
const letters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const tokenizer = createTokenizer(
  {
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<bos>' } }, { Sequence: { id: 'A' } }],
      pair: [],
      special_tokens: { '<bos>': { ids: [0] } },
    },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: Object.fromEntries(letters.map((letter, i) => [letter, special.length + i])), merges: [] },
  },
  'the test',
);
const template = (source: string) => createChatTemplate(source, { tokenizer, specialTokens: { bos_token: '<bos>', eos_token: '</s>' }, place: 'the test' });

const TEMPLATES = {
  chatml: "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  'with a default system message':
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nBe good.<|im_end|>\n' }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  'with headers': "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
  'with the system message in the first turn':
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{% for m in rest %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + (first if loop.first else '') + m.content + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
  'without system messages':
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ '<|' + m.role + '|>\n' + m.content + '</s>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
  'that ends answers alone': "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' + m.content + '</s>' }}{% endif %}{% endfor %}",
};

/** What Ollama hands to a template: all messages, and the system message by itself. */
function render(source: string, messages: readonly ChatMessage[]): string {
  const parts = source.split(/(\{\{.*?\}\})/s);
  let at = 0;
  const System = messages.find(({ role }) => role === 'system')?.content ?? '';
  type Scope = { readonly index: number; readonly message: ChatMessage | null };
  const truth = (condition: string, { index, message }: Scope): boolean => {
    const [, role] = /^eq \.Role "(\w+)"$/.exec(condition) ?? [];
    if (role !== undefined) return message?.role === role;
    if (condition === 'not .System') return System === '';
    if (condition === 'and $.System (eq $i 1)') return System !== '' && index === 1;
    throw new Error(`No such condition: ${condition}`);
  };
  // Everything up to the end, or the next branch, of the block that is open.
  const block = (scope: Scope, isLive: boolean): { readonly text: string; readonly stop: string } => {
    let text = '';
    while (at < parts.length) {
      const part = parts[at++] ?? '';
      const action = /^\{\{ (.*) \}\}$/s.exec(part)?.[1];
      if (action === undefined) text += isLive ? part : '';
      else if (action === 'end' || action.startsWith('else')) return { text, stop: action };
      else if (action === '.Content') text += isLive ? (scope.message?.content ?? '') : '';
      else if (action === '$.System') text += isLive ? System : '';
      else if (action.startsWith('if ')) {
        let isTaken = false;
        for (let condition: string | null = action.slice(3); condition !== null; ) {
          const isOwn: boolean = isLive && !isTaken && (condition === '' || truth(condition, scope));
          const inner = block(scope, isOwn);
          text += inner.text;
          isTaken ||= isOwn;
          condition = inner.stop === 'end' ? null : inner.stop.replace(/^else( if )?/, '');
        }
      } else if (/^range (\$i, \$_ := )?\.Messages$/.test(action)) {
        const start = at;
        messages.forEach((message, index) => {
          at = start;
          text += block({ index, message }, isLive).text;
        });
      } else throw new Error(`No such action: ${action}`);
    }
    return { text, stop: '' };
  };
  return block({ index: 0, message: null }, true).text;
}

const turns: ChatMessage[] = [
  { role: 'user', content: 'A question?' },
  { role: 'assistant', content: 'An answer.' },
  { role: 'user', content: 'Another?\n\nOf two lines.' },
  { role: 'assistant', content: 'Yes {{ .Content }}.' },
  { role: 'user', content: 'Last.' },
];

describe('a chat template of turns', () => {
  it.each(Object.entries(TEMPLATES))('%s gives the same in Go', (name, source) => {
    const chat = template(source);
    const begin = source.includes('bos_token') ? '<bos>' : '';
    const format = turnFormat(chat, begin, ENDS);
    const go = format && goTemplate(format);
    expect(go, name).not.toBeNull();
    const system = { role: 'system', content: 'Short answers.' };
    for (const messages of [turns, turns.slice(0, 1), turns.slice(0, 3), ...(name === 'without system messages' || name.startsWith('that') ? [] : [[system, ...turns], [system, ...turns.slice(0, 1)]])]) {
      expect(begin + render(go ?? '', messages)).toBe(chat.render(messages, { addGenerationPrompt: true }));
    }
  });

  it.each([
    ['that numbers its turns', "{% for m in messages %}{{ loop.index ~ ' ' ~ m.role + m.content + '</s>' }}{% endfor %}"],
    ['that changes what is said', "{% for m in messages %}{{ m.role + m.content | upper + '</s>' }}{% endfor %}"],
    ['that ends nothing', "{% for m in messages %}{{ m.role + m.content }}{% endfor %}"],
    ['that hides early answers', "{% for m in messages %}{% if m.role == 'user' or loop.last %}{{ m.role + m.content + '</s>' }}{% endif %}{% endfor %}"],
  ])('%s is none', (_, source) => {
    expect(turnFormat(template(source), '', ENDS)).toBeNull();
  });

  it('is none in Go where its texts would be actions', () => {
    const format = turnFormat(template("{% for m in messages %}{{ '{' ~ '{' ~ m.role ~ ' ' ~ m.content ~ '</s>' }}{% endfor %}"), '', ENDS);
    expect(format && goTemplate(format)).toBeNull();
  });
});

it('a Modelfile names the files, the template and every end', () => {
  const parts = { from: 'model.gguf', tokenizer, ends: [1, 3] };
  expect(modelfile({ ...parts, adapter: 'adapter.gguf', chat: template(`{{ bos_token }}${TEMPLATES.chatml}`) })).toEqual({
    text: [
      'FROM ./model.gguf',
      'ADAPTER ./adapter.gguf',
      'TEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system',
      '{{ .Content }}<|im_end|>',
      '{{ else if eq .Role "user" }}<|im_start|>user',
      '{{ .Content }}<|im_end|>',
      '{{ else if eq .Role "assistant" }}<|im_start|>assistant',
      '{{ .Content }}<|im_end|>',
      '{{ end }}{{ end }}<|im_start|>assistant',
      '"""',
      'PARAMETER stop "<|im_end|>"',
      'PARAMETER stop "</s>"',
      '',
    ].join('\n'),
    template: 'turns',
  });
  expect(modelfile({ ...parts, chat: null })).toMatchObject({ template: 'plain', text: expect.stringContaining('TEMPLATE """{{ .Prompt }}"""') as string });
  const odd = modelfile({ ...parts, chat: template('{{ messages | length }}') });
  expect(odd.template).toBe('none');
  expect(odd.text).toMatch(/^FROM \.\/model\.gguf\n# .*resembles it\.\nPARAMETER stop/);
});
