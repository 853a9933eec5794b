/**
 * Models and adapters in the forms that other programs take: GGUF, as llama.cpp reads it, and what Ollama makes a model of.
 * What is written is read again and asked the same as what it came from before it takes its place.
 */

import { existsSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Problem, problemsAs } from '@seal/files';
import { checkVacant, placeWhole, writeDirectory } from '@seal/files/node';
import { isGgufFile, writeGguf } from '@seal/gguf/node';
import {
  ggufAdapter,
  ggufMetadata,
  ggufTensors,
  mergedSource,
  readAdapterDirectory,
  readCheckpoint,
  textDocuments,
  type Checkpoint,
  type GgufDtype,
  type PeftAdapter,
  type WeightSource,
} from '@seal/model';
import { readChatSource } from '@seal/tokenizer/node';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { answersOf, BOUNDS, compareAnswers, compareTexts, type Answers, type Comparison } from './export-check.ts';
import { modelfile, type WrittenModelfile } from './modelfile.ts';
import { checkRequest, type RequestOf } from './request.ts';
import { baseName, endsOfModel, openAdapter, openCheckpoint, openSession, SHIPPED_MODEL, type Session } from './session.ts';

const schema = type({
  'model?': 'string',
  'adapter?': 'string',
  /**
   * `gguf`: the model in one file, the adapter in its weights; `gguf-lora`: the adapter alone; `ollama`, `ollama-lora`: a
   * directory with a Modelfile and the model, the adapter in its weights or in a file of its own.
   */
  as: "'gguf' | 'gguf-lora' | 'ollama' | 'ollama-lora'",
  /** What matrices of a model are written as; f16 if absent. An adapter is f32. */
  'dtype?': "'f32' | 'f16' | 'bf16' | 'q8_0'",
  /** The file, or for Ollama the directory. */
  out: 'string',
});

export type ExportRequest = RequestOf<typeof schema>;

export interface ExportDocument {
  readonly out: string;
  readonly as: ExportRequest['as'];
  /** Of the model; null where the adapter alone was written. */
  readonly dtype: GgufDtype | null;
  readonly files: readonly { readonly name: string; readonly byteLength: number }[];
  readonly adapterDigest: string | null;
  /** How what was written answered beside what it came from: the model's file, the adapter's, or both. */
  readonly checks: Readonly<Record<string, Comparison>>;
  /** What the Modelfile says of the chat template; null where there is none. */
  readonly template: WrittenModelfile['template'] | null;
}

export async function exportModel(request: ExportRequest, deps: Deps, hooks: Hooks = {}): Promise<ExportDocument> {
  const { model: name, adapter: adapterPath, as, dtype, out } = checkRequest(schema, request);
  const keepsAdapter = as.endsWith('-lora');
  const isDirectory = as.startsWith('ollama');
  if (keepsAdapter && adapterPath === undefined) throw new Problem('usage', `Cannot write \`as\` ${as} without \`adapter\`: name the adapter`);
  if (as === 'gguf-lora' && dtype !== undefined) throw new Problem('usage', 'Cannot use `dtype` with `as` gguf-lora: an adapter is written as float32; leave it out');
  if (isDirectory) checkVacant(out, 'a model for Ollama');
  else if (existsSync(out) || out === '') throw new Problem('usage', `Cannot write ${out === '' ? 'a file: `out` is empty' : `${out}: it is there already`}`, { remedy: 'choose another name', place: out });

  const checkpoint = await openCheckpoint(name, deps);
  const { config, source } = checkpoint;
  const adapter = adapterPath === undefined ? null : await openAdapter(adapterPath, { name, config }, hooks);
  const ends = endsOfModel(checkpoint);
  const merged = adapter && !keepsAdapter ? await problemsAs('data', () => mergedSource(source, adapter)) : source;
  const modelDtype = as === 'gguf-lora' ? null : (dtype ?? 'f16');
  const title = nameOf(name ?? SHIPPED_MODEL);
  // What cannot be said is refused before anything is computed.
  const planned = await problemsAs('data', async () => ({
    model: modelDtype && (await plannedModel(checkpoint, { source: merged, title, ends, dtype: modelDtype, signal: hooks.signal })),
    adapter: adapter && keepsAdapter ? ggufAdapter(adapter, config, basename(adapterPath ?? '')) : null,
  }));

  const checks: Record<string, Comparison> = {};
  const files: { name: string; byteLength: number }[] = [];
  let template: WrittenModelfile['template'] | null = null;
  const write = async (temporary: string): Promise<void> => {
    const modelPath = isDirectory ? join(temporary, 'model.gguf') : temporary;
    const adapterPathWritten = isDirectory ? join(temporary, 'adapter.gguf') : temporary;
    for (const [path, file] of [[modelPath, planned.model], [adapterPathWritten, planned.adapter]] as const) {
      if (file) await problemsAs('data', () => writeGguf(path, file.metadata, file.tensors));
    }
    if (isDirectory) {
      const { tokenizer, chat } = checkpoint;
      const made = modelfile({ from: 'model.gguf', adapter: keepsAdapter ? 'adapter.gguf' : undefined, tokenizer, chat, ends });
      writeFileSync(join(temporary, 'Modelfile'), made.text);
      template = made.template;
    }
    const wanted = { adapter, keepsAdapter, written: planned.adapter ? adapterPathWritten : null, isModelWritten: modelDtype !== null };
    const answers = await originalAnswers(checkpoint, wanted, deps, hooks);
    if (answers.adapter) checks['adapter'] = compareAnswers(...answers.adapter, BOUNDS.f32);
    if (modelDtype && answers.model) checks['model'] = await checkModel(checkpoint, modelPath, answers.model, modelDtype, deps, hooks);
    for (const file of isDirectory ? ['model.gguf', ...(keepsAdapter ? ['adapter.gguf'] : []), 'Modelfile'] : ['']) {
      files.push({ name: file === '' ? basename(out) : file, byteLength: statSync(file === '' ? temporary : join(temporary, file)).size });
    }
  };
  await (isDirectory ? writeDirectory(out, write) : placeWhole(out, write));
  return { out, as, dtype: modelDtype, files, adapterDigest: adapter?.digest ?? null, checks, template };
}

