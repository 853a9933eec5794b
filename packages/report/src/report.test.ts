import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { fixture } from './fixture.ts';
import type { ReportInput } from './input.ts';
import { renderReport } from './report.ts';

const input = fixture();
const text = renderReport(input);
const parse = (markup: string) => parseHTML(markup).document;
const document = parse(text);
const normal = (value: string | null | undefined): string => (value ?? '').replaceAll(/\s+/g, ' ').trim();

describe('the file', () => {
  it('needs nothing from outside and runs no script', () => {
    expect(text.startsWith('<!doctype html>')).toBe(true);
    for (const selector of ['script', 'link', 'img', 'iframe', 'object', 'form', 'base']) {
      expect(document.querySelectorAll(selector), selector).toHaveLength(0);
    }
    expect(text).not.toMatch(/url\(|@import/);
    expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/);
    for (const link of document.querySelectorAll('[href]')) {
      const target = link.getAttribute('href') ?? '';
      expect(document.querySelector(`section${target}`), target).not.toBeNull();
    }
    expect(document.querySelector('meta[http-equiv]')?.getAttribute('content')).toContain("default-src 'none'");
  });

  it('has valid figures, each with a description', () => {
    const figures = [...document.querySelectorAll('svg')];
    expect(figures.length).toBeGreaterThan(20);
    for (const figure of figures) {
      expect(figure.getAttribute('xmlns')).toBe('http://www.w3.org/2000/svg');
      expect(figure.getAttribute('aria-label')).not.toBe('');
    }
    expect(text).not.toMatch(/NaN|\bundefined\b|\[object/);
  });

  it('is the same for the same input', () => {
    expect(renderReport(fixture())).toBe(text);
  });

  it('uses no colour that is not declared for light and dark', () => {
    const style = document.querySelector('style')?.textContent ?? '';
    const [light = '', dark = ''] = style.split('prefers-color-scheme: dark');
    const used = new Set([...text.matchAll(/var\((--[a-z]+)\)/g)].map(([, name]) => name ?? ''));
    for (const name of used) {
      if (name === '--swatch') continue;
      expect(light, name).toContain(`${name}: `);
      if (!['--sans', '--serif', '--mono'].includes(name)) expect(dark, name).toContain(`${name}: `);
    }
  });
});

describe('a run that chose by the likelihood of gold answers', () => {
  const likelihood = { reliability: 0.9, accuracyReliability: 0.5, repeats: 2, agreement: 0.7, agreementContexts: 8 };
  const rows = input.result.rows.map((row) => ({ ...row, likelihood: { mean: -3.25, ci95: [-3.5, -3] as [number, number] } }));
  const selections = input.selections.map((one) => ({
    ...one,
    reward: one.reward === null ? null : one.reward - 0.5,
    candidates: one.candidates.map((own) => ({ ...own, reward: own.reward - 0.5 })),
  }));
  const rewards = input.rewards.map((one) => (one.phase === 'rl' ? { ...one, questions: 0, correct: 0, reward: 0, likelihood: -3 } : one));
  const page = parse(renderReport({ ...input, selections, rewards, result: { ...input.result, rows, likelihood } }));

  it('shows gains in nats, never as shares, and the log-probability beside the accuracy', () => {
    const gains = normal(page.querySelector('#rewards')?.textContent);
    expect(gains).toContain('how much more likely, in nats a token');
    const first = selections.filter(({ phase, round }) => phase === 'rl' && round === 1).flatMap(({ candidates }) => candidates.map(({ reward }) => reward));
    const average = first.reduce((sum, one) => sum + one, 0) / first.length;
    expect(gains).toContain(Math.abs(average).toFixed(3));
    expect(gains).not.toContain('%');
    expect(normal(page.querySelector('#kept')?.textContent)).toContain('Candidates are shown by their gains');
    const results = normal(page.querySelector('#results')?.textContent);
    expect(results).toContain('−3.250 (−3.500 to −3.000)');
    expect(results).toContain('reliability over 2 repeats 0.90, of the share of right answers 0.50; rank correlation with the share of right answers 0.70 in the mean of 8 contexts');
  });
});

describe('the content', () => {
  it('begins with the result in one sentence', () => {
    const rows = new Map(input.result.rows.map((row) => [row.condition, (row.accuracy * 100).toFixed(1)]));
    const heading = normal(document.querySelector('h1')?.textContent);
    expect(heading).toMatch(/^Learning to write its own training data (raised|made no difference)/);
    expect(heading).toContain(`${rows.get('self-edit')} %`);
    expect(heading).toContain(`${rows.get('round-2')} %`);
  });

  it('does not claim a rise that is not beyond noise', () => {
    const comparisons = input.result.comparisons.map((one) =>
      one.a === 'round-2' && one.b === 'self-edit'
        ? { ...one, difference: 0.02, ci95: [-0.01, 0.05] as [number, number] }
        : one,
    );
    const page = parse(renderReport({ ...input, result: { ...input.result, comparisons } }));
    expect(normal(page.querySelector('h1')?.textContent)).toContain('made no difference beyond noise');
    expect(normal(page.querySelector('.verdict')?.textContent)).toContain(
      'includes zero: the difference is not beyond noise',
    );
  });

  it('has a row with a figure for every condition and every comparison', () => {
    const [rows, comparisons] = document.querySelectorAll('#results .bars');
    expect(rows?.querySelectorAll('tbody tr')).toHaveLength(input.result.rows.length);
    expect(comparisons?.querySelectorAll('tbody tr')).toHaveLength(input.result.comparisons.length);
    expect(rows?.querySelectorAll('tbody svg')).toHaveLength(input.result.rows.length);
  });

  it('has every held-out passage with its self-edits and every question with both answers', () => {
    const held = input.contexts.filter(({ id }) => id.startsWith('test'));
    const passages = [...document.querySelectorAll('#contexts > details')];
    expect(passages).toHaveLength(held.length);
    held.forEach((context, index) => {
      const passage = passages[index];
      expect(passage?.querySelector('.passage')?.textContent).toBe(context.text);
      const shown = normal(passage?.textContent);
      for (const condition of ['self-edit', 'round-2', 'self-edit-greedy', 'round-2-greedy']) {
        const edits = input.selfEdits.filter((edit) => edit.contextId === context.id && edit.condition === condition);
        for (const { text: edit } of edits) for (const line of edit.split('\n')) expect(shown).toContain(line);
      }
      const rows = [...(passage?.querySelectorAll('.questions tbody tr') ?? [])];
      expect(rows).toHaveLength(context.questions.length);
      context.questions.forEach(({ question, gold }, at) => {
        const cells = [...(rows[at]?.querySelectorAll('td') ?? [])].map((cell) => normal(cell.textContent));
        expect(cells[0]).toContain(question);
        expect(cells[1]).toBe(gold);
        ['self-edit', 'round-2'].forEach((condition, side) => {
          const keys = new Set(
            input.rewards
              .filter((reward) => reward.condition === condition && reward.contextId === context.id)
              .map(({ key }) => key),
          );
          const given = input.answers.filter((answer) => keys.has(answer.rewardKey) && answer.question === question);
          expect(given.length).toBe(2);
          for (const { answer, correct } of given)
            expect(cells[2 + side]).toContain(`${correct ? '✓' : '✗'} ${answer}`);
        });
      });
    });
  });

  it('shows the rewards of a round without those of the kept self-edits measured again, and these beside them', () => {
    const [first] = document.querySelectorAll('#rewards tbody tr');
    const cells = [...(first?.querySelectorAll('td') ?? [])].map((cell) => normal(cell.textContent));
    const own = input.rewards.filter(({ phase, round }) => phase === 'rl' && round === 1);
    const share = (rewards: typeof own): string =>
      `${((100 * rewards.reduce((sum, { reward }) => sum + reward, 0)) / rewards.length).toFixed(1)} %`;
    const sampled = own.filter(({ condition }) => condition === null);
    expect(cells.slice(0, 3)).toEqual(['1', '24', share(sampled)]);
    expect(cells[4]).toBe(share(own.filter(({ condition }) => condition === 'winner')));
  });

  it('says of every selection what was kept and why', () => {
    expect(document.querySelectorAll('#kept .choices tbody > tr')).toHaveLength(input.selections.length);
    expect(normal(document.querySelector('#kept')?.textContent)).toContain(input.selections[0]?.reason);
  });

  it('resolves the configuration to its leaves and states the limits', () => {
    expect(normal(document.querySelector('#configuration')?.textContent)).toContain('inner.lora.rank16');
    expect(normal(document.querySelector('#limits')?.textContent)).toContain('up to 25 % by chance');
  });

  it('counts what failed as a limit', () => {
    const rewards = input.rewards.map((reward, index) =>
      index < 3 ? { ...reward, status: 'non-finite' as const } : reward,
    );
    const page = parse(renderReport({ ...input, rewards }));
    expect(normal(page.querySelector('#limits')?.textContent)).toContain(
      '3 rewards did not come from a clean adaptation',
    );
  });

  it('counts a self-edit that failed in several repeats once', () => {
    const failed = input.rewards.find(({ phase, round, condition }) => phase === 'rl' && round === 1 && condition === null);
    const rewards = input.rewards.flatMap((reward) => {
      if (reward !== failed) return [reward];
      return [0, 1].map((repeat) => ({ ...reward, repeat, key: `${reward.key}${repeat || ''}`, status: 'invalid' as const }));
    });
    expect(rewards).toHaveLength(input.rewards.length + 1);
    const page = parse(renderReport({ ...input, rewards }));
    expect(page.querySelector('#rewards table tbody td:last-child')?.textContent).toBe('1');
  });
});

describe('another domain', () => {
  const terms = { context: 'puzzle', base: { name: 'in-context', label: 'the examples in context' }, control: { name: 'default', label: 'default training' } };
  const names: Readonly<Record<string, string>> = { base: 'in-context', passage: 'default', 'passage-matched': 'default-matched' };
  const rename = (name: string): string => names[name] ?? name;
  const own: ReportInput = {
    ...input,
    header: { ...input.header, preset: 'puzzles', config: {}, domain: { tasks: 'puzzles.json', template: { name: 'grid', text: '{grid}' }, chat: true } },
    rewards: input.rewards.map((reward) => ({ ...reward, condition: reward.condition && rename(reward.condition) })),
    answers: input.answers.map((answer) => ({ ...answer, score: 0.25, votes: ['a', 'b'] })),
    selections: input.selections.map((one) => ({ ...one, kept: one.candidates.slice(0, 2).map(({ selfEditId }) => selfEditId) })),
    result: {
      ...input.result,
      terms,
      rows: input.result.rows.map((row) => ({ ...row, condition: rename(row.condition) })),
      comparisons: input.result.comparisons.map((one) => ({ ...one, a: rename(one.a), b: rename(one.b) })),
    },
  };
  const page = parse(renderReport(own));
  const shown = normal(page.querySelector('body')?.textContent);

  it('is spoken of in its own words', () => {
    expect(shown).not.toMatch(/passage/i);
    for (const figure of page.querySelectorAll('[aria-label]')) expect(figure.getAttribute('aria-label')).not.toMatch(/passage/i);
    expect(normal(page.querySelector('h1')?.textContent)).toContain('8 unseen puzzles');
    expect(normal(page.querySelector('.lead')?.textContent)).toContain('with the examples in context the model answers');
    expect(normal(page.querySelector('#results tbody')?.textContent)).toContain('default training, matched tokens');
    expect(normal(page.querySelector('#contexts h2')?.textContent)).toBe('Every puzzle, before and after');
  });

  it('shows how it was set up, partial credit, votes and several kept self-edits', () => {
    expect(normal(page.querySelector('#configuration')?.textContent)).toContain('taskspuzzles.json');
    expect(normal(page.querySelector('#configuration')?.textContent)).toContain('templategrid');
    expect(normal(page.querySelector('#contexts .questions')?.textContent)).toContain('25.0 % of 2 votes');
    expect(normal(page.querySelector('#kept')?.textContent)).toContain('the 2 kept self-edits');
    expect(normal(page.querySelector('#results .kinds')?.textContent)).toContain('25.0 %');
  });
});

describe('a hostile model or data set', () => {
  const attack = `</script></style></title><script>alert("x")</script><img src=x onerror='alert(1)'>" onload="alert(2)`;
  const keys = 'runId createdAt id contextId selfEditId rewardKey key phase condition status mode a b policyDigest';
  /** The value with `suffix` behind every text in it but those the report looks records up by. */
  const poison = <T>(value: T, suffix: string): T => {
    const kept = new Set(keys.split(' '));
    const walk = (item: unknown, name: string): unknown => {
      if (typeof item === 'string') return kept.has(name) ? item : `${item} ${suffix}`;
      if (Array.isArray(item)) return item.map((inner) => walk(inner, name));
      if (typeof item !== 'object' || item === null) return item;
      return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, walk(inner, key)]));
    };
    return walk(value, '') as T;
  };

  it('can put nothing but text into the page, from whichever field', () => {
    const whole = { ...input, selfEdits: input.selfEdits.map((edit) => ({ ...edit, rejected: 'too long' })) };
    const page = renderReport(poison(whole, attack));
    expect(page.split('&lt;script&gt;alert').length).toBeGreaterThan(500);
    expect(page.includes('<script')).toBe(false);
    expect(page.includes('<img')).toBe(false);
    const elements = [...parse(page).querySelectorAll('*')];
    for (const { localName, attributes } of elements) {
      for (const { name } of attributes) expect(name.startsWith('on'), `${localName} ${name}`).toBe(false);
    }
    expect(elements).toHaveLength(parse(renderReport(poison(whole, 'harmless'))).querySelectorAll('*').length);
  });

  it('can name conditions and contexts as it likes', () => {
    const rows = input.result.rows.map((row) => ({
      ...row,
      condition: row.condition === 'base' ? attack : row.condition,
    }));
    const contexts = input.contexts.map((context) => ({ ...context, id: `${context.id}"<b>` }));
    const page = renderReport({ ...input, result: { ...input.result, rows }, contexts });
    expect(/<script|<img|"<b>/.exec(page)).toBeNull();
  });
});

