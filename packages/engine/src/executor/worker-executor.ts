/**
 * An executor in a process of its own, so that whoever talks to people never waits for merging, hashing or compiling, and a
 * process that dies or a device that is lost costs the piece of work under way: a new process takes its place and does what
 * is left.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { programCommand } from '@seal/device';
import { messageOf, Problem } from '@seal/files';
import {
  Turns,
  type AdaptResult,
  type AdaptWork,
  type AnswerWork,
  type Executor,
  type FineTuneResult,
  type FineTuneWork,
  type ReadAdapter,
  type Sampled,
  type ScoreWork,
  type WorkHooks,
  type WriteWork,
} from '@seal/trainer';
import { frame, FrameReader, type Sendable } from './frames.ts';
import { receivedError, sentError, type CallName, type Calls, type Opened, type OpenWork, type Reply, type Request } from './protocol.ts';

const PROGRAM = fileURLToPath(new URL('./worker.ts', import.meta.url));
/** Processes that may die one after another without anything having been done in between. */
const MOST_FAILURES = 2;
const STDERR_BYTES = 4_000;
const LEFT = new Error('Nobody waits for what is left');

/** The process ended, or its device did: what it was given can be given to another. */
class WorkerLost extends Error {
  override readonly name = 'WorkerLost';
}

/** Under way in a process. */
interface Pending {
  readonly onItem: (item: unknown) => void;
  readonly onProgress: WorkHooks['onProgress'];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What a worker executor is given. */
export interface WorkerParts {
  readonly work: OpenWork;
  readonly readAdapter: ReadAdapter;
  /** Told when a process had to be replaced. */
  readonly onNote: (note: string) => void;
  /** Gets what the process writes to stderr; a driver's own words. */
  readonly onDiagnostics?: ((text: string) => void) | undefined;
}

/** One process with a model open in it. */
class WorkerProcess {
  readonly opened: Promise<Opened>;
  readonly #child: ChildProcess;
  readonly #parts: WorkerParts;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #stderr = '';
  #ended: string | null = null;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    const { command, args } = programCommand(PROGRAM);
    // In a process group of its own: Ctrl-C in a terminal is for who talks to people, who says then what becomes of the work.
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true, windowsHide: true });
    this.#child = child;
    const reader = new FrameReader((message) => this.#take(message as Reply));
    child.stdout.on('data', (bytes: Uint8Array) => {
      try {
        reader.push(bytes);
      } catch (error) {
        this.#end(messageOf(error));
        this.kill();
      }
    });
    child.stderr.on('data', (bytes: Uint8Array) => {
      const text = new TextDecoder().decode(bytes);
      this.#stderr = `${this.#stderr}${text}`.slice(-STDERR_BYTES);
      parts.onDiagnostics?.(text);
    });
    // A pipe that breaks is noticed by the end of the process.
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.#end(messageOf(error)));
    child.on('close', (code, signal) => this.#end(signal !== null ? `it was ended by ${signal}` : `it ended with code ${code}`));
    this.opened = this.call('open', parts.work);
    this.opened.catch(() => undefined);
  }

  /** Its process id; tests end it by that. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  call<Name extends CallName>(name: Name, work: Calls[Name]['work'], hooks: WorkHooks = {}, onItem: (item: Calls[Name]['item']) => void = () => {}): Promise<Calls[Name]['result']> {
    const { signal, onProgress } = hooks;
    if (this.#ended !== null) return Promise.reject(new WorkerLost(this.#ended));
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const stop = () => this.#send({ type: 'stop', id });
    const done = () => {
      signal?.removeEventListener('abort', stop);
      this.#pending.delete(id);
    };
    this.#pending.set(id, {
      onItem: onItem as (item: unknown) => void,
      onProgress,
      resolve(result) {
        done();
        resolve(result);
      },
      reject(error) {
        done();
        // What the work ends with after a stop is the stop.
        reject(signal?.aborted ? (signal.reason as Error) : error);
      },
    });
    signal?.addEventListener('abort', stop, { once: true });
    this.#send({ type: 'call', id, name, work } as Request);
    return promise as Promise<Calls[Name]['result']>;
  }

  dropDevice(): void {
    this.#send({ type: 'drop-device' });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends it in good order: its stdin ends. */
  async close(): Promise<void> {
    if (this.#ended !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.kill(), 5_000);
    await ended;
    clearTimeout(timer);
  }

  #send(request: Request): void {
    for (const piece of frame(request as unknown as Sendable)) this.#child.stdin?.write(piece);
  }

  #take(reply: Reply): void {
    if (reply.type === 'want-adapter') return void this.#give(reply.digest);
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    switch (reply.type) {
      case 'item':
        return this.#tell(reply.id, pending, () => pending.onItem(reply.item));
      case 'progress':
        return this.#tell(reply.id, pending, () => pending.onProgress?.(reply.progress));
      case 'result':
        return pending.resolve(reply.result);
      case 'error': {
        const { name, message } = reply.error;
        if (name !== 'DeviceLostError') return pending.reject(receivedError(reply.error));
        this.#ended = message;
        this.kill();
        return pending.reject(new WorkerLost(message));
      }
    }
  }

  /** What a listener throws is its caller's, not a sign of a lost process: the call ends with it. */
  #tell(id: number, pending: Pending, listen: () => void): void {
    try {
      listen();
    } catch (error) {
      this.#send({ type: 'stop', id });
      pending.reject(error as Error);
    }
  }

  async #give(digest: string): Promise<void> {
    try {
      this.#send({ type: 'adapter', digest, bytes: await this.#parts.readAdapter(digest), error: null });
    } catch (error) {
      this.#send({ type: 'adapter', digest, bytes: null, error: sentError(error) });
    }
  }

  #end(why: string): void {
    this.#ended ??= why;
    const said = this.#stderr.trim().split('\n').filter((line) => !/^(Warning: |\s+at )/.test(line)).at(-1);
    const error = new WorkerLost(said === undefined || said === '' ? this.#ended : `${this.#ended} (${said.slice(0, 300)})`);
    for (const pending of this.#pending.values()) pending.reject(error);
  }
}

