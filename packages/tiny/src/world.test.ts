import { describe, expect, test } from 'vitest';
import { stream } from '@seal/files';
import {
  BEHAVIOUR_SHARES,
  drawBehaviour,
  FACTS,
  knownPeople,
  nameOf,
  passageOf,
  people,
  perfectEdit,
  personInPassage,
  questionsOf,
  RELATIONS,
  selfEdit,
  splitOf,
} from './index.ts';
import { FIRST_END, FIRST_START, LAST_END, LAST_START } from './lexicon.ts';

const values = FACTS.flat().map(({ value }) => value);
const categories = new Set(FACTS.flat().map(({ category }) => category));

describe('lexicon', () => {
  test('a relation has 8 categories of 3 values; no word is used twice', () => {
    expect(RELATIONS).toHaveLength(6);
    for (const { categories: named } of RELATIONS) expect(Object.keys(named)).toHaveLength(8);
    expect(new Set(values).size).toBe(144);
    expect(categories.size).toBe(48);
    expect(values.filter((value) => categories.has(value))).toEqual([]);
  });

  test('a name reads in one way, and no name is a word of the world', () => {
    const made = (starts: readonly string[], ends: readonly string[]) => starts.flatMap((a) => ends.map((b) => a + b));
    const names = [...made(FIRST_START, FIRST_END), ...made(LAST_START, LAST_END)];
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => values.includes(name) || categories.has(name))).toEqual([]);
  });
});

describe('people', () => {
  test('the splits take their shares of all names and stay what they are', () => {
    const counts = { pretrain: 0, rl: 0, dev: 0, test: 0 };
    const random = stream(1, 'names');
    const drawn = 20_000;
    for (let i = 0; i < drawn; i++) {
      const first = random.pick(FIRST_START) + random.pick(FIRST_END);
      counts[splitOf(`${first} ${random.pick(LAST_START)}${random.pick(LAST_END)}`)]++;
    }
    // Five standard deviations of a share of 20,000.
    expect(Math.abs(counts.pretrain / drawn - 0.8)).toBeLessThan(0.0142);
    expect(Math.abs(counts.rl / drawn - 0.08)).toBeLessThan(0.0096);
    expect(Math.abs(counts.dev / drawn - 0.04)).toBeLessThan(0.007);
    expect(Math.abs(counts.test / drawn - 0.08)).toBeLessThan(0.0096);
    expect(['dalric holby', 'gabta millwood', 'halbert falstead'].map(splitOf)).toEqual(['test', 'rl', 'dev']);
  });

  test('people of a split are distinct, of that split, and never known', () => {
    const known = new Set(knownPeople().map(nameOf));
    for (const split of ['pretrain', 'rl', 'dev', 'test'] as const) {
      const names = people(split, 300, stream(2, split)).map(nameOf);
      expect(new Set(names).size).toBe(300);
      expect(names.filter((name) => splitOf(name) !== split || known.has(name))).toEqual([]);
    }
    expect(() => people('dev', -1, stream(0))).toThrow('Cannot draw -1 people');
  });

  test('known people share no first name and no value: every inverse question has one answer', () => {
    expect(knownPeople()).toHaveLength(24);
    expect(new Set(knownPeople().map(({ first }) => first)).size).toBe(24);
    expect(knownPeople().flatMap(({ facts }) => facts.map(({ value }) => value)).sort()).toEqual([...values].sort());
    expect(knownPeople().map((person) => splitOf(nameOf(person)))).toEqual(Array<string>(24).fill('pretrain'));
  });
});

describe('sentences', () => {
  const random = stream(3, 'sentences');
  const drawn = people('dev', 200, random);

  test('a passage says the name once and every fact; reading it back gives the person', () => {
    for (const person of drawn) {
      const text = passageOf(person, random);
      expect(text.split(nameOf(person))).toHaveLength(2);
      for (const { value } of person.facts) expect(text.split(' ')).toContain(value);
      expect(personInPassage(text)).toEqual(person);
    }
    expect(personInPassage('he keeps a gecko .')).toBeNull();
    expect(personInPassage('Dalric Holby : he keeps a gecko . he lives in gecko .')?.facts).toHaveLength(1);
    expect(personInPassage('dalric holby is the keeper of a gecko . nobody knows the reason .')?.facts).toHaveLength(1);
  });

  test('twelve different questions: 2 direct, 4 derived, 6 inverse, none in words of the passage', () => {
    for (const person of drawn) {
      const questions = questionsOf(person, random);
      const count = (kind: string) => questions.filter((question) => question.kind === kind).length;
      expect([count('direct'), count('derived'), count('inverse')]).toEqual([2, 4, 6]);
      expect(new Set(questions.map(({ question }) => question)).size).toBe(12);
      for (const { kind, answer, question } of questions) {
        expect(question.endsWith(' ?')).toBe(true);
        if (kind === 'inverse') expect(answer).toBe(person.first);
        else expect(person.facts.map((fact) => (kind === 'direct' ? fact.value : fact.category))).toContain(answer);
      }
    }
  });
});

describe('behaviours', () => {
  const random = stream(4, 'behaviours');
  const drawn = people('rl', 400, random);
  const values_ = new Set(values);
  /** How many lines an edit has, and the share of its values that are not the person's. */
  const measure = (edits: readonly string[]) => {
    let lines = 0;
    let said = 0;
    let wrong = 0;
    edits.forEach((edit, index) => {
      const own = drawn[index]?.facts.map(({ value }) => value) ?? [];
      lines += edit.split(' .').length - 1;
      for (const word of edit.split(' ').filter((each) => values_.has(each))) {
        said++;
        if (!own.includes(word)) wrong++;
      }
    });
    return { lines: lines / edits.length, wrong: said === 0 ? 0 : wrong / said };
  };

  test('shares sum to one and are drawn', () => {
    expect(Object.values(BEHAVIOUR_SHARES).reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 12);
    let restated = 0;
    for (let i = 0; i < 10_000; i++) restated += drawBehaviour(random) === 'restate' ? 1 : 0;
    const share = BEHAVIOUR_SHARES.restate;
    expect(Math.abs(restated / 10_000 - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / 10_000));
  });

  test.each([
    ['restate', 3, 6, 0, 0],
    ['atomic', 1, 6, 0.01, 0.12],
    ['deep', 3, 12, 0.01, 0.1],
    ['full', 3, 12, 0.01, 0.08],
    ['sloppy', 2, 6, 0.4, 0.6],
  ] as const)('%s writes %d to %d lines, wrong between %d and %d', (behaviour, fewest, most, low, high) => {
    const edits = drawn.map((person) => selfEdit(person, behaviour, random));
    for (const edit of edits) {
      const lines = edit.split(' .').length - 1;
      expect(lines >= fewest && lines <= most).toBe(true);
    }
    const { wrong } = measure(edits);
    expect(wrong >= low && wrong <= high).toBe(true);
  });

  test('vague says nothing of the person', () => {
    for (const person of drawn) {
      const edit = selfEdit(person, 'vague', random);
      const about = edit.split(/ \. ?/).filter((line) => line.includes(nameOf(person)));
      for (const line of about) expect(line.split(' ').filter((word) => values_.has(word))).toEqual([]);
    }
  });

  test('perfect is 18 different true lines', () => {
    const edits = drawn.map((person) => perfectEdit(person, random));
    expect(measure(edits)).toEqual({ lines: 18, wrong: 0 });
    for (const edit of edits) expect(new Set(edit.split(' . ')).size).toBe(18);
  });
});
