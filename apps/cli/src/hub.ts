/** Models by name: where the cache is and how the hub is reached, from the environment that Hugging Face's tools read. */

import { homedir } from 'node:os';
import { join } from 'node:path';
import { problemsAs } from '@seal/files';
import { resolveModel } from '@seal/hub';

const set = (name: string): string | undefined => process.env[name] || undefined;

/** `$HF_HUB_CACHE`, else `hub` in `$HF_HOME`, else in `huggingface` in the user's cache. */
export function hubCache(): string {
  const home = set('HF_HOME') ?? join(set('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  return set('HF_HUB_CACHE') ?? join(home, 'hub');
}

/** HF_ENDPOINT and HF_TOKEN where they are set. */
export function hubAccess(): { readonly endpoint?: string; readonly token?: string } {
  const endpoint = set('HF_ENDPOINT');
  const token = set('HF_TOKEN')?.trim();
  return { ...(endpoint !== undefined && { endpoint }), ...(token !== undefined && { token }) };
}

/** Whether HF_HUB_OFFLINE forbids the network. */
export function isOffline(): boolean {
  return /^(1|on|yes|true)$/i.test(set('HF_HUB_OFFLINE') ?? '');
}

/** The directory behind `--model NAME|DIR`: the network is never asked. Ends with exit code 4 where there is none. */
export function modelDirectory(nameOrDirectory: string): Promise<string> {
  return problemsAs('unavailable', () => resolveModel(nameOrDirectory, { cacheDirectory: hubCache() }));
}
