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
    String.raw`(([a-z_]+\.)*([0-9]+\.)?)+[a-z_]+`,
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

  it('takes no longer for expressions that are made to backtrack', () => {
    const long = `${'a'.repeat(100)}!`;
    for (const evil of ['(a+)+', '(a|a)*', '(a*)*b', '((a+)+)+$', '(.*)*(.*)*(.*)*x', '(a|aa)+', `${'(a*'.repeat(50)}${')*'.repeat(50)}b`, `${'a?'.repeat(100)}${'a'.repeat(100)}`, '((a{0,1000}){0,1000}){0,1000}b']) {
      const begun = performance.now();
      expect(modulePattern(evil, 'x')(long), evil).toBe(false);
      // A matcher that backtracks needs 2^100 steps for the first.
      expect(performance.now() - begun, evil).toBeLessThan(2_000);
    }
  });

  it.each<[string, string, string]>([
    ['an open group', '(q_proj', 'a ( that is not closed at character 7'],
    ['a closed one', 'q_proj)', 'a ) that closes nothing at character 6'],
    ['an open set', '[qk', 'an end where something is missing'],
    ['a back reference', String.raw`(q)\1`, String.raw`\1, which is not supported,`],
    ['lookbehind', '(?<=x)q', 'a kind of group that is not supported'],
    ['flags', '(?i)q_proj', 'a kind of group that is not supported'],
    ['a quantifier of nothing', '*q', 'a quantifier of nothing at character 1'],
    ['two quantifiers', 'q**', 'a quantifier of a quantifier'],
    ['a possessive quantifier', 'q*+', 'possessive'],
    ['a range the wrong way round', '[z-a]', 'a range from z to a'],
    ['an enormous count', 'q{5000}', 'a count outside 0 to 1000'],
    ['a backslash at the end', 'q\\', 'an end where something is missing'],
    ['hundreds of groups', '('.repeat(200), 'more than 100 groups'],
  ])('refuses %s', (_, pattern, message) => {
    expect(() => modulePattern(pattern, 'dir/adapter_config.json: target_modules')).toThrow(SyntaxError);
    expect(() => modulePattern(pattern, 'dir/adapter_config.json: target_modules')).toThrow(message);
    expect(() => modulePattern('q'.repeat(1_001), 'x')).toThrow('an expression of 1001 characters is longer than 1000');
  });
});
