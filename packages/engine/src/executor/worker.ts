/**
 * The program of an executor's process: opens a device and a model, does the work that comes in on stdin, and says on stdout
 * what came of it. It ends when its stdin does, so that it never outlives who started it.
 */

import process from 'node:process';
import { openGpu } from '@seal/device';
import { hostWeights, readCheckpoint } from '@seal/model';
import { LocalExecutor, type WorkProgress } from '@seal/trainer';
import type { EngineEvent } from '../events.ts';
import { openSession, type Session } from '../session.ts';
import { frame, FrameReader, type Sendable } from './frames.ts';
import { receivedError, sentError, type Opened, type OpenWork, type Reply, type Request } from './protocol.ts';

/** Progress is told at most so often: pipes are for results. */
const PROGRESS_MS = 50;

let session: Session | null = null;
let executor: LocalExecutor | null = null;
let stop: { readonly id: number; readonly controller: AbortController } | null = null;
const wanted = new Map<string, { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }>();

function send(reply: Reply): void {
  for (const piece of frame(reply as unknown as Sendable)) process.stdout.write(piece);
}

function readAdapter(digest: string): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  wanted.set(digest, { resolve, reject });
  send({ type: 'want-adapter', digest });
  return promise;
}

async function open({ directory, weights, settings, tuningFolder, dawnVersion, verbose }: OpenWork): Promise<Opened> {
  const checkpoint = await readCheckpoint(directory);
  const events: EngineEvent[] = [];
  const deps = { openGpu: () => openGpu(), tuningFolder: tuningFolder ?? undefined, version: { package: '', ...(dawnVersion !== null && { dawn: dawnVersion }) } };
  session = await openSession(checkpoint, deps, { ...(weights !== null && { weights }), verbose }, { onEvent: (event) => events.push(event) });
  executor = new LocalExecutor({ model: session.model, baseWeights: () => hostWeights(checkpoint), settings, readAdapter });
  return { adapter: session.gpu.description.description, tuningDigest: session.tuningDigest, events };
}

/** Tells the first progress of every while. */
function told(id: number): (progress: WorkProgress) => void {
  let last = -Infinity;
  return (progress) => {
    const now = performance.now();
    if (progress.type !== 'spent' && now - last < PROGRESS_MS) return;
    last = now;
    send({ type: 'progress', id, progress });
  };
}

async function call(request: Extract<Request, { type: 'call' }>): Promise<unknown> {
  const { id } = request;
  if (request.name === 'open') return open(request.work);
  if (!executor) throw new TypeError('No model was opened');
  const controller = new AbortController();
  stop = { id, controller };
  const hooks = { onProgress: told(id), signal: controller.signal };
  switch (request.name) {
    case 'baseDigest':
      return executor.baseDigest();
    case 'write':
      for await (const item of executor.write(request.work, hooks)) send({ type: 'item', id, item });
      return null;
    case 'adapt':
      for await (const item of executor.adapt(request.work, hooks)) send({ type: 'item', id, item });
      return null;
    case 'answer':
      return executor.answer(request.work, hooks);
    case 'score':
      return executor.score(request.work, hooks);
    case 'fineTune':
      return executor.fineTune(request.work, hooks);
  }
}

async function take(request: Request): Promise<void> {
  if (request.type === 'stop') {
    if (stop?.id === request.id) stop.controller.abort(new Error('stopped'));
    return;
  }
  if (request.type === 'drop-device') return session?.gpu.device.destroy();
  if (request.type === 'adapter') {
    const waiting = wanted.get(request.digest);
    wanted.delete(request.digest);
    if (request.error) waiting?.reject(receivedError(request.error));
    else waiting?.resolve(request.bytes);
    return;
  }
  try {
    send({ type: 'result', id: request.id, result: await call(request) });
  } catch (error) {
    send({ type: 'error', id: request.id, error: sentError(error) });
  }
}

// Who started this process decides when it ends, by ending its stdin.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

const reader = new FrameReader((message) => void take(message as Request));
process.stdin.on('data', (bytes: Uint8Array) => reader.push(bytes));
process.stdin.on('end', () => process.exit());
// A parent that is killed with something unread leaves a broken pipe instead of an ended one.
process.stdin.on('error', () => process.exit());
process.stdout.on('error', () => process.exit());
