export type {
  Context,
  Domain,
  Json,
  Judgement,
  Message,
  ParsedSelfEdit,
  Prompt,
  Question,
  Rejection,
  SelfEditSettings,
  Task,
  Terms,
  TrainingSequence,
} from './domain.ts';
export { judgeEach, scoreOf } from './judging.ts';
export { boundSettings, type BoundedSettings, type SettingBounds } from './settings.ts';
export { fitText, shorten, wholeSentences } from './shorten.ts';
export { parsePassages } from './knowledge-incorporation/dataset.ts';
export { markdownSections, pageSections, passagesOf, plainPassage, textSections, type Section } from './knowledge-incorporation/documents.ts';
export { knowledgeIncorporation } from './knowledge-incorporation/domain.ts';
export type { KnowledgeIncorporationOptions } from './knowledge-incorporation/domain.ts';
export { containment, exactMatch, grader, normalizeAnswer, tokenRecall } from './knowledge-incorporation/grade.ts';
export type { GraderName } from './knowledge-incorporation/grade.ts';
export { paperSequences } from './knowledge-incorporation/paper-sequences.ts';
export type { PaperOptions } from './knowledge-incorporation/paper-sequences.ts';
export { defaultBounds, parseSelfEdit } from './knowledge-incorporation/parse.ts';
export type { ParseMode, SelfEditBounds } from './knowledge-incorporation/parse.ts';
export { answerPrompt, builtInTemplate, parseTemplate, selfEditPrompt } from './knowledge-incorporation/templates.ts';
export type { Template, TemplateName } from './knowledge-incorporation/templates.ts';
