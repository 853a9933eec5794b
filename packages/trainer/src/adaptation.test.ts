import { describe, expect, it } from 'vitest';
import { streamOf } from '@seal/files';
import type { Domain, SelfEditSettings } from '@seal/domains';
import { adaptationOf, expectedTokens, rateOf, selfEditReader, type AdaptationOptions, type EditedContext } from './adaptation.ts';
import { config, context, letterCodec, letters, lines } from './fixture.ts';
import { planSteps } from './inner-loop.ts';

const codec = letterCodec();
const options: AdaptationOptions = {
  inner: { ...config.inner, documentsPerStep: 1, trainOnPadding: false },
  steps: 12,
  longest: 1_000,
  replay: [0, 'replay'],
};
const edited = (id: string, text: string, ...edits: string[]): EditedContext => {
  const own = context(id, text);
  return { context: own, edits: edits.map((edit) => lines.parse(own, edit)), beside: 'always' };
};
const adapt = (group: readonly EditedContext[], own: Partial<AdaptationOptions> = {}, domain: Domain = lines) => {
  const work = adaptationOf(domain, codec, group, { ...options, ...own });
  if (!work) throw new Error('There is nothing to train on');
  return work;
};
const textOf = ({ tokens }: { readonly tokens: ArrayLike<number> }) => letters.decode(Array.from(tokens).filter((id) => id > 2));
/** What is chosen for each document, by its text. */
const chosenOf = ({ documents }: ReturnType<typeof adapt>) =>
  Object.fromEntries(documents.map(({ learningRate, epochs, ...document }) => [textOf(document), [learningRate, epochs]]));
/** How often each document is walked over, by its text. */
function walks(work: ReturnType<typeof adapt>, documentsPerStep = 1): Record<string, number> {
  const steps = planSteps({ ...work, stream: [1, 'walks'] }, { documentsPerStep, replayPerStep: 0 }, streamOf([1, 'walks']));
  const texts = steps.flatMap(({ segment }) => segment.map(textOf));
  return Object.fromEntries(Object.entries(Object.groupBy(texts, (text) => text)).map(([text, all]) => [text, all?.length ?? 0]));
}