interface PlannedModel {
  readonly source: WeightSource;
  readonly title: string;
  readonly ends: readonly number[];
  readonly dtype: GgufDtype;
  readonly signal: AbortSignal | undefined;
}

/** Metadata and tensors of a model's file. Throws RangeError for what has no place there. */
async function plannedModel({ config, directory }: Checkpoint, { source, title, ends, dtype, signal }: PlannedModel) {
  const texts = isGgufFile(directory) ? null : textDocuments(directory, config.vocabSize, ends, await readChatSource(directory));
  const { metadata, extra } = ggufMetadata({ config, directory, name: title, texts }, dtype);
  return { metadata, tensors: [...extra, ...ggufTensors(source, config, dtype, signal)] };
}

/** What a file is called that knows no paths. */
function nameOf(model: string): string {
  return basename(baseName(model)).replace(/\.gguf$/i, '');
}

/** Who is asked before a model's file is. */
interface Asked {
  readonly adapter: PeftAdapter | null;
  readonly keepsAdapter: boolean;
  /** The adapter's file, where one was written. */
  readonly written: string | null;
  readonly isModelWritten: boolean;
}

/** Answers of the model as it was to be written, and of its adapter and the file that was written of it. */
interface OriginalAnswers {
  readonly model: Answers | null;
  readonly adapter: readonly [original: Answers, written: Answers] | null;
}

async function originalAnswers(checkpoint: Checkpoint, { adapter, keepsAdapter, written, isModelWritten }: Asked, deps: Deps, hooks: Hooks): Promise<OriginalAnswers> {
  return withSession(checkpoint, deps, hooks, async ({ model }) => {
    const ask = (own: PeftAdapter | null) => answersOf(model, checkpoint, own, hooks.signal);
    return {
      model: isModelWritten ? await ask(keepsAdapter ? null : adapter) : null,
      adapter: written === null ? null : [await ask(adapter), await ask(readAdapterDirectory(written, checkpoint.config))],
    };
  });
}

async function checkModel(original: Checkpoint, path: string, answers: Answers, dtype: GgufDtype, deps: Deps, hooks: Hooks): Promise<Comparison> {
  const written = await readCheckpoint(path);
  compareTexts(original, written, [endsOfModel(original), endsOfModel(written)]);
  const found = await withSession(written, deps, hooks, ({ model }) => answersOf(model, written, null, hooks.signal));
  const comparison = compareAnswers(answers, found, BOUNDS[dtype]);
  for (const { prompt, after, margin } of comparison.partings) {
    note(hooks, `Note: rounded to ${dtype}, the model goes on otherwise behind ${JSON.stringify(prompt)} after ${after} tokens, where two were ${margin.toFixed(3)} nats apart`);
  }
  return comparison;
}

async function withSession<T>(checkpoint: Checkpoint, deps: Deps, hooks: Hooks, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(checkpoint, deps, {}, hooks);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}
