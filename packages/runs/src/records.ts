/**
 * The records of a run and the document that sums it up: schemas for what is read from disk, types for everyone.
 * Undeclared keys are rejected; every number is finite, because JSON has no other.
 */
import { type Type, type } from 'arktype';
import { Problem, problemsOf } from '@seal/files';

const finite = type('number').narrow((value, context) => Number.isFinite(value) || context.mustBe('finite'));
const fraction = type('0 <= number <= 1');
const count = type('number.integer >= 0');
const phase = type("'rl' | 'random' | 'evaluate'");
/** A JSON object; arrays and functions are objects to the schema language. */
const json = type('Record<string, unknown>').narrow(
  (value, context) => (typeof value === 'object' && !Array.isArray(value)) || context.mustBe('an object with keys'),
);
const interval = type([finite, finite]);

/** What a domain calls things, where it is not what knowledge incorporation calls them. */
const named = type({ name: 'string > 0', label: 'string > 0' }).onUndeclaredKey('reject');
export const termsSchema = type({ context: 'string > 0', base: named, control: named }).onUndeclaredKey('reject');

export const runHeaderSchema = type({
  runId: 'string > 0',
  createdAt: 'string > 0',
  preset: 'string > 0',
  mode: "'paper' | 'corrected'",
  seed: 'number.integer',
  config: json,
  environment: type({
    runtime: 'string',
    adapter: 'string',
    packageVersion: 'string',
    'commit?': 'string',
    /** Digest of the measured choice of kernels; absent where the defaults ran. */
    'kernels?': 'string',
  }).onUndeclaredKey('reject'),
  modelDigest: 'string',
  /** Where the model is from; absent where the preset brings it. */
  'model?': 'string > 0',
  /** How the domain was set up, in its own words; absent where the preset brings it. */
  'domain?': json,
  'terms?': termsSchema,
}).onUndeclaredKey('reject');

/** What headers said of passages before they had `model` and `domain`. */
const legacySource = type({
  source: type({
    model: 'string > 0',
    passages: 'string > 0',
    template: type({ name: 'string', selfEdit: 'string', answer: 'string' }).onUndeclaredKey('reject'),
    chat: 'boolean',
  }).onUndeclaredKey('reject'),
});

export const selfEditSchema = type({
  id: 'string > 0',
  round: count,
  phase,
  condition: 'string | null',
  contextId: 'string > 0',
  sample: count,
  text: 'string',
  tokens: count,
  policyDigest: 'string',
  stream: 'string',
  sequences: count,
  rejected: 'string | null',
  /** What it chose of its own training, where it chose anything. */
  'settings?': json,
}).onUndeclaredKey('reject');

export const rewardSchema = type({
  key: 'string > 0',
  round: count,
  phase,
  condition: 'string | null',
  contextId: 'string > 0',
  selfEditId: 'string | null',
  group: 'string[]',
  adapterDigest: 'string | null',
  correct: count,
  questions: count,
  reward: finite,
  /** Mean over the questions of the gold answer's log-probability a token, in nats; absent where it was not asked for. */
  'likelihood?': finite,
  repeat: count,
  steps: count,
  trainedTokens: count,
  /** The rate it was trained at, where that is not the configuration's. */
  'learningRate?': finite,
  firstLoss: finite.or('null'),
  lastLoss: finite.or('null'),
  status: "'ok' | 'non-finite' | 'invalid'",
  cause: 'string | null',
}).onUndeclaredKey('reject');

export const answerSchema = type({
  rewardKey: 'string > 0',
  contextId: 'string > 0',
  question: 'string',
  kind: 'string',
  gold: 'string',
  answer: 'string',
  correct: 'boolean',
  /** Partial credit, where it is not all or nothing. */
  'score?': fraction,
  /** What the model said, where one answer was made of several. */
  'votes?': 'string[]',
  adapterDigest: 'string | null',
}).onUndeclaredKey('reject');

