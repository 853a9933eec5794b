/** Every verb of SEAL as `(request, deps, { signal, onEvent }) => document`: what a command is without a terminal. */

export type { Deps, ExecutorRequest, HubAccess, OpenedExecutor, OpenExecutor } from './deps.ts';
export { libraryDeps } from './library.ts';
export { note, type EngineEvent, type Hooks, type StepTaken } from './events.ts';
export { convert, merge, type ConvertDocument, type ConvertRequest, type MergeDocument, type MergeRequest } from './convert.ts';
export { Conversation, openConversation, type ChatAnswer, type ChatRequest } from './chat.ts';
export { exportModel, type ExportDocument, type ExportRequest } from './export.ts';
export { generate, type GenerateDocument, type GenerateRequest } from './generate.ts';
export { MOST_ADAPTERS, plan, type KernelCheck, type ModelCheck, type Plan, type PlanDocument, type PlanRequest } from './plan.ts';
export { pretrain, type PretrainDocument, type PretrainRequest } from './pretrain.ts';
export { pull, type PullRequest } from './pull.ts';
export { checkRequest, LOADING, SEED, WEIGHT_FORMAT, type RequestOf } from './request.ts';
export { score, type ScoreDocument, type ScoreRequest } from './score.ts';
export {
  baseName,
  checkHostMemory,
  modelDirectory,
  openAdapter,
  openCheckpoint,
  openDevice,
  openSession,
  SHIPPED_MODEL,
  type AdaptedModel,
  type Loading,
  type Session,
} from './session.ts';
export { adapt, type AdaptDocument, type AdaptRequest } from './adapt.ts';
export { ask, type AskDocument, type AskRequest } from './ask.ts';
export { evaluate, type EvaluateDocument, type EvaluateRequest } from './evaluate.ts';
export { openLocalExecutor, openWorkerExecutor } from './executor/open.ts';
export { builtInPresets } from './presets/list.ts';
export { fitted, presetOf, type DrawnContexts, type Preset, type Presets, type Subject, type TextRequest } from './presets/preset.ts';
export { squadConfig } from './presets/squad.ts';
export { tinyConfig } from './presets/tiny.ts';
export { report, type ReportRequest } from './report.ts';
export { run, RunStopped, type FinishedRun, type RunRequest } from './run.ts';
export { sft, type SftDocument, type SftRequest } from './sft.ts';
export { tokenize, type TokenizeDocument, type TokenizeRequest } from './tokenize.ts';
export { tune, type TuneDocument, type TuneRequest } from './tune.ts';
export { keptTuning } from './tuning.ts';
export { words } from './vocabulary.ts';
