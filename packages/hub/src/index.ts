/** Models by their name on a hub: loaded into the cache of the Hugging Face libraries, found there without a network. */

export { resolveModel } from './cache.ts';
export { HubError, type HubProblem } from './errors.ts';
export { pull, type Pulled, type PulledFile, type PullOptions, type PullProgress } from './pull.ts';
