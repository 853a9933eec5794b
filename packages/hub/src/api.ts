/**
 * Requests to a hub. The listing goes through @huggingface/hub, over a `fetch` of our own that sends the token to the
 * hub's host alone, whatever a redirect or a next page says, waits out overload, and turns refusals into messages.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '@seal/files/node';
import { type } from 'arktype';
import { HubError } from './errors.ts';
import type { ModelName } from './name.ts';
import type { RepositoryFile } from './selection.ts';

/** Where models come from, and how long to try. */
export interface Endpoint {
  /** Address of the hub; https://huggingface.co unless given. */
  readonly endpoint?: string;
  /** Sent to the hub's host alone. */
  readonly token?: string;
  readonly signal?: AbortSignal;
  /** First wait before trying again, doubled each time; 1,000 unless given. */
  readonly retryDelayMs?: number;
  /** A server that sends nothing for so long counts as gone; 60,000 unless given. */
  readonly idleTimeoutMs?: number;
  /** Gets a line before every attempt but the first. */
  readonly onRetry?: (line: string) => void;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';
/** Attempts before giving up. */
export const ATTEMPTS = 5;
/** Nobody is there to answer: where it is so from the beginning it does not pass while one waits. */
const NOBODY = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];
const LONGEST_WAIT_MS = 60_000;
const REDIRECTS = 8;
/** More files than any model has. */
const MOST_FILES = 100_000;

/** A hub as the requests for one model see it. */
export class Hub {
  readonly name: ModelName;
  readonly signal: AbortSignal | undefined;
  readonly idleTimeoutMs: number;
  #base: URL;
  #token: string | undefined;
  #retryDelayMs: number;
  #onRetry: (line: string) => void;
  #answered = false;

  /** Throws RangeError for an endpoint that is no address. */
  constructor(
    name: ModelName,
    { endpoint = DEFAULT_ENDPOINT, token, signal, retryDelayMs = 1_000, idleTimeoutMs = 60_000, onRetry = () => {} }: Endpoint,
  ) {
    const base = URL.canParse(endpoint) ? new URL(endpoint) : null;
    if (!base || !/^https?:$/.test(base.protocol)) {
      throw new RangeError(`Cannot use ${JSON.stringify(endpoint)} as a hub: \`endpoint\` is an address such as https://huggingface.co`);
    }
    this.name = name;
    this.signal = signal;
    this.idleTimeoutMs = idleTimeoutMs;
    this.#base = base;
    this.#token = token;
    this.#retryDelayMs = retryDelayMs;
    this.#onRetry = onRetry;
  }

  get #address(): string {
    return this.#base.href.replace(/\/+$/, '');
  }

  /** Address of a file at a commit. */
  fileUrl(commit: string, path: string): string {
    return `${this.#address}/${this.name.name}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
  }

  /**
   * Waits after `failed` attempts came to nothing, the last for `reason`, as long as the server asks for, within bounds.
   * Throws the signal's reason.
   */
  async wait(failed: number, reason: string, retryAfter: string | null = null): Promise<void> {
    const asked = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : 0;
    const own = this.#retryDelayMs * 2 ** (failed - 1);
    const ms = Math.min(Math.max(asked, own), LONGEST_WAIT_MS);
    this.#onRetry(`${this.#base.host}: ${reason}; attempt ${failed + 1} of ${ATTEMPTS} in ${Math.ceil(ms / 1_000)} s`);
    try {
      await delay(ms, undefined, { signal: this.signal });
    } catch (error) {
      this.signal?.throwIfAborted();
      throw error;
    }
  }

  /**
   * One request with its redirects, tried again while the hub is overloaded or cannot be reached. `signal` aborts it as
   * the hub's own does. Throws HubError for every answer but a success, and the signal's reason.
   */
  async request(address: string, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      let retryAfter: string | null = null;
      let reason: string;
      try {
        const response = await this.#follow(address, headers, signal);
        this.#answered = true;
        if (response.ok) return response;
        const failure = refusal(this.name, response, this.#address, this.#token !== undefined);
        await response.body?.cancel();
        if (failure.problem !== 'network' || attempt === ATTEMPTS) throw failure;
        retryAfter = response.headers.get('retry-after');
        reason = `it answered with ${response.status}`;
      } catch (error) {
        this.signal?.throwIfAborted();
        if (error instanceof HubError) throw error;
        const isHopeless = !this.#answered && NOBODY.includes(errorCode(innermost(error)));
        if (attempt === ATTEMPTS || isHopeless) throw this.unreachable(error);
        reason = reasonOf(error);
      }
      await this.wait(attempt, reason, retryAfter);
    }
  }

  /** The failure of a hub that could not be reached. */
  unreachable(cause: unknown): HubError {
    const remedy = this.#address === DEFAULT_ENDPOINT ? 'check the connection' : 'check `endpoint` and the connection';
    return new HubError('network', `Cannot reach ${this.#address}: ${reasonOf(cause)}; ${remedy}. What is cached works without a network`, { cause });
  }

  async #follow(address: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Response> {
    let url = new URL(address);
    for (let redirects = 0; redirects <= REDIRECTS; redirects++) {
      const own = url.origin === this.#base.origin && this.#token !== undefined ? { authorization: `Bearer ${this.#token}` } : {};
      const timeout = new AbortController();
      const timer = setTimeout(() => timeout.abort(new Error(`it did not answer for ${this.idleTimeoutMs / 1_000} s`)), this.idleTimeoutMs);
      let response: Response;
      try {
        response = await fetch(url, {
          headers: { ...headers, ...own },
          redirect: 'manual',
          signal: AbortSignal.any([timeout.signal, ...[this.signal ?? [], signal ?? []].flat()]),
        });
      } finally {
        clearTimeout(timer);
      }
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) return response;
      await response.body?.cancel();
      if (!URL.canParse(location, url.href)) break;
      url = new URL(location, url);
      if (!/^https?:$/.test(url.protocol)) break;
    }
    throw new HubError('network', `Cannot load ${address}: its redirects lead nowhere`);
  }

  /** The commit of the revision and the files at it. Throws HubError. */
  async listing(): Promise<{ readonly commit: string; readonly files: readonly RepositoryFile[] }> {
    const { listFiles, modelInfo } = await import('@huggingface/hub');
    const { name, revision } = this.name;
    const options = { hubUrl: this.#address, fetch: this.#fetch };
    const damaged = (what: string, cause?: unknown) =>
      new HubError('damaged', `Cannot read the listing of ${name}: ${what}; is \`endpoint\` (${this.#address}) a hub?`, { cause });
    try {
      const commit = commitSchema((await modelInfo({ ...options, name, revision, additionalFields: ['sha'] })).sha);
      if (commit instanceof type.errors) throw damaged(`its commit ${commit.summary}`);
      const files: RepositoryFile[] = [];
      let entries = 0;
      for await (const listed of listFiles({ ...options, repo: { type: 'model', name }, revision: commit, recursive: false })) {
        entries += 1;
        if (entries > MOST_FILES) throw damaged(`it lists more than ${MOST_FILES} files`);
        const entry = entrySchema(listed);
        if (entry instanceof type.errors) throw damaged(`an entry's ${entry.summary.replaceAll('\n', '; ')}`);
        if (entry.type !== 'file') continue;
        const { lfs, oid, size, path } = entry;
        if (!lfs && !oid) throw damaged(`${JSON.stringify(path)} has no oid`);
        files.push(lfs ? { path, byteLength: lfs.size, oid: lfs.oid, isLfs: true } : { path, byteLength: size, oid: oid ?? '', isLfs: false });
      }
      return { commit, files };
    } catch (error) {
      this.signal?.throwIfAborted();
      if (error instanceof HubError) throw error;
      throw damaged('it is not the JSON that a hub sends', error);
    }
  }

  #fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const address = input instanceof Request ? input.url : String(input);
    return this.request(address, Object.fromEntries(new Headers(init?.headers)));
  };
}

