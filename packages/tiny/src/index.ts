export { BEHAVIOUR_SHARES, drawBehaviour, perfectEdit, selfEdit } from './behaviours.ts';
export type { Behaviour } from './behaviours.ts';
export { checkpointDirectory, DEFAULT_PRETRAINING } from './checkpoint.ts';
export { pretrainingStep } from './corpus.ts';
export type { CorpusOptions, DocumentKind, PretrainingDocument } from './corpus.ts';
export { isRight, tinyDomain } from './domain.ts';
export { probeSets } from './evaluation.ts';
export type { Probe, ProbeSets } from './evaluation.ts';
export { FACTS } from './facts.ts';
export type { Fact } from './facts.ts';
export { editPrompt, questionPrompt } from './formats.ts';
export { MARKERS, RELATIONS } from './lexicon.ts';
export type { Relation } from './lexicon.ts';
export { contextOf, contextsFromPassages, contextsOf, readableContexts } from './passages.ts';
export { knownPeople, nameOf, people, splitOf } from './people.ts';
export type { Person, Split } from './people.ts';
export { KINDS, passageOf, personInPassage, questionOf, questionsOf, statement } from './sentences.ts';
export type { Kind } from './sentences.ts';
export {
  encode,
  tinyModelConfig,
  tokenizerConfigFile,
  tokenizerFile,
  tokenId,
  unknownWords,
  VOCABULARY,
  vocabularyByRole,
} from './tokenizer.ts';
export type { VocabularyRole } from './tokenizer.ts';
export { speaksTinyWorld } from './tokenizer.ts';
