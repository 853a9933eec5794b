/** `seal merge`: a model with an adapter in its weights, written as a whole model. */

import { checkVacant } from '@seal/files/node';
import { Problem, problemsAs } from '@seal/files';
import { mergedSource } from '@seal/model';
import { openAdapter } from './adapters.ts';
import { fromDirectory, writeModel, type NumberDtype } from './convert.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, SHIPPED_MODEL } from './session.ts';
import { counted, megabytes, print } from './terminal.ts';

const OWN: Readonly<Record<string, NumberDtype>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

export async function merge({ model: name = SHIPPED_MODEL, adapter: adapterDirectory, dtype, out, json }: CommandOf<'merge'>): Promise<void> {
  checkVacant(out, 'a model');
  const { config, directory, format, source } = await openCheckpoint(name);
  const adapter = await openAdapter(adapterDirectory, { name, config });
  if (format !== 'f32' && dtype === undefined) {
    throw new Problem('usage',
      `Cannot merge into ${directory} as it is: its matrices are packed as ${format}, and packing them again would lose more; choose --dtype`,
    );
  }
  // The dtype of the largest matrix; norms are sometimes kept wider.
  const own = OWN[source.tensors.get('model.embed_tokens.weight')?.dtype ?? 'F32'];
  const form = dtype ?? own ?? 'f32';
  const original = await fromDirectory(directory);
  const merged = await problemsAs('data', () => mergedSource(original.source, adapter));
  const { files, byteLength } = await writeModel(out, { ...original, source: merged }, form);
  const document = {
    out,
    dtype: form,
    adapterDigest: adapter.digest,
    modules: adapter.modules.length,
    tensors: merged.tensors.size,
    weightFiles: files,
    weightBytes: byteLength,
  };
  print(
    json
      ? JSON.stringify(document)
      : `Adapter of ${counted(adapter.modules.length, 'module')} merged into ${out}: ${counted(merged.tensors.size, 'tensor')} as ${form}, ${megabytes(byteLength)}`,
  );
}