describe('adaptationOf', () => {
  it('trains as configured where a self-edit chooses nothing', () => {
    const work = adapt([edited('a', 'rain', 'one\ntwo')]);
    expect(work).toEqual({
      documents: ['rain', 'one', 'two'].map((text) => codec.document({ prompt: '', text })),
      replay: [],
      steps: 12,
      rate: { learningRate: 1e-3, schedule: 'constant', warmUpSteps: 0 },
    });
    expect(walks(work)).toEqual({ rain: 4, one: 4, two: 4 });
  });

  it('takes a step for what is left, however little', () => {
    const inner = { ...options.inner, documentsPerStep: 5 };
    const work = adapt([edited('a', 'rain', 'epochs=1\none')], { inner });
    expect(work.steps).toBe(1);
    expect(walks(work, 5)).toEqual({ rain: 1, one: 1 });
  });

  it('takes schedule and warm-up of the configuration', () => {
    const inner = { ...options.inner, schedule: 'cosine', warmUpSteps: 3 } as const;
    expect(adapt([edited('a', 'rain', 'one')], { inner }).rate).toEqual({ learningRate: 1e-3, schedule: 'cosine', warmUpSteps: 3 });
    expect(rateOf(inner)).toEqual({ learningRate: 1e-3, schedule: 'cosine', warmUpSteps: 3 });
  });

  it('walks over all documents as often as a self-edit asks, at its rate, those that are always trained too', () => {
    const work = adapt([edited('a', 'rain', 'lr=0.02\nepochs=3\none\ntwo')]);
    expect(work.steps).toBe(9);
    expect(chosenOf(work)).toEqual({ rain: [0.02, 3], one: [0.02, 3], two: [0.02, 3] });
    expect(walks(work)).toEqual({ rain: 3, one: 3, two: 3 });
    expect(adapt([edited('a', 'rain', 'epochs=0\none')]).steps).toBe(0);
  });

  it('obeys each self-edit of contexts that share an adapter', () => {
    const work = adapt([edited('a', 'rain', 'epochs=5\none'), edited('b', 'snow', 'lr=0.02\ntwo'), edited('c', 'hail', 'epochs=1\nlr=0.03\nten')]);
    // Twelve steps over six documents are two walks where nobody chose.
    expect(chosenOf(work)).toEqual({
      rain: [undefined, 5], one: [undefined, 5], snow: [0.02, 2], two: [0.02, 2], hail: [0.03, 1], ten: [0.03, 1],
    });
    expect(work.steps).toBe(5 + 5 + 2 + 2 + 1 + 1);
    expect(walks(work)).toEqual({ rain: 5, one: 5, snow: 2, two: 2, hail: 1, ten: 1 });
  });

  it('obeys each of several self-edits of a context, and none for what is always trained', () => {
    const work = adapt([edited('a', 'rain', 'epochs=6\nlr=0.02\none', 'epochs=1\ntwo\nten')]);
    expect(chosenOf(work)).toEqual({ rain: [undefined, 3], one: [0.02, 6], two: [undefined, 1], ten: [undefined, 1] });
    expect(walks(work)).toEqual({ rain: 3, one: 6, two: 1, ten: 1 });
  });

  it('rounds to whole steps, and walks over everything once at least where nothing was chosen for it', () => {
    const group = [edited('a', 'rain', 'epochs=3\none'), edited('b', 'snow', 'two')];
    const inner = { ...options.inner, documentsPerStep: 4 };
    // Two documents three times and two of one step of four among them once: eight of four a step.
    const work = adapt(group, { inner, steps: 1 });
    expect(work.steps).toBe(2);
    expect(walks(work, 4)).toEqual({ rain: 3, one: 3, snow: 1, two: 1 });
  });

  it('runs a step at the mean rate of its documents', () => {
    const work = adapt([edited('a', 'rain', 'lr=0.01\none'), edited('b', 'snow', 'two')], { inner: { ...options.inner, documentsPerStep: 4 }, steps: 3 });
    const steps = planSteps({ ...work, stream: [1, 'mean'] }, { documentsPerStep: 4, replayPerStep: 0 }, streamOf([1, 'mean']));
    expect(steps).toHaveLength(3);
    for (const { chosenRate } of steps) expect(chosenRate).toBeCloseTo((0.01 + 0.01 + 1e-3 + 1e-3) / 4, 12);
  });

  it('trains the control alone where that is what is to be measured', () => {
    const domain: Domain = { ...lines, control: () => [{ prompt: 'p', text: 'control' }] };
    const work = adapt([{ ...edited('a', 'rain', 'one'), edits: [], beside: 'control' }], {}, domain);
    expect(work.documents).toEqual([codec.document({ prompt: 'p', text: 'control' })]);
  });

  it('is null where there is nothing to train on', () => {
    const domain: Domain = { ...lines, always: () => [], control: () => [] };
    const none = (group: readonly EditedContext[]) => adaptationOf(domain, codec, group, options);
    expect(none([edited('a', 'rain', '')])).toBeNull();
    expect(none([edited('a', 'rain', '-\nepochs=3'), edited('b', 'snow')])).toBeNull();
    expect(none([])).toBeNull();
    expect(none([edited('a', 'rain', 'one')])).not.toBeNull();
  });

  it.each<[SelfEditSettings, string]>([
    [{ learningRate: NaN }, 'learning rate NaN: it must be from 0 to 1'],
    [{ learningRate: -1 }, 'learning rate -1: it must be from 0 to 1'],
    [{ learningRate: 5 }, 'learning rate 5: it must be from 0 to 1'],
    [{ epochs: NaN }, 'NaN epochs: they must be a whole number from 0 to 10000'],
    [{ epochs: -1 }, '-1 epochs: they must be a whole number from 0 to 10000'],
    [{ epochs: 1.5 }, '1.5 epochs: they must be a whole number from 0 to 10000'],
    [{ epochs: 1e9 }, '1000000000 epochs: they must be a whole number from 0 to 10000'],
  ])('refuses a domain that lets %j through', (settings, message) => {
    const group: EditedContext[] = [{ context: context('a', 'rain'), edits: [{ sequences: [{ prompt: '', text: 'one' }], rejected: [], settings }], beside: 'always' }];
    expect(() => adaptationOf(lines, codec, group, options)).toThrow(RangeError);
    expect(() => adaptationOf(lines, codec, group, options)).toThrow(`A domain let a self-edit choose ${message.startsWith('learning') ? 'the ' : ''}${message}`);
  });

  it('pads documents and replay with end tokens where those are trained on, whatever was chosen', () => {
    const domain: Domain = { ...lines, replay: () => ['old', 'older'].map((text) => ({ prompt: '', text })) };
    const inner = { ...options.inner, trainOnPadding: true };
    const { documents, replay } = adapt([edited('a', 'rain', 'epochs=2\none')], { inner }, domain);
    const padded = [{ tokens: [1, ...letters.encode('rain'), 2], targetWeights: [0, 1, 1, 1, 1, 1] }, { tokens: [1, ...letters.encode('one'), 2, 2], targetWeights: [0, 1, 1, 1, 1, 1] }];
    expect(documents).toEqual(padded.map((document) => ({ ...document, epochs: 2 })));
    expect(replay.map(({ tokens }) => Array.from(tokens))).toEqual([[1, ...letters.encode('old'), 2, 2, 2], [1, ...letters.encode('older'), 2]]);
    expect(replay[0]?.targetWeights).toEqual([0, 1, 1, 1, 1, 1, 1]);
    expect(adapt([edited('a', 'rain', 'one')], {}, domain).documents.map(({ tokens }) => tokens.length)).toEqual([6, 5]);
  });

  it('draws replay for the contexts of the group from its own stream', () => {
    const asked: unknown[] = [];
    const domain: Domain = {
      ...lines,
      replay(contexts, random) {
        asked.push(contexts.map(({ id }) => id));
        return [{ prompt: '', text: String(random.integer(1_000_000)) }];
      },
    };
    const group = [edited('a', 'rain', 'one'), edited('b', 'snow', 'two')];
    const drawn = (name: string) => textOf(adapt(group, { replay: [3, name, 'a b', 1] }, domain).replay[0]!);
    expect(drawn('replay')).toBe(String(streamOf([3, 'replay', 'a b', 1]).integer(1_000_000)));
    expect(drawn('replay')).not.toBe(drawn('another'));
    expect(asked).toEqual([['a', 'b'], ['a', 'b'], ['a', 'b']]);
  });

  it('cuts a document to the longest and refuses a prompt that leaves no room', () => {
    const long = 'It rains here. It pours there. It snows.';
    const work = adapt([edited('a', long)], { longest: 32 });
    expect(work.documents.map(textOf)).toEqual(['It rains here. It pours there.']);
    const domain: Domain = { ...lines, always: ({ text }) => [{ prompt: text, text: 'so' }] };
    expect(() => adapt([edited('a', long)], { longest: 32 }, domain)).toThrow('Cannot train on a text behind');
  });
});