/** How likely a gold answer is behind its question, whatever would have been written there. */
export const likelihoodSchema = type({
  rewardKey: 'string > 0',
  contextId: 'string > 0',
  question: 'string',
  kind: 'string',
  gold: 'string',
  /** Mean a token, in nats. */
  logProbability: finite,
  /** Tokens of the gold answer. */
  tokens: count,
  adapterDigest: 'string | null',
}).onUndeclaredKey('reject');

export const selectionSchema = type({
  round: count,
  phase,
  contextId: 'string > 0',
  selfEditId: 'string | null',
  /** All that were kept, where several may be; `selfEditId` is the first of them. */
  'kept?': 'string[]',
  reward: finite.or('null'),
  candidates: type({ selfEditId: 'string > 0', reward: finite }).onUndeclaredKey('reject').array(),
  reason: 'string',
}).onUndeclaredKey('reject');

export const sftSchema = type({
  round: count,
  phase,
  examples: count,
  steps: count,
  losses: finite.array(),
  policyBefore: 'string',
  policyAfter: 'string',
  adapterDigest: 'string | null',
}).onUndeclaredKey('reject');

export const metricSchema = type({
  name: 'string > 0',
  value: finite,
  round: count.or('null'),
  condition: 'string | null',
  details: json.or('null'),
}).onUndeclaredKey('reject');

export const eventSchema = type({
  time: 'string > 0',
  type: 'string > 0',
  message: 'string',
  details: json.or('null'),
}).onUndeclaredKey('reject');

/** One schema per kind of record; the kind is also the name of its file, `<kind>.jsonl`. */
export const recordSchemas = {
  'self-edits': selfEditSchema,
  rewards: rewardSchema,
  answers: answerSchema,
  likelihoods: likelihoodSchema,
  selections: selectionSchema,
  sft: sftSchema,
  metrics: metricSchema,
  events: eventSchema,
} as const;

type Checks = { readonly [K in keyof RecordTypes]: (value: unknown) => RecordTypes[K] };

/** The same as functions that give a record back or throw TypeError. */
export const recordChecks = Object.fromEntries(
  Object.entries(recordSchemas).map(([kind, schema]) => [kind, checkBy(schema as unknown as Type<object>)]),
) as unknown as Checks;

/** The check of a schema as a function; it throws TypeError in the schema's words. */
export function checkBy<T>(schema: Type<T>): (value: unknown) => T {
  return (value) => {
    const result: unknown = schema(value);
    if (result instanceof type.errors) throw new TypeError(result.summary);
    return result as T;
  };
}

/** A header as it is written, or as an earlier version wrote it. Throws TypeError for anything else. */
export function parseHeader(value: unknown): RunHeader {
  const check = checkBy(runHeaderSchema as unknown as Type<RunHeader>);
  if (typeof value !== 'object' || value === null || !('source' in value)) return check(value);
  const { source, ...rest } = checkBy(legacySource as unknown as Type<typeof legacySource.infer>)(value);
  const { model, ...domain } = source;
  return check({ ...rest, model, domain });
}

/** One element of `contexts.json`. */
export const contextSchema = type({
  id: 'string > 0',
  title: 'string',
  text: 'string',
  questions: type({ question: 'string', answer: 'string', kind: 'string' }).onUndeclaredKey('reject').array(),
  /** What the domain's own reader made of it. */
  'data?': 'unknown',
}).onUndeclaredKey('reject');

/** What a run learns about and is asked about: rounds first, then those of the table. */
export type ContextRecord = Readonly<typeof contextSchema.infer>;

/** The content of `contexts.json`, read at `place`. Throws a problem of kind `data`. */
export function parseContexts(value: unknown, place: string): ContextRecord[] {
  const contexts = contextSchema.array()(value);
  if (contexts instanceof type.errors) throw new Problem('data', `Cannot read ${place}: ${problemsOf(contexts)}`, { place });
  return contexts;
}

export const resultRowSchema = type({
  condition: 'string > 0',
  accuracy: fraction,
  ci95: interval,
  contexts: count,
  questions: count,
  repeats: count,
  /** Mean log-probability a token of the gold answers, in nats, where it was measured. */
  'likelihood?': type({ mean: finite, ci95: interval }).onUndeclaredKey('reject'),
}).onUndeclaredKey('reject');

