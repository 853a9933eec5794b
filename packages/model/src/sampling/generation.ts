/**
 * Sampling in batches with a key/value cache. A prompt is read once however many completions are drawn from it, and a
 * beginning once that several prompts of one adapter share; every sequence has its own adapter and its own random
 * numbers, so what is drawn does not depend on what shares the batch.
 */

import { attentionDecode, kvCacheWrite } from '@seal/kernels';
import { packBatch, packRows, segmentTokens, type PackedBatch, type TokenSequence } from '../batch.ts';
import { createStorage, upload } from '../buffers.ts';
import { InferencePass } from './inference.ts';
import type { Step } from '../step.ts';
import type { LoraPack } from '../adapters/lora.ts';
import type { Model } from '../model.ts';
import { sharedPrefixes, type SharedPrefix } from './prefixes.ts';
import { checkSampling, logProbabilities, mostLikely, sampleToken, type SamplingOptions } from './sampler.ts';
import { TextStream, type TextOptions, type TextPiece } from '@seal/tokenizer';
import { attendWithin, attentionSizes, type Attend } from '../transformer.ts';

/** One prompt and the completions wanted of it. */
export interface GenerationRequest {
  readonly prompt: readonly number[];
  /** Slot of the adapter in the pack; 0 where there is none. */
  readonly adapter?: number;
  /**
   * Requests of one family and adapter, which are always asked together, share the reading of a long common beginning.
   * Without a family a request shares with none.
   */
  readonly family?: string;
  /** One source of uniform numbers in [0, 1) per completion; each is drawn from once a token. */
  readonly draws: readonly (() => number)[];
}

/** Limits and sampling of a batch. */
export interface GenerationOptions extends SamplingOptions {
  readonly maxNewTokens: number;
  readonly stopTokens: readonly number[];
  /** Gives every completion its text, and ends it at stop strings. */
  readonly text?: TextOptions;
  /** Gives the log-probabilities of the tokens, and of this many most likely ones at each place. */
  readonly logProbabilities?: { readonly top: number };
  /** Called after every step with what it added to the completions. */
  readonly onPieces?: (pieces: readonly Piece[]) => void;
  /** Ends the batch before its next step. */
  readonly signal?: AbortSignal | undefined;
}

/** What a step added to completion `sample` of request `request`; without `text` in the options its text is empty. */
export interface Piece extends TextPiece {
  readonly request: number;
  readonly sample: number;
}

/** A token and its log-probability. */
export type TokenLogProbability = readonly [token: number, logProbability: number];

/** One completion; neither the stop token nor a token with a part of a stop string is in `tokens`. */
export interface Completion {
  readonly tokens: readonly number[];
  readonly finish: 'stop' | 'length';
  /** The text up to the stop string, where text was asked for. It may end within the first token that is left out. */
  readonly text?: string;
  /**
   * Where asked for: log softmax of each token under the logits as the model gives them, before any penalty, temperature
   * or cut.
   */
  readonly logProbabilities?: readonly number[];
  /** The most likely tokens at each place, where asked for. */
  readonly topLogProbabilities?: readonly (readonly TokenLogProbability[])[];
  /** SHA-256 of the adapter that answered, as bound while it did; null for the weights alone. Absent without a pool. */
  readonly adapterDigest?: string | null;
}

/** Says which adapter a slot holds: the SHA-256 of its file, null for none. */
export type BoundDigest = (slot: number) => string | null;

interface Running {
  readonly request: number;
  readonly prompt: readonly number[];
  readonly sample: number;
  readonly slot: number;
  readonly adapter: number;
  readonly draw: () => number;
  readonly tokens: number[];
  readonly logProbabilities: number[];
  readonly topLogProbabilities: TokenLogProbability[][];
  readonly text: TextStream | null;
  /** What its slot held when its prompt was read. */
  readonly adapterDigest: string | null | undefined;
  length: number;
  finish: Completion['finish'] | null;
}

/** Tokens read at once, and where their keys and values go: from cache row 0 of every slot on. */
interface Reading {
  readonly tokens: readonly number[];
  readonly adapter: number;
  readonly slots: readonly number[];
  /** Sequences that choose their first token from the last row's logits. */
  readonly ready: readonly Running[];
}

