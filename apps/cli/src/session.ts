/** The engine's sessions with what the environment says. */

import * as engine from '@seal/engine';
import type { Loading, Session } from '@seal/engine';
import type { Checkpoint, PeftAdapter } from '@seal/model';
import { deps } from './deps.ts';
import { EventDisplay } from './terminal.ts';

export { baseName, initialPolicy, SHIPPED_MODEL, type Loading, type Session } from '@seal/engine';

const hooks = { onEvent: new EventDisplay().show };

export const openDevice = (asked: { readonly verbose?: boolean } = {}) => engine.openDevice(deps(asked));
export const openCheckpoint = (model?: string) => engine.openCheckpoint(model, deps());
export const checkHostMemory = (checkpoint: Checkpoint, versions: number) => engine.checkHostMemory(checkpoint, versions, deps().totalMemory);

export async function openSession(model?: string, read?: Checkpoint, loading: Loading = {}): Promise<Session> {
  return engine.openSession(read ?? (await openCheckpoint(model)), deps({ verbose: loading.verbose ?? false }), loading, hooks);
}

export function openAdapter(directory: string, model: engine.AdaptedModel): Promise<PeftAdapter> {
  return engine.openAdapter(directory, model, hooks);
}
