/**
 * Work as data: what is to be written, adapted, answered and learnt, in tokens, numbers, digests and names of streams. Who
 * executes it needs no domain, no tokenizer and no store, and may be in another process or on another machine.
 */

import type { StreamName } from '@seal/files';
import type { LoraConfig, ScoredText, TokenSequence } from '@seal/model';
import type { RateSettings } from './schedules.ts';

/** An adapter by the SHA-256 of its weights file, with the shape that the file has. */
export interface AdapterRef {
  readonly digest: string;
  readonly lora: LoraConfig;
}

/** A policy: the base weights with adapters merged in, in their order, where it is used. */
export interface PolicyRef {
  readonly adapters: readonly AdapterRef[];
}

/** The weights as they were loaded. */
export const BASE_POLICY: PolicyRef = { adapters: [] };

/** A document of an adaptation, with what its self-edit chose, if it chose anything. */
export interface WorkDocument extends TokenSequence {
  /** Its share in the rate of the steps that it is in; the adaptation's rate unless given. */
  readonly learningRate?: number;
  /** How often it is walked over; as often as the adaptation's steps allow unless given. */
  readonly epochs?: number;
}

/** The course of a learning rate but for the number of steps. */
export type Rate = Omit<RateSettings, 'steps'>;

/** One adapter to train, and prompts for it to answer. */
export interface AdaptWork {
  readonly policy: PolicyRef;
  readonly documents: readonly WorkDocument[];
  /** Retention documents mixed into every step; may be empty. */
  readonly replay: readonly TokenSequence[];
  readonly steps: number;
  readonly rate: Rate;
  /** Draws the initial adapter and the order of documents. */
  readonly stream: StreamName;
  readonly ask: readonly (readonly number[])[];
  /** Prompts with their gold answers, of which it says how likely they are; none where absent. */
  readonly score?: readonly ScoredText[];
  /** Whether the adapter's files are wanted, not only their digest. */
  readonly keep: boolean;
}

/** Self-edits to write behind one prompt: one for every stream. */
export interface WriteWork {
  readonly policy: PolicyRef;
  readonly prompt: readonly number[];
  readonly streams: readonly StreamName[];
  /** 0 takes the most likely token. */
  readonly temperature: number;
}

/** Prompts of one context for a policy to answer without an adapter; always asked together. */
export interface AnswerWork {
  readonly policy: PolicyRef;
  readonly ask: readonly (readonly number[])[];
}

/** Prompts with their gold answers, for a policy without an adapter to say how likely they are. */
export interface ScoreWork {
  readonly policy: PolicyRef;
  readonly score: readonly ScoredText[];
}

/** One adapter for the policy itself, trained on documents. */
export interface FineTuneWork {
  readonly policy: PolicyRef;
  readonly documents: readonly TokenSequence[];
  readonly stream: StreamName;
}

/** Tokens that were sampled. */
export interface Sampled {
  readonly tokens: readonly number[];
  /** Whether the most tokens were reached. */
  readonly broken: boolean;
}

/** What became of an adaptation. */
export interface Outcome {
  /** Steps, and tokens in them, that were asked for. */
  readonly steps: number;
  readonly trainedTokens: number;
  readonly firstLoss: number | null;
  readonly lastLoss: number | null;
  readonly status: 'ok' | 'non-finite';
  readonly cause: string | null;
}

/** A trained adapter, by name. */
export interface AdaptedRecord extends Outcome {
  /** SHA-256 of its weights file. */
  readonly digest: string;
  /** Its files by name, where they were wanted. */
  readonly files: Readonly<Record<string, Uint8Array | string>> | null;
}

/** An adaptation that is done; `index` is the place of its work. */
export interface AdaptResult {
  readonly index: number;
  readonly adapted: AdaptedRecord;
  readonly answers: readonly Sampled[];
  /** Mean log-probability a token of every text of `score`, in nats; null where it is not finite. */
  readonly scores: readonly (number | null)[];
}

/** What a policy's own fine-tuning left. */
export interface FineTuneResult {
  readonly digest: string;
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  readonly losses: readonly number[];
  /** Digest of the weights with the adapter merged in. */
  readonly policyDigest: string;
}

/** How far the adaptations of a call are. */
export interface InnerProgress {
  /** Adapters that are done, fractions of those under way included. */
  readonly adapters: number;
  /** Adapters under way, the steps they took and those they take. */
  readonly underWay: number;
  readonly steps: number;
  readonly stepsPlanned: number;
  /** Tokens trained on so far, of all adaptations. */
  readonly tokens: number;
}

/** How far the work under way is. */
export type WorkProgress =
  | { readonly type: 'written'; readonly tokens: number }
  | ({ readonly type: 'trained' } & InnerProgress)
  /** Seconds that went into finished parts of the call. */
  | { readonly type: 'spent'; readonly on: 'adapting' | 'answering'; readonly seconds: number };

/** What a caller may hear while it waits, and what stops it. */
export interface WorkHooks {
  readonly onProgress?: ((progress: WorkProgress) => void) | undefined;
  /** Its reason is thrown after the step under way. */
  readonly signal?: AbortSignal | undefined;
}

/** What is the same for all work of an executor: sizes of its buffers, and how it samples and trains. */
export interface ExecutorSettings {
  /** What adapters name as their base. */
  readonly baseModel: string;
  readonly inner: {
    readonly lora: LoraConfig;
    readonly packSize: number;
    readonly tokensPerStep: number;
    readonly documentsPerStep: number;
    readonly replayPerStep: number;
    readonly recompute: boolean;
  };
  readonly sft: {
    readonly lora: LoraConfig;
    readonly learningRate: number;
    readonly epochs: number;
    readonly batchSize: number;
    readonly tokensPerStep: number;
    readonly recompute: boolean;
  };
  /** Most tokens of a prompt with what follows it. */
  readonly writing: number;
  readonly answering: number;
  readonly maxSelfEditTokens: number;
  readonly maxAnswerTokens: number;
  readonly topP: number;
  readonly stopTokens: readonly number[];
}

/**
 * Executes work, one call at a time: a second one waits for the first. Results come in groups as they are done. Throws the
 * signal's reason and whatever the device reports.
 */
export interface Executor {
  /** Digest of the base weights. */
  baseDigest(): Promise<string>;
  /** Prompt by prompt in their order, as many at once as are decoded side by side. */
  write(work: readonly WriteWork[], hooks?: WorkHooks): AsyncIterable<readonly (readonly Sampled[])[]>;
  /** In no particular order. Each adapter comes out as it would alone, whatever shares its steps. */
  adapt(work: readonly AdaptWork[], hooks?: WorkHooks): AsyncIterable<readonly AdaptResult[]>;
  /** The most likely answers, in the order of the work. */
  answer(work: readonly AnswerWork[], hooks?: WorkHooks): Promise<readonly (readonly Sampled[])[]>;
  /** Mean log-probabilities a token, in the order of the work, null where one is not finite; nothing is decoded. */
  score(work: readonly ScoreWork[], hooks?: WorkHooks): Promise<readonly (readonly (number | null)[])[]>;
  fineTune(work: FineTuneWork, hooks?: WorkHooks): Promise<FineTuneResult>;
  close(): Promise<void>;
}

/** Bytes of an adapter's weights file by its digest: whoever has the store gives them to whoever executes. */
export type ReadAdapter = (digest: string) => Promise<Uint8Array>;