/** One token read against the cache. Keys and values go to all slots, the first of which it attends to. */
interface Row {
  readonly token: number;
  readonly position: number;
  readonly adapter: number;
  readonly slots: readonly number[];
  /** Sequences that choose their next token from the row's logits. */
  readonly ready: readonly Running[];
}

/** Nothing is written where a destination is this. */
const NOWHERE = 0xffff_ffff;
/** Most pairs that a workgroup of the cache's kernel may take. */
const WORKGROUP = 64;

/** Capacity of a generator. */
export interface GeneratorSizes {
  /** Completions that are decoded side by side. */
  readonly slots: number;
  /** Longest prompt plus completion, in tokens. */
  readonly length: number;
  /** Prompt tokens read at once. */
  readonly prefillTokens: number;
}

/** Whether the most likely token is all that is wanted of the logits: they then stay on the device. */
function choosesOnDevice({ temperature, repetitionPenalty = 1, logProbabilities: wanted }: GenerationOptions): boolean {
  return temperature === 0 && repetitionPenalty === 1 && !wanted?.top;
}

/** Whether the log-probability of the most likely token is computed on the device. */
const scoresBest = (options: GenerationOptions) => (choosesOnDevice(options) && options.logProbabilities ? 'best' : null);

/** Tokens of a sequence in order, its prompt's first. */
function* historyOf({ prompt, tokens }: Running): Iterable<number> {
  yield* prompt;
  yield* tokens;
}

/** The most slots of `length` tokens whose keys, or values, of one layer the device binds at once. */
export function cacheSlots({ config, gpu }: Model, length: number): number {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
  const slotBytes = length * config.numKeyValueHeads * config.headDim * 4;
  return Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / slotBytes);
}

/** Recorded prefill and decode steps of one model. Owns its caches until `destroy`. */
export class Generator {
  readonly sizes: GeneratorSizes;
  #model: Model;
  #adapters: number;
  #bound: BoundDigest | undefined;
  #prefill: InferencePass;
  #decode: InferencePass;
  #caches: { readonly key: GPUBuffer; readonly value: GPUBuffer }[];
  #source: GPUBuffer;
  #destination: GPUBuffer;
  #slot: GPUBuffer;
  #length: GPUBuffer;
  #rows: number;
  #promptTokens = 0;