describe('an unfinished or unusual run', () => {
  it.each<[string, Partial<ReportInput>]>([
    [
      'has no records at all',
      { selfEdits: [], rewards: [], answers: [], selections: [], sft: [], metrics: [], events: [], contexts: [] },
    ],
    ['has no rows', { result: { ...input.result, rows: [], comparisons: [] } }],
    ['was never given a self-edit', { selfEdits: [] }],
    ['has no passages to look up', { contexts: [] }],
    ['kept nothing', { selections: input.selections.map((one) => ({ ...one, selfEditId: null, reward: null })) }],
    ['learned nothing', { sft: input.sft.map((one) => ({ ...one, examples: 0, steps: 0, losses: [] })) }],
    ['took no time', { result: { ...input.result, timings: { totalSeconds: 0 } } }],
    ['is of another preset and mode', { header: { ...input.header, preset: 'squad', mode: 'paper', config: {} } }],
  ])('that %s still makes a page', (_, change) => {
    const page = renderReport({ ...input, ...change });
    expect(page).toContain('<h1>');
    expect(page).not.toMatch(/NaN|Infinity|\bundefined\b/);
  });

  it('with another number of rounds compares the last one', () => {
    const rows = input.result.rows.filter(({ condition }) => !condition.startsWith('round-2'));
    const comparisons = input.result.comparisons.filter(({ a, b }) => !`${a} ${b}`.includes('round-2'));
    const page = parse(renderReport({ ...input, result: { ...input.result, rows, comparisons } }));
    expect(normal(page.querySelector('.verdict')?.textContent)).toMatch(/^round-1 − self-edit/);
    expect(normal(page.querySelector('#contexts .edit:nth-child(2) h4')?.textContent)).toContain('after round 1');
  });
});
