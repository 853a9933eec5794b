import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { containment, exactMatch, grader, normalizeAnswer, tokenRecall } from './grade.ts';

test.each([
  ['The  Denver Broncos.', 'denver broncos'],
  ['an "Apple"', 'apple'],
  ["Levi's Stadium", 'levis stadium'],
  ['a.b c-d', 'ab cd'],
  ['Athens, the theatre', 'athens theatre'],
  ['à la carte', 'à la carte'],
  ['\u00a0 A \n', ''],
])('%j is compared as %j', (text, normal) => {
  expect(normalizeAnswer(text)).toBe(normal);
});

test.each<[answer: string, gold: string, exact: boolean, contained: boolean, recall: number]>([
  ['Denver Broncos', 'the Denver Broncos.', true, true, 1],
  ['It was the Denver Broncos!', 'Denver Broncos', false, true, 1],
  ['Broncos of Denver', 'Denver Broncos', false, false, 1],
  ['Broncos', 'Denver Broncos', false, false, 0.5],
  ['In 1957', '5', false, false, 0],
  ['a party', 'art', false, false, 0],
  ['one', 'one one', false, false, 0.5],
  ['', 'Denver', false, false, 0],
  ['the', 'Denver', false, false, 0],
  ['', 'the', false, false, 0],
  ['The', 'the', true, true, 1],
  ['apple', 'a', false, false, 0],
  ['100 %', '%', false, true, 1],
  ['', '', false, false, 0],
  ['anything', ' ', false, false, 0],
])('the answer %j to the gold %j: exact %s, containment %s, recall %s', (answer, gold, exact, contained, recall) => {
  expect(exactMatch(answer, gold)).toBe(exact);
  expect(containment(answer, gold)).toBe(contained);
  expect(tokenRecall(answer, gold)).toBe(recall);
});

test('graders have names; recall asks for three words of five', () => {
  expect(grader('recall')('one two three', 'one two three four five')).toBe(true);
  expect(grader('recall')('one two', 'one two three four five')).toBe(false);
  expect(grader('exact')('a b', 'b')).toBe(true);
  for (const name of ['gpt-4.1', 'constructor']) {
    expect(() => grader(name)).toThrow(`Cannot find grader "${name}": use exact, containment, recall`);
  }
});

interface Verdict {
  readonly gold: string;
  readonly pred: string;
  readonly yes: 0 | 1;
}

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const calibration = join(recordings, 'data/grader_calibration.json');

describe('agreement with 2,500 recorded GPT-4.1 verdicts', () => {
  // On all 65,793 verdicts these shares were measured; a random sample of 2,500 strays from a share p by
  // sqrt(p (1 - p) / 2500), about .7 points, and the band is three of those. The last column is the sample's own share,
  // computed by a separate Python script with the text normalisation of the SQuAD evaluation. Exact match has no
  // published share: it may refuse right answers, and must not pass a wrong one.
  test.for([
    ['containment', 0.846, 0.854],
    ['recall', 0.859, 0.8696],
  ] as const)('%s agrees on about %s of them', async ([name, published, measured], { skip, annotate }) => {
    skip(!existsSync(calibration), `${calibration} is absent: the verdicts are not part of the repository`);
    const { agreement, kappa } = compare(name);
    expect(agreement).toBeCloseTo(measured, 10);
    expect(Math.abs(agreement - published)).toBeLessThan(3 * Math.sqrt((published * (1 - published)) / 2500));
    expect(kappa).toBeGreaterThan(0.6);
    await annotate(`${name}: agreement ${agreement.toFixed(4)}, kappa ${kappa.toFixed(3)}`);
  });

  test('exact match passes nothing that GPT-4.1 refused', ({ skip }) => {
    skip(!existsSync(calibration), `${calibration} is absent: the verdicts are not part of the repository`);
    expect(compare('exact')).toMatchObject({ precision: 1 });
  });

  test('graders that ignore the answer do not agree', ({ skip }) => {
    skip(!existsSync(calibration), `${calibration} is absent: the verdicts are not part of the repository`);
    expect(compare('containment', (verdict) => ({ ...verdict, pred: 'yes' })).kappa).toBeLessThan(0.05);
  });

  function compare(
    name: string,
    change: (verdict: Verdict) => Verdict = (verdict) => verdict,
  ): { agreement: number; kappa: number; precision: number } {
    const items = (JSON.parse(readFileSync(calibration, 'utf8')).items as Verdict[]).map(change);
    expect(items).toHaveLength(2500);
    const share = (holds: (verdict: Verdict) => boolean): number => items.filter(holds).length / items.length;
    const passes = ({ pred, gold }: Verdict): boolean => grader(name)(pred, gold);
    const agreement = share((verdict) => passes(verdict) === (verdict.yes === 1));
    const [given, wanted] = [share(passes), share(({ yes }) => yes === 1)];
    const chance = given * wanted + (1 - given) * (1 - wanted);
    const both = share((verdict) => passes(verdict) && verdict.yes === 1);
    return { agreement, kappa: (agreement - chance) / (1 - chance), precision: both / given };
  }
});