  /** `pack` may be null: the weights alone. `bound` names what its slots hold; completions then carry digests. */
  constructor(model: Model, pack: LoraPack | null, sizes: GeneratorSizes, bound?: BoundDigest) {
    const { device } = model.gpu;
    const { numHiddenLayers: L, numKeyValueHeads: K, headDim: D } = model.config;
    const { slots, length: S, prefillTokens } = sizes;
    if (S > model.config.maxPositionEmbeddings) {
      throw new RangeError(`Cannot generate ${S} tokens: the model has ${model.config.maxPositionEmbeddings} positions`);
    }
    const most = cacheSlots(model, S);
    if (slots > most) {
      throw new RangeError(
        `Cannot keep keys and values of ${slots} sequences of ${S} tokens: the device binds those of ${most} at most; ` +
          `use ${most === 0 ? 'shorter sequences' : `${most} slots or shorter sequences`}`,
      );
    }
    this.sizes = sizes;
    this.#model = model;
    this.#bound = bound;
    this.#adapters = pack?.capacity ?? 1;
    const W = K * D;
    const R = slots * S;
    this.#caches = Array.from({ length: L }, () => ({
      key: createStorage(device, 'key cache', R * W),
      value: createStorage(device, 'value cache', R * W),
    }));
    this.#source = createStorage(device, 'cache sources', R);
    this.#destination = createStorage(device, 'cache destinations', R);
    // Rows are whole blocks of 8 of one adapter each, so each adapter may leave up to 7 of them empty.
    const rows = Math.floor((slots + 7 * this.#adapters) / 8) * 8;
    this.#rows = rows;
    this.#slot = createStorage(device, 'slots', rows);
    this.#length = createStorage(device, 'lengths', rows);

    const write =
      (T: number): Attend =>
      (record, layer, { key, value }) => {
        const { key: keyCache, value: valueCache } = this.#caches[layer];
        const { source, destination } = { source: this.#source, destination: this.#destination };
        const operands = { key, value, source, destination, keyCache, valueCache };
        record.run(kvCacheWrite, { T, N: R, W, R }, operands, ({ cached }: Step) => ({ N: cached }));
      };
    this.#prefill = new InferencePass(model, pack, { tokens: prefillTokens, rows: prefillTokens }, (activations, tables) => {
      const within = attendWithin(model, activations, tables.bounds);
      return (record, layer, block) => {
        write(prefillTokens)(record, layer, block);
        within(record, layer, block);
      };
    });
    this.#decode = new InferencePass(model, pack, { tokens: rows, rows }, () => (record, layer, block) => {
      write(rows)(record, layer, block);
      const { key: keyCache, value: valueCache } = this.#caches[layer];
      record.run(
        attentionDecode,
        { B: rows, S, slots, ...attentionSizes(model.config, layer) },
        { q: block.query, keyCache, valueCache, slot: this.#slot, length: this.#length, y: block.mixed },
        ({ tokens }) => ({ B: tokens }),
      );
    });
  }

  /** Prompt tokens read so far: shared ones once, those of a prompt that is read again each time. */
  get promptTokens(): number {
    return this.#promptTokens;
  }

  /**
   * Completions of every request, [request][completion], each as it would be alone. Throws RangeError for a prompt that
   * is empty or leaves no room, for options outside their ranges and when the logits are not finite, Error where a slot was
   * given another adapter meanwhile, and the signal's reason.
   */
  async generate(requests: readonly GenerationRequest[], options: GenerationOptions): Promise<Completion[][]> {
    checkSampling(options);
    const results: Completion[][] = requests.map(() => []);
    const waiting = requests.flatMap((request, index) => {
      const { length } = request.prompt;
      if (length === 0) throw new RangeError('Cannot continue an empty prompt');
      if (length > this.sizes.prefillTokens - 8 || length >= this.sizes.length) {
        throw new RangeError(`Cannot continue a prompt of ${length} tokens: there is room for ${Math.min(this.sizes.length - 1, this.sizes.prefillTokens - 8)}; shorten it`);
      }
      return request.draws.map((draw, sample) => ({ request: index, sample, draw, adapter: request.adapter ?? 0 }));
    });
    // By adapter, so that rows of one adapter are neighbours; then by request, so that samples share their prompt.
    waiting.sort((a, b) => a.adapter - b.adapter || a.request - b.request || a.sample - b.sample);
    const prefixes = sharedPrefixes(requests);
    for (let start = 0; start < waiting.length; start += this.sizes.slots) {
      const running = waiting
        .slice(start, start + this.sizes.slots)
        .map((one, slot): Running => ({
          ...one,
          slot,
          prompt: requests[one.request].prompt,
          tokens: [],
          logProbabilities: [],
          topLogProbabilities: [],
          text: options.text ? new TextStream(options.text) : null,
          adapterDigest: this.#bound?.(one.adapter),
          length: requests[one.request].prompt.length,
          finish: null,
        }));
      await this.#read(running, requests, prefixes, options);
      await this.#continue(running, options);
      for (const sequence of running) results[sequence.request][sequence.sample] = this.#completion(sequence, options);
    }
    return results;
  }

  #completion(sequence: Running, { logProbabilities }: GenerationOptions): Completion {
    const { adapter, text, finish, adapterDigest } = sequence;
    const now = this.#bound?.(adapter);
    if (now !== adapterDigest) {
      throw new Error(`Cannot tell who answered: slot ${adapter} held adapter ${adapterDigest} at first and ${now} at last`);
    }
    const tokens = text?.tokens ?? sequence.tokens;
    return {
      tokens,
      finish: finish ?? 'length',
      ...(text && { text: text.text }),
      ...(logProbabilities && { logProbabilities: sequence.logProbabilities.slice(0, tokens.length) }),
      ...(logProbabilities?.top && { topLogProbabilities: sequence.topLogProbabilities.slice(0, tokens.length) }),
      ...(adapterDigest !== undefined && { adapterDigest }),
    };
  }

  /** Reads the prompts, fills the cache and draws every first token. */
  async #read(
    running: readonly Running[],
    requests: readonly GenerationRequest[],
    prefixes: readonly (SharedPrefix | null)[],
    options: GenerationOptions,
  ): Promise<void> {
    const slotsOf = (sequences: readonly Running[]) => sequences.map(({ slot }) => slot);
    const readings: Reading[] = [];
    const rows: Row[] = [];
    // Sequences that read the same tokens first: those of one request, or of several that share a beginning.
    for (const [first, sequences] of Map.groupBy(running, ({ request }) => prefixes[request]?.leader ?? request)) {
      const { prompt, adapter = 0 } = requests[first];
      const shared = prefixes[first];
      const tokens = shared ? prompt.slice(0, shared.length) : prompt;
      readings.push({ tokens, adapter, slots: slotsOf(sequences), ready: shared ? [] : sequences });
    }
    for (const [request, sequences] of Map.groupBy(running, ({ request }) => request)) {
      const { prompt, adapter = 0 } = requests[request];
      const slots = slotsOf(sequences);
      for (let position = prefixes[request]?.length ?? prompt.length; position < prompt.length; position++) {
        const ready = position === prompt.length - 1 ? sequences : [];
        rows.push({ token: prompt[position], position, adapter, slots, ready });
      }
    }
    await this.#readWhole(readings, options);
    await this.#readBehind(rows, options);
  }

  /** Reads from cache row 0 on, as many readings at once as fit. */
  async #readWhole(readings: readonly Reading[], options: GenerationOptions): Promise<void> {
    for (let next = 0; next < readings.length; ) {
      options.signal?.throwIfAborted();
      const segments: TokenSequence[][] = Array.from({ length: this.#adapters }, () => []);
      const chunk: Reading[] = [];
      for (; next < readings.length; next++) {
        const reading = readings[next];
        const segment = segments[reading.adapter];
        segment.push(reading);
        if (segments.reduce((sum, s) => sum + segmentTokens(s), 0) > this.sizes.prefillTokens) {
          segment.pop();
          break;
        }
        chunk.push(reading);
      }
      const batch = packBatch(segments);
      const copies = chunk.flatMap(({ tokens, slots }, i) => {
        const first = batch.lastTokens[i] + 1 - tokens.length;
        return slots.flatMap((slot) => Array.from(tokens, (_, t) => [first + t, slot * this.sizes.length + t] as const));
      });
      this.#promptTokens += batch.contentCount;
      this.#writeCopies(copies);
      const wanted = batch.lastTokens.filter((_, i) => chunk[i].ready.length > 0);
      this.#prefill.submit(batch, wanted, copies.length, scoresBest(options));
      await this.#choose(this.#prefill, chunk, options);
    }
  }

  /** Reads rows whose beginnings are in the cache; those of one sequence follow one another. */
  async #readBehind(rows: readonly Row[], options: GenerationOptions): Promise<void> {
    this.#promptTokens += rows.length;
    for (let next = 0; next < rows.length; ) {
      // Every adapter may leave up to 7 rows of its last block empty; a block that is not full takes no place.
      const chunk = rows.slice(next, next + this.#rows + 7 - 7 * this.#adapters);
      await this.#step(chunk, options);
      next += chunk.length;
    }
  }

  /** Decodes until every sequence has ended; only sequences that still run take part in a step. */
  async #continue(running: readonly Running[], options: GenerationOptions): Promise<void> {
    for (;;) {
      const active = running.filter(({ finish }) => finish === null);
      if (active.length === 0) return;
      const rows = active.map((sequence): Row => {
        const { tokens, length: position, adapter, slot } = sequence;
        sequence.length += 1;
        return { token: tokens[tokens.length - 1], position, adapter, slots: [slot], ready: [sequence] };
      });
      await this.#step(rows, options);
    }
  }

  /** Reads one token a row, in non-decreasing order of adapter, and chooses what follows where that is wanted. */
  async #step(rows: readonly Row[], options: GenerationOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const { queue } = this.#model.gpu.device;
    const table = packRows(rows.map(({ adapter }) => adapter));
    const T = table.rowCount;
    const batch: PackedBatch = {
      tokenCount: T,
      tokens: new Uint32Array(T),
      positions: new Uint32Array(T),
      bounds: new Uint32Array(T * 2),
      targets: new Uint32Array(0),
      lossWeights: new Float32Array(0),
      blocks: table.blocks,
      tileCount: table.tileCount,
      tiles: table.tiles,
      segments: new Uint32Array(0),
      lastTokens: table.rowOf,
      contentCount: rows.length,
    };
    const slot = new Uint32Array(T);
    const length = new Uint32Array(T);
    const copies = rows.flatMap(({ token, position, slots }, i) => {
      const row = table.rowOf[i];
      batch.tokens[row] = token;
      batch.positions[row] = position;
      slot[row] = slots[0];
      length[row] = position + 1;
      return slots.map((own) => [row, own * this.sizes.length + position] as const);
    });
    queue.writeBuffer(this.#slot, 0, slot);
    queue.writeBuffer(this.#length, 0, length);
    this.#writeCopies(copies);
    this.#decode.submit(batch, table.rowOf.filter((_, i) => rows[i].ready.length > 0), copies.length, scoresBest(options));
    await this.#choose(this.#decode, rows, options);
  }

  /** Gives sequences their next token from the pass's logits: there is one row for each of `read` that has any ready. */
  async #choose(pass: InferencePass, read: readonly { readonly ready: readonly Running[] }[], options: GenerationOptions): Promise<void> {
    const groups = read.map(({ ready }) => ready).filter(({ length }) => length > 0);
    if (groups.length === 0) return;
    const V = this.#model.config.vocabSize;
    const onDevice = choosesOnDevice(options);
    const best = onDevice ? await pass.best(groups.length) : null;
    const bestLogs = onDevice && options.logProbabilities ? await pass.logProbabilities(groups.length) : null;
    const logits = onDevice ? null : await pass.logits(groups.length);
    const pieces: Piece[] = [];
    groups.forEach((group, i) => {
      const own = logits?.subarray(i * V, (i + 1) * V);
      const logOf = own && options.logProbabilities ? logProbabilities(own) : () => bestLogs?.[i] ?? 0;
      for (const sequence of group) {
        const token = own ? sampleToken(own, options, sequence.draw(), historyOf(sequence)) : (best?.[i] ?? 0);
        const piece = this.#append(sequence, token, options);
        if (options.logProbabilities) sequence.logProbabilities.push(logOf(token));
        if (own && options.logProbabilities?.top) {
          sequence.topLogProbabilities.push(mostLikely(own, options.logProbabilities.top).map((id) => [id, logOf(id)]));
        }
        if (piece.text !== '' || piece.tokens.length > 0) pieces.push({ request: sequence.request, sample: sequence.sample, ...piece });
      }
    });
    if (pieces.length > 0) options.onPieces?.(pieces);
  }

  /** Takes a sequence's next token, ends the sequence where that is its last, and gives what is certain by now. */
  #append(sequence: Running, token: number, options: GenerationOptions): TextPiece {
    const { text, tokens } = sequence;
    if (options.stopTokens.includes(token)) {
      sequence.finish = 'stop';
      return text?.finish() ?? { text: '', tokens: [] };
    }
    tokens.push(token);
    const piece = text?.push(token) ?? { text: '', tokens: [token] };
    if (text?.stopped) sequence.finish = 'stop';
    const full = tokens.length >= options.maxNewTokens || sequence.length + 1 >= this.sizes.length;
    if (!full || sequence.finish) return piece;
    sequence.finish = 'length';
    const rest = text?.finish() ?? { text: '', tokens: [] };
    return { text: piece.text + rest.text, tokens: [...piece.tokens, ...rest.tokens] };
  }

  /** Uploads pairs (row of the batch, row of the cache) and enough empty pairs to end the last workgroup. */
  #writeCopies(copies: readonly (readonly [number, number])[]): void {
    const { device } = this.#model.gpu;
    const count = Math.min(copies.length + WORKGROUP, this.sizes.slots * this.sizes.length);
    const destinations = new Uint32Array(count).fill(NOWHERE);
    destinations.set(copies.map(([, destination]) => destination));
    upload(device, this.#source, Uint32Array.from(copies, ([source]) => source));
    upload(device, this.#destination, destinations);
  }

  destroy(): void {
    this.#prefill.destroy();
    this.#decode.destroy();
    for (const { key, value } of this.#caches) {
      key.destroy();
      value.destroy();
    }
    for (const buffer of [this.#source, this.#destination, this.#slot, this.#length]) buffer.destroy();
  }
}
