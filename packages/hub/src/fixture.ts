/** A hub in miniature for tests: the listing, files by redirect to a second host, and every way it may go wrong. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file of a mock repository. */
export interface MockFile {
  readonly content: Uint8Array;
  /** Stored by LFS: named by SHA-256 and served by the other host. */
  readonly lfs?: boolean;
  /** What the listing says instead of the truth. */
  readonly listedOid?: string;
  readonly listedSize?: number;
}

/** What a request to the mock was. */
export interface Seen {
  readonly host: 'hub' | 'cdn';
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** One answer out of the ordinary; return true where the request was answered. */
export type Interference = (request: IncomingMessage, response: ServerResponse, host: 'hub' | 'cdn') => boolean | Promise<boolean>;

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** The name of a file's blob, computed as git and LFS do. */
export function oidOf({ content, lfs = false }: MockFile): string {
  return lfs
    ? createHash('sha256').update(content).digest('hex')
    : createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex');
}

/** A running mock; `close` ends it. */
export class MockHub {
  readonly seen: Seen[] = [];
  /** Asked first, for every request. */
  interfere: Interference = () => false;
  ignoresRange = false;
  files: Record<string, MockFile>;
  revisions: Record<string, string> = { main: COMMIT };
  #servers: Server[] = [];
  endpoint = '';
  cdn = '';

  constructor(files: Record<string, MockFile>) {
    this.files = files;
  }

  async open(): Promise<this> {
    const listen = async (host: 'hub' | 'cdn') => {
      const server = createServer((request, response) => void this.#answer(request, response, host));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      this.#servers.push(server);
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    this.endpoint = await listen('hub');
    this.cdn = await listen('cdn');
    return this;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Requests for the content of a file. */
  downloads(path: string): Seen[] {
    return this.seen.filter(({ host, url }) => url.endsWith(`/${path}`) && (host === 'cdn' || !this.files[path]?.lfs));
  }

  async #answer(request: IncomingMessage, response: ServerResponse, host: 'hub' | 'cdn'): Promise<void> {
    const url = request.url ?? '';
    this.seen.push({ host, url, authorization: request.headers.authorization, range: request.headers.range });
    if (await this.interfere(request, response, host)) return;
    if (host === 'cdn') return this.sendFile(request, response, this.files[decodeURIComponent(url.slice(1))]);
    const info = /^\/api\/models\/org\/tiny\/revision\/([^?]+)/.exec(url);
    if (info) {
      const commit = this.revisions[decodeURIComponent(info[1] ?? '')];
      if (commit === undefined) return refuse(response, 404, 'RevisionNotFound');
      return json(response, { _id: 'x', id: 'org/tiny', sha: commit, private: false, lastModified: '2026-01-01T00:00:00Z' });
    }
    const tree = /^\/api\/models\/org\/tiny\/tree\/([0-9a-f]{40})\?/.exec(url);
    if (tree) return this.#sendTree(response, url);
    const resolve = /^\/org\/tiny\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(url);
    const path = decodeURIComponent(resolve?.[1] ?? '');
    response.setHeader('x-repo-commit', /[0-9a-f]{40}/.exec(url)?.[0] ?? '');
    const file = this.files[path];
    if (!file) return refuse(response, 404, url.includes('/org/tiny/') ? 'EntryNotFound' : 'RepoNotFound');
    if (!file.lfs) return this.sendFile(request, response, file);
    response.writeHead(302, {
      location: `${this.cdn}/${path}`,
      'x-linked-etag': `"${oidOf(file)}"`,
      'x-linked-size': file.content.byteLength,
    });
    response.end();
  }

  /** The listing in pages of three. */
  #sendTree(response: ServerResponse, url: string): void {
    const start = Number(/[?&]cursor=(\d+)/.exec(url)?.[1] ?? 0);
    const all = Object.entries(this.files).map(([path, file]) => {
      const size = file.listedSize ?? file.content.byteLength;
      const oid = file.listedOid ?? oidOf(file);
      return { type: 'file', path, size, oid: 'a'.repeat(40), ...(file.lfs ? { lfs: { oid, size, pointerSize: 130 } } : { oid }) };
    });
    const next: Record<string, string> = start + 3 < all.length ? { link: `<${this.endpoint}${url.replace(/&cursor=\d+/, '')}&cursor=${start + 3}>; rel="next"` } : {};
    json(response, all.slice(start, start + 3), next);
  }

  sendFile(request: IncomingMessage, response: ServerResponse, file: MockFile | undefined): void {
    if (!file) return refuse(response, 404, 'EntryNotFound');
    const { content } = file;
    const from = this.ignoresRange ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from > 0) {
      const range = `bytes ${from}-${content.byteLength - 1}/${content.byteLength}`;
      response.writeHead(206, { 'content-length': content.byteLength - from, 'content-range': range });
    } else response.writeHead(200, { 'content-length': content.byteLength, etag: `"${oidOf(file)}"` });
    response.end(content.subarray(from));
  }
}

export function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

export function refuse(response: ServerResponse, status: number, code?: string): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(code !== undefined && { 'x-error-code': code }) });
  response.end(JSON.stringify({ error: code ?? 'refused' }));
}

/** Bytes that look like nothing, the same every time. */
export function noise(byteLength: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: byteLength }, () => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16);
}

/** A whole little model. */
export function tinyRepository(): Record<string, MockFile> {
  const text = (value: string) => ({ content: new TextEncoder().encode(value) });
  return {
    '.gitattributes': text('*.safetensors filter=lfs'),
    'README.md': text('# tiny'),
    'config.json': text('{"model_type":"llama"}'),
    'tokenizer.json': text('{"version":"1.0"}'),
    'tokenizer_config.json': text('{}'),
    'model.safetensors': { content: noise(300_000), lfs: true },
    'pytorch_model.bin': { content: noise(1_000, 2), lfs: true },
  };
}
