export type {
  Context,
  Domain,
  ParsedSelfEdit,
  Question,
  Rejection,
  SelfEditSettings,
  Task,
  TrainingSequence,
} from './domain.ts';
export { hashText, philox, stream } from './random.ts';
export type { Random, Words } from './random.ts';
