/**
 * What the trainer knows of a domain: text in, text out. No tokens, no model.
 *
 * A domain is a plug-in: a prompt that asks for a self-edit, the parsing of the edit into training
 * sequences, the questions that reward it, and their grading.
 */

import type { Random } from '@seal/files';
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
}

/** One document of the inner loop: the loss is on `text` and the end token, never on `prompt`, which may be empty. */
export interface TrainingSequence {
  readonly prompt: string;
  readonly text: string;
}

/** How often parsing refused something, and why. */
export interface Rejection {
  readonly reason: string;
  readonly count: number;
}

/** Optimiser settings that a self-edit may choose, already bounded by the domain that parsed them. */
export interface SelfEditSettings {
  readonly learningRate?: number;
  readonly epochs?: number;
}

/** A self-edit after parsing: what to train on, and what was refused. No sequences means the edit is invalid. */
export interface ParsedSelfEdit {
  readonly sequences: readonly TrainingSequence[];
  readonly rejected: readonly Rejection[];
  readonly settings?: SelfEditSettings;
}

/** One thing to answer: `prompt` goes to the model, `question` to the report. */
export interface Task {
  readonly prompt: string;
  readonly question: string;
  readonly gold: string;
  readonly kind: string;
}

/** The plug-in. Every function is pure: the same arguments give the same result. */
export interface Domain {
  readonly name: string;
  /** What the policy is given to write a self-edit. */
  prompt(context: Context): string;
  /** An untrusted self-edit as bounded training sequences, the context's own text not included. Never throws. */
  parse(context: Context, selfEdit: string): ParsedSelfEdit;
  /** The context itself as training sequences: trained with every self-edit, and alone for the passage-only rows. */
  baseline(context: Context): readonly TrainingSequence[];
  /** The questions, as prompts without the context. */
  tasks(context: Context): readonly Task[];
  /** Whether an answer is right. */
  grade(answer: string, gold: string): boolean;
  /** The best self-edit a generator that knows the facts can write: the ceiling. Absent where nobody knows it. */
  perfectSelfEdit?(context: Context): string;
  /** Whether two contexts must not share an adapter. */
  conflicts?(a: Context, b: Context): boolean;
  /** Sequences of earlier knowledge mixed into an adaptation on these contexts, so that it is not overwritten. */
  replay?(contexts: readonly Context[], random: Random): readonly TrainingSequence[];
}
