/** A model from the hub into the cache. */

import { afterStop, Problem, problemsAs } from '@seal/files';
import { pull as load, type Pulled, type PullProgress } from '@seal/hub';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { checkRequest, type RequestOf } from './request.ts';

const schema = type({
  /** `NAME` or `NAME@REVISION`. */
  name: 'string',
});

export type PullRequest = RequestOf<typeof schema>;

export async function pull(request: PullRequest, { hub }: Pick<Deps, 'hub'>, hooks: Hooks = {}): Promise<Pulled> {
  const { name } = checkRequest(schema, request);
  const { isOffline = false, endpoint, token, cacheDirectory } = hub;
  if (isOffline) {
    throw new Problem('usage', `Cannot pull ${name}: \`isOffline\` is set; unset it. What is cached is found without pulling`);
  }
  const options = {
    cacheDirectory,
    ...(endpoint !== undefined && { endpoint }),
    ...(token !== undefined && { token }),
    ...(hooks.signal && { signal: hooks.signal }),
    onProgress: (progress: PullProgress) => hooks.onEvent?.({ type: 'transfer', progress }),
    onRetry: (message: string) => note(hooks, message),
  };
  try {
    // A name that is none and an address that is none are all that can be wrong without a HubError.
    return await problemsAs('usage', () => load(name, options));
  } catch (error) {
    throw afterStop(error, 'what came is kept. Go on with the same request');
  }
}
