/** Every verb of SEAL as `(request, deps, { signal, onEvent }) => document`: what a command is without a terminal. */

export type { Deps, HubAccess } from './deps.ts';
export { note, type EngineEvent, type Hooks, type StepTaken } from './events.ts';
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