/** How far the likelihood of gold answers can be trusted as a reward. */
export const likelihoodMeasureSchema = type({
  /** Of a self-edit's mean over its repeats, from 0 to 1; null with one repeat. The same of the share of right answers. */
  reliability: fraction.or('null'),
  accuracyReliability: fraction.or('null'),
  repeats: count,
  /** Mean over contexts of the rank correlation with the share of right answers; null where none varies in both. */
  agreement: type('-1.000001 <= number <= 1.000001').or('null'),
  agreementContexts: count,
}).onUndeclaredKey('reject');

export const comparisonSchema = type({
  a: 'string > 0',
  b: 'string > 0',
  difference: finite,
  ci95: interval,
}).onUndeclaredKey('reject');

export const resultDocumentSchema = type({
  runId: 'string > 0',
  dir: 'string',
  preset: 'string > 0',
  mode: "'paper' | 'corrected'",
  seed: 'number.integer',
  rows: resultRowSchema.array(),
  comparisons: comparisonSchema.array(),
  'terms?': termsSchema,
  'likelihood?': likelihoodMeasureSchema,
  /** Sentences on what the numbers do not show: rounds that kept nothing, texts that were cut, empty answers. */
  'notes?': 'string[]',
  timings: type({ totalSeconds: finite, '[string]': finite }),
}).onUndeclaredKey('reject');

/** What a domain calls things in tables and reports; those of knowledge incorporation where a document has none. */
export type Terms = Readonly<typeof termsSchema.infer>;
/** What a run is and under which conditions it was started: the content of `run.json`. */
export type RunHeader = Readonly<typeof runHeaderSchema.infer>;
export type Mode = RunHeader['mode'];
/** Which part of the loop a record belongs to; `random` is the control that selects without looking at rewards. */
export type Phase = typeof phase.infer;
/** One sampled self-edit; `sequences` counts the training sequences it was parsed into. */
export type SelfEditRecord = Readonly<typeof selfEditSchema.infer>;
/**
 * One adaptation and its score; `group` holds the contexts whose training shared the adapter.
 * `adapterDigest` and `selfEditId` are null where nothing was trained or nothing was written.
 */
export type RewardRecord = Readonly<typeof rewardSchema.infer>;
export type AnswerRecord = Readonly<typeof answerSchema.infer>;
export type LikelihoodRecord = Readonly<typeof likelihoodSchema.infer>;
export type LikelihoodMeasure = Readonly<typeof likelihoodMeasureSchema.infer>;
/** What was kept of a context's self-edits, from which candidates, and why; a null `selfEditId` keeps none. */
export type SelectionRecord = Readonly<typeof selectionSchema.infer>;
export type SftRecord = Readonly<typeof sftSchema.infer>;
export type MetricRecord = Readonly<typeof metricSchema.infer>;
export type EventRecord = Readonly<typeof eventSchema.infer>;

export interface RecordTypes {
  readonly 'self-edits': SelfEditRecord;
  readonly rewards: RewardRecord;
  readonly answers: AnswerRecord;
  readonly likelihoods: LikelihoodRecord;
  readonly selections: SelectionRecord;
  readonly sft: SftRecord;
  readonly metrics: MetricRecord;
  readonly events: EventRecord;
}
export type RecordKind = keyof RecordTypes;
export const recordKinds = Object.keys(recordSchemas) as readonly RecordKind[];

/** The accuracy of one condition with its 95 % interval over contexts; accuracies are fractions of 1. */
export type ResultRow = Readonly<typeof resultRowSchema.infer>;
/** The paired difference a - b in accuracy with its 95 % interval over contexts. */
export type Comparison = Readonly<typeof comparisonSchema.infer>;
/** The outcome of one run: what `--json` prints and the report shows. */
export type ResultDocument = Readonly<typeof resultDocumentSchema.infer>;
/** The outcome of several runs that differ only in their seed; intervals resample contexts and seeds. */
export interface PooledDocument {
  readonly preset: string;
  readonly runs: readonly ResultDocument[];
  readonly pooled: { readonly rows: readonly ResultRow[]; readonly comparisons: readonly Comparison[] };
}
