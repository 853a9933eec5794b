import { describe, expect, it } from 'vitest';
import { PROJECTIONS } from '../model-config.ts';
import { modulePattern } from './module-pattern.ts';

const names = [0, 1, 12].flatMap((layer) => PROJECTIONS.map((p) => `model.layers.${layer}.${p}`)).concat('lm_head', 'model.embed_tokens');
const matched = (pattern: string) => names.filter(modulePattern(pattern, 'x'));

describe('modulePattern', () => {
  // JavaScript's own expressions agree with Python's on these; anchored, they match whole names.
  it.each([
    String.raw`.*\.(q_proj|v_proj)`,
    String.raw`model\.layers\.\d+\.self_attn\.[qkvo]_proj`,
    String.raw`model\.layers\.(?:0|1)\..*`,
    String.raw`(?!.*mlp).*proj`,
    String.raw`(?=.*layers\.12).*`,
    String.raw`.*?(?:self_attn|mlp).*?(?:k_proj|down_proj).*?|\bmodel\.layers\.[\d]{1,}\.(?:mlp)\.(?:(?:gate_proj|up_proj))`,
    String.raw`^model\.[^.]+\.\d{2}\.[\w.]+$`,
    String.raw`model\.layers\.\d{1,2}\.mlp\.(gate|up)_proj`,
    String.raw`(?:model\.)?(lm_head|embed_tokens)`,
    String.raw`[a-f\d._]*|lm_head`,
    String.raw`.*\.\D+`,
    String.raw`\Bodel.*`,
    '',
  ])('matches as a backtracking matcher does: %s', (pattern) => {
    const oracle = new RegExp(`^(?:${pattern})$`, 'u');
    expect(matched(pattern)).toEqual(names.filter((name) => oracle.test(name)));
  });

  it('reads what only Python writes', () => {
    expect(matched(String.raw`\A.*\.(?P<which>q_proj)\Z`)).toEqual(names.filter((name) => name.endsWith('.q_proj')));
  });

  it.each([
    // What unsloth writes for all layers, and a wildcard before each name.
    String.raw`(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?(?:k_proj|v_proj|q_proj|out_proj|fc1|fc2|proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\.(?:(?:k_proj|v_proj|q_proj|gate_proj|up_proj|down_proj)))`,
    String.raw`.*layers.*self_attn.*(q|k|v|o)_proj`,
  ])('matches what is written in practice: %s', (pattern) => {
    const oracle = new RegExp(`^(?:${pattern})$`, 'u');
    expect(matched(pattern).length).toBeGreaterThan(3);
    expect(matched(pattern)).toEqual(names.filter((name) => oracle.test(name)));
  });

  it.each([
    ['a closing bracket first in a class', String.raw`model[].]layers[^]a-z]0[.]mlp.*`, String.raw`model\.layers\.0\.mlp.*`],
    ['a count without its least', String.raw`model\.layers\.1{,2}\.mlp.*`, String.raw`model\.layers\.1{0,2}\.mlp.*`],
    ['a count without numbers', String.raw`model\.[a-z]{,}\.1\.mlp.*`, String.raw`model\.[a-z]*\.1\.mlp.*`],
    ['braces and brackets that stand for themselves', String.raw`(?:}|]|{x}|lm)_head`, 'lm_head'],
    ['characters that need no backslash', String.raw`lm\_hea[\_d\-]`, 'lm_head'],
  ])('reads %s as Python does', (_, pattern, other) => {
    const oracle = new RegExp(`^(?:${other})$`, 'u');
    expect(matched(pattern).length).toBeGreaterThan(0);
    expect(matched(pattern)).toEqual(names.filter((name) => oracle.test(name)));
  });

  it.each([
    '(a+)+', '(a|a)*', '(a*)*b', '((a+)+)+$', '(.*)*(.*)*(.*)*x', '(a|aa)+', `${'(a*'.repeat(50)}${')*'.repeat(50)}b`, `${'a?'.repeat(100)}${'a'.repeat(100)}`,
    '((a{0,1000}){0,1000}){0,1000}b', String.raw`(([a-z_]+\.)*([0-9]+\.)?)+[a-z_]+`, '.*.*.*.*.*x', `${'a{0,9}'.repeat(9)}b`,
  ])('refuses what a matcher may never end on: %s', (evil) => {
    expect(() => modulePattern(evil, 'dir/adapter_config.json: target_modules')).toThrow(
      /^Cannot use dir\/adapter_config\.json: target_modules: the expression .* matching it might never end$/,
    );
  });

  it('takes no long time for what it does match', () => {
    const longest = Array.from({ length: 100 }, (_, layer) => PROJECTIONS.map((p) => `model.layers.${layer}.${p}`)).flat();
    for (const slow of ['.*.*.*.*!', `${'.?'.repeat(12)}!`, '(?:.*.*.*.*|.*.*.*.*)(?:!|#|-|=)']) {
      const test = modulePattern(slow, 'x');
      const begun = performance.now();
      expect(longest.filter(test), slow).toEqual([]);
      expect(performance.now() - begun, slow).toBeLessThan(5_000);
    }
  });

  it.each<[string, string, string]>([
    ['an open group', '(q_proj', 'is not an expression'],
    ['a closed one', 'q_proj)', 'is not an expression'],
    ['one that would close the group around it', 'q_proj)|(?:k_proj', 'is not an expression'],
    ['an open set', '[qk', 'is not an expression'],
    ['a back reference', String.raw`(q)\1`, String.raw`\1, which is not supported, at character 3`],
    ['one by name', '(?P<a>q)(?P=a)', 'a kind of group that is not supported at character 8'],
    ['lookbehind', '(?<=x)q', 'a kind of group that is not supported'],
    ['a group that Python does not name so', '(?<name>q)', 'a kind of group that is not supported'],
    ['flags', '(?i)q_proj', 'a kind of group that is not supported'],
    ['flags of a group', '(?i:q)_proj', 'a kind of group that is not supported'],
    ['a group that is kept as it matched', '(?>q)_proj', 'a kind of group that is not supported'],
    ['a property', String.raw`\p{L}`, String.raw`\p, which is not supported,`],
    ['a number of a character', String.raw`[\x71]_proj`, String.raw`\x, which is not supported,`],
    ['a quantifier of nothing', '*q', 'is not an expression'],
    ['two quantifiers', 'q**', 'is not an expression'],
    ['a possessive quantifier', 'q*+', 'possessive'],
    ['a possessive count', 'q{1,2}+', 'possessive'],
    ['a range the wrong way round', '[z-a]', 'is not an expression'],
    ['an enormous count', 'q{5000}', 'a count outside 0 to 1000'],
    ['an enormous largest count', 'q{1,5000}', 'a count outside 0 to 1000'],
    ['a backslash at the end', 'q\\', 'which is not supported, at character 1'],
    ['hundreds of groups', '('.repeat(200), 'is not an expression'],
  ])('refuses %s', (_, pattern, message) => {
    expect(() => modulePattern(pattern, 'dir/adapter_config.json: target_modules')).toThrow(SyntaxError);
    expect(() => modulePattern(pattern, 'dir/adapter_config.json: target_modules')).toThrow(message);
    expect(() => modulePattern('q'.repeat(1_001), 'x')).toThrow('an expression of 1001 characters is longer than 1000');
  });
});
