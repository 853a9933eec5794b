/** Every verb of SEAL as `(request, deps, { signal, onEvent }) => document`: what a command is without a terminal. */

export type { Deps, HubAccess } from './deps.ts';
export { note, type EngineEvent, type Hooks, type StepTaken } from './events.ts';
export { convert, merge, type ConvertDocument, type ConvertRequest, type MergeDocument, type MergeRequest } from './convert.ts';
export { generate, type GenerateDocument, type GenerateRequest } from './generate.ts';
export { MOST_ADAPTERS, plan, type KernelCheck, type ModelCheck, type Plan, type PlanDocument, type PlanRequest } from './plan.ts';
export { pretrain, type PretrainDocument, type PretrainRequest } from './pretrain.ts';
export { pull, type PullRequest } from './pull.ts';
export { checkRequest, LOADING, SEED, WEIGHT_FORMAT, type RequestOf } from './request.ts';
export { score, type ScoreDocument, type ScoreRequest } from './score.ts';
export {
  baseName,
  checkHostMemory,
  initialPolicy,
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
export { sft, type SftDocument, type SftRequest } from './sft.ts';
export { tokenize, type TokenizeDocument, type TokenizeRequest } from './tokenize.ts';
export { tune, type TuneDocument, type TuneRequest } from './tune.ts';
export { keptTuning } from './tuning.ts';
export { words } from './vocabulary.ts';