/** Work in a process of its own; calls wait for one another. */
export class WorkerExecutor implements Executor {
  readonly #parts: WorkerParts;
  readonly #turns = new Turns();
  #worker: WorkerProcess;
  #failures = 0;
  #closed = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#worker = new WorkerProcess(parts);
  }

  /** Settles when device and model are open. Rejects with what stood in the way, or at once with the signal's reason. */
  async open(signal?: AbortSignal): Promise<Opened> {
    return this.#tried((worker) => worker.opened, signal);
  }

  /** The id of the process; another one once it had to be replaced. */
  get pid(): number | undefined {
    return this.#worker.pid;
  }

  /** Loses the device of the process, for what wants to see what becomes of that. */
  dropDevice(): void {
    this.#worker.dropDevice();
  }

  baseDigest(): Promise<string> {
    return this.#turns.alone(() => this.#tried((worker) => worker.call('baseDigest', null)));
  }

  async *write(work: readonly WriteWork[], hooks: WorkHooks = {}): AsyncGenerator<readonly (readonly Sampled[])[]> {
    let done = 0;
    yield* this.#items('write', () => work.slice(done), hooks, (group) => {
      done += group.length;
      return group;
    });
  }

  async *adapt(work: readonly AdaptWork[], hooks: WorkHooks = {}): AsyncGenerator<readonly AdaptResult[]> {
    const left = new Set(work.keys());
    let order: number[] = [];
    const rest = () => {
      order = [...left];
      return order.map((index) => work[index] as AdaptWork);
    };
    yield* this.#items('adapt', rest, hooks, (group) =>
      group.map((result) => {
        const index = order[result.index] ?? result.index;
        left.delete(index);
        return { ...result, index };
      }),
    );
  }

  answer(work: readonly AnswerWork[], hooks: WorkHooks = {}): Promise<readonly (readonly Sampled[])[]> {
    return this.#turns.alone(() => this.#tried((worker) => worker.call('answer', work, hooks), hooks.signal));
  }

  score(work: readonly ScoreWork[], hooks: WorkHooks = {}): Promise<readonly (readonly (number | null)[])[]> {
    return this.#turns.alone(() => this.#tried((worker) => worker.call('score', work, hooks), hooks.signal));
  }

  fineTune(work: FineTuneWork, hooks: WorkHooks = {}): Promise<FineTuneResult> {
    return this.#turns.alone(() => this.#tried((worker) => worker.call('fineTune', work, hooks), hooks.signal));
  }

  /** What is under way is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker.close();
  }

  /** What a call gives one after another; where the process is lost, what is left is given to the next one. */
  async *#items<Name extends 'write' | 'adapt'>(
    name: Name,
    rest: () => Calls[Name]['work'],
    hooks: WorkHooks,
    taken: (item: Calls[Name]['item']) => Calls[Name]['item'],
  ): AsyncGenerator<Calls[Name]['item']> {
    const release = await this.#turns.take();
    // Whoever leaves early stops the call, which would hold up the next one.
    const left = new AbortController();
    const signal = hooks.signal ? AbortSignal.any([hooks.signal, left.signal]) : left.signal;
    let underWay: Promise<unknown> = Promise.resolve();
    try {
      for (;;) {
        const queue: Calls[Name]['item'][] = [];
        let wake = () => {};
        const call = this.#worker.opened
          .then(() => this.#worker.call(name, rest(), { ...hooks, signal }, (item) => {
            queue.push(taken(item));
            wake();
          }))
          .then(
            () => ({ error: null }),
            (error: unknown) => ({ error }),
          );
        underWay = call;
        let ended: { readonly error: unknown } | null = null;
        void call.then((end) => {
          ended = end;
          wake();
        });
        while (ended === null || queue.length > 0) {
          const item = queue.shift();
          if (item !== undefined) {
            this.#failures = 0;
            yield item;
          } else if (ended === null) {
            await new Promise<void>((resolve) => (wake = resolve));
          }
        }
        const { error } = await call;
        if (error === null) return;
        this.#replace(error, hooks.signal);
      }
    } finally {
      left.abort(LEFT);
      await underWay;
      release();
    }
  }

  /** Does something in the process, and again in the next one where the process is lost. */
  async #tried<T>(work: (worker: WorkerProcess) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      try {
        await unlessStopped(this.#worker.opened, signal);
        const result = await work(this.#worker);
        this.#failures = 0;
        return result;
      } catch (error) {
        this.#replace(error, signal);
      }
    }
  }

  /** Starts another process where the last one was lost; anything else is thrown on. */
  #replace(error: unknown, signal?: AbortSignal): void {
    if (!(error instanceof WorkerLost)) throw error;
    if (this.#closed) throw new TypeError('The executor was closed', { cause: error });
    // Whoever wants to stop does not wait for another process.
    signal?.throwIfAborted();
    this.#failures += 1;
    if (this.#failures > MOST_FAILURES) {
      throw new Problem('resumable', `Cannot go on: the process that computes was lost ${this.#failures} times in a row, at last because ${error.message}`, { cause: error });
    }
    this.#parts.onNote(`The process that computes was lost: ${error.message}. Another one does again what it was at`);
    this.#worker.kill();
    this.#worker = new WorkerProcess(this.#parts);
  }
}

/** What settles, or the signal's reason where that comes first. */
function unlessStopped<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason as Error);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', stop));
}