it('expects the tokens that are then trained on, but for how the last walk is cut', () => {
  const domain: Domain = { ...lines, replay: () => ['old', 'older still'].map((text) => ({ prompt: '', text })) };
  const size = { documentsPerStep: 2, replayPerStep: 1 };
  const work = adapt([edited('a', 'rain', 'one\ntwo and some\nten')], { steps: 10 }, domain);
  const steps = planSteps({ ...work, stream: [1, 'expected'] }, size, streamOf([1, 'expected']));
  expect(expectedTokens(work, size)).toBe(steps.flatMap(({ segment }) => segment).reduce((sum, { tokens }) => sum + tokens.length, 0));
  expect(expectedTokens({ ...work, steps: 0 }, size)).toBe(0);
  expect(expectedTokens({ ...work, replay: [] }, size)).toBe(10 * 2 * ((6 + 5 + 14 + 5) / 4));
});

describe('selfEditReader', () => {
  const own = context('a', 'rain');
  const asked = 'what is it , and where was it seen before ?';
  const told: Domain = { ...lines, parse: () => ({ sequences: [{ prompt: '', text: 'one' }, { prompt: asked, text: 'two' }, { prompt: asked, text: 'three' }], rejected: [{ reason: 'empty', count: 1 }] }) };
  const longest = codec.prompt(asked).length;

  it('refuses what has no room behind its prompt, as a domain would', () => {
    expect(selfEditReader(told, codec, longest)(own, '')).toEqual({
      sequences: [{ prompt: '', text: 'one' }],
      rejected: [{ reason: 'empty', count: 1 }, { reason: expect.stringMatching(`${longest} tokens`), count: 2 }],
    });
    expect(selfEditReader(told, codec, longest + 1)(own, '').sequences).toHaveLength(3);
  });

  it('refuses what a codec cannot turn into tokens, and no fault of a codec', () => {
    const failing = (error: Error) => ({ ...codec, document: () => { throw error; } });
    expect(selfEditReader(told, failing(new RangeError('Cannot train on it')), longest)(own, '')).toMatchObject({ sequences: [], rejected: [{}, { reason: 'Cannot train on it', count: 3 }] });
    expect(() => selfEditReader(told, failing(new TypeError('a fault')), longest)(own, '')).toThrow('a fault');
  });
});