const commitSchema = type(/^[0-9a-f]{40}$/);
const bytes = type('0 <= number.integer <= 1000000000000000');
const entrySchema = type({
  type: 'string',
  path: 'string > 0',
  size: bytes,
  'oid?': /^[0-9a-f]{40}$/,
  'lfs?': { oid: /^[0-9a-f]{64}$/, size: bytes },
});

/** An unsuccessful answer in words. */
function refusal({ name, revision }: ModelName, response: Response, hub: string, hasToken: boolean): HubError {
  const { status } = response;
  const code = response.headers.get('x-error-code');
  const page = `${hub}/${name}`;
  if (status === 401 || status === 403) {
    if (code === 'GatedRepo') {
      const token = hasToken ? 'use the `token` of the account that did' : 'set `token`';
      return new HubError('gated', `Cannot pull ${name}: it is gated (${status}); accept its licence on ${page} and ${token}`);
    }
    const remedy = hasToken
      ? '`token` is not valid or may not read it; make one that may in the settings of the hub'
      : `where it is private or gated, get access on ${page} and set \`token\``;
    return new HubError('gated', `Cannot pull ${name}: the hub knows no such model or does not show it (${status}); check the name; ${remedy}`);
  }
  if (status === 404 && code === 'RevisionNotFound') {
    return new HubError('not-found', `Cannot pull ${name}: it has no revision ${revision}; see ${page}/tree/main for branches and tags`);
  }
  if (status === 404) {
    return new HubError('not-found', `Cannot pull ${name}: ${hub} has no such model or file (404); check name and revision (${revision})`);
  }
  if (status === 429) {
    const token = hasToken ? '' : ' or set `token`, which raises the limit';
    return new HubError('network', `Cannot pull ${name}: too many requests (429), still after ${ATTEMPTS} attempts; wait a few minutes${token}`);
  }
  if (status >= 500 || status === 408) {
    return new HubError('network', `Cannot pull ${name}: the hub answered ${status}, still after ${ATTEMPTS} attempts; try again later`);
  }
  return new HubError('damaged', `Cannot pull ${name}: the hub answered ${status} to ${new URL(response.url || hub).pathname}`);
}

function innermost(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error;
}

/** What was behind a failed `fetch`, which itself says next to nothing. */
export function reasonOf(error: unknown): string {
  const inner = innermost(error);
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: 'its name is unknown',
    EAI_AGAIN: 'its name could not be looked up',
    ECONNREFUSED: 'the connection was refused',
    EHOSTUNREACH: 'no way leads there',
    ENETUNREACH: 'there is no network',
    ECONNRESET: 'the connection was cut',
    UND_ERR_SOCKET: 'the connection was cut',
    ETIMEDOUT: 'it did not answer',
    UND_ERR_CONNECT_TIMEOUT: 'it did not answer',
  };
  return known[errorCode(inner)] ?? (inner instanceof Error && inner.message !== '' ? inner.message : String(error));
}
