/**
 * What the trainer knows of a domain: text in, text out. No tokens, no model.
 *
 * A domain is a plug-in: a prompt that asks for a self-edit, the parsing of the edit into training sequences and settings,
 * what is trained in any case and what for comparison, the tasks that reward it, and the judging of their answers.
 */

import type { Random } from '@seal/files';

/** A value that JSON has a form for. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One turn of a conversation. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What is put to a model: a text to continue, or a conversation that it is to answer. */
export type Prompt = string | readonly Message[];

/** A question about a context, answered without the context in sight. `kind` groups questions in tables. */
export interface Question {
  readonly question: string;
  readonly answer: string;
  readonly kind: string;
}

/** Something to learn, and what will be asked about it. */
export interface Context {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly questions: readonly Question[];
  /** What the domain's own reader made of it, where text and questions do not hold it all. */
  readonly data?: Json;
}

/** One document of the inner loop. */
export interface TrainingSequence {
  /** Stands before the text; may be empty. */
  readonly prompt: Prompt;
  readonly text: string;
  /** Where the loss is: on `text` and the end token, or on all there is. On the text unless said. */
  readonly lossOn?: 'text' | 'all';
}

/** How often parsing refused something, and why. */
export interface Rejection {
  readonly reason: string;
  readonly count: number;
}

/**
 * What a self-edit chose of its own training, bounded by the domain that parsed it. Learning rate and epochs (walks over the
 * documents) are obeyed by the trainer, whatever else a domain adds by its own `parse`; all of it is recorded.
 */
export interface SelfEditSettings {
  readonly learningRate?: number;
  readonly epochs?: number;
  readonly [name: string]: Json | undefined;
}

/** A self-edit after parsing: what to train on, and what was refused. No sequences means the edit is invalid. */
export interface ParsedSelfEdit {
  readonly sequences: readonly TrainingSequence[];
  readonly rejected: readonly Rejection[];
  readonly settings?: SelfEditSettings;
}

/** One thing to answer: `prompt` goes to the model, `question` to the report. */
export interface Task {
  readonly prompt: Prompt;
  readonly question: string;
  readonly gold: string;
  readonly kind: string;
}

/** What answers came to. */
export interface Judgement {
  readonly question: string;
  readonly gold: string;
  readonly kind: string;
  /** The answer that counts. */
  readonly answer: string;
  readonly correct: boolean;
  /** Credit from 0 to 1 where it is not all or nothing. */
  readonly score?: number;
  /** The answers that were weighed, where they are more than the one. */
  readonly votes?: readonly string[];
}

/** What a domain calls things in tables and reports. */
export interface Terms {
  /** What a context is, in the singular. */
  readonly context: string;
  /** The row without any adaptation. */
  readonly base: { readonly name: string; readonly label: string };
  /** The row that trains `control`. */
  readonly control: { readonly name: string; readonly label: string };
}

/** The plug-in. Every function is pure: the same arguments give the same result. */
export interface Domain {
  /** Names the domain and all that changes its rewards: a part of every reward's key. */
  readonly name: string;
  /** Those of knowledge incorporation (passages) where absent. */
  readonly terms?: Terms;
  /** What the policy is given to write a self-edit. */
  prompt(context: Context): Prompt;
  /** An untrusted self-edit as bounded training sequences and settings, `always` not included. Never throws. */
  parse(context: Context, selfEdit: string): ParsedSelfEdit;
  /** What is trained with every self-edit; may be empty. */
  always(context: Context): readonly TrainingSequence[];
  /** What the row trains that self-edits are compared with; without any the row is left out. */
  control(context: Context): readonly TrainingSequence[];
  /** What is asked of an adapted model, the context out of sight. */
  tasks(context: Context): readonly Task[];
  /** The same tasks with the context in sight, to see what reading it is worth. Absent where there is nothing to read. */
  reading?(context: Context): readonly Task[];
  /** Judges the answers to all tasks of a context, in their order. The mean score of the judgements is the reward. */
  judge(context: Context, answers: readonly string[]): readonly Judgement[];
  /** A context made to fit, the longest that does; null where none does. Without this nothing is shortened. */
  fit?(context: Context, fits: (context: Context) => boolean): Context | null;
  /** What becomes of a context of which nothing fits, or that asks too long a question: refused unless it says left out. */
  readonly tooLong?: 'refused' | 'left out';
  /** The context of a question that somebody asks. Throws a Problem where it cannot be asked. Absent where nothing can. */
  question?(question: string, topic: string | undefined): Context;
  /** The best self-edit a generator that knows the facts can write: the ceiling. Absent where nobody knows it. */
  perfectSelfEdit?(context: Context): string;
  /** Whether two contexts must not share an adapter. */
  conflicts?(a: Context, b: Context): boolean;
  /** Sequences of earlier knowledge mixed into an adaptation on these contexts, so that it is not overwritten. */
  replay?(contexts: readonly Context[], random: Random): readonly TrainingSequence[];
}
