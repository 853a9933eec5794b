/** Real models that are no part of the repository, and their logits as gguf/logits.py recorded them. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Model } from '@seal/model';
import { readJson, relativeL2, scoreLogits } from './fixture.ts';

/** A file in the folder of real models, and why a test of it is skipped. */
export function realModel(name: string): { readonly path: string; readonly because: string | null; readonly why: string } {
  const path = join(process.env['SEAL_REAL_MODELS'] ?? 'real-models', name);
  const because = existsSync(path) ? null : `${path} is absent, it is not part of the repository`;
  return { path, because, why: because === null ? '' : `: ${because}` };
}

interface Recorded {
  readonly rows: readonly { readonly prompt: string; readonly ids: number[]; readonly top: [id: number, logit: number][]; readonly every97th: number[] }[];
}

/** Compares what a model gives behind the last token of every recorded prompt. */
export async function expectLogits(model: Model, file: string, bound: number): Promise<void> {
  const { rows } = readJson(new URL(file, import.meta.url)) as Recorded;
  const V = model.config.vocabSize;
  for (const { prompt, ids, top, every97th } of rows) {
    const [logits] = await scoreLogits(model, null, [[{ tokens: ids }]]);
    const last = logits.subarray((ids.length - 1) * V, ids.length * V);
    const best = [...last.keys()].toSorted((a, b) => last[b] - last[a]).slice(0, top.length);
    expect(best, prompt).toEqual(top.map(([id]) => id));
    expect(relativeL2(best.map((id) => last[id]), top.map(([, logit]) => logit)), prompt).toBeLessThanOrEqual(bound);
    expect(relativeL2(every97th.map((_, i) => last[97 * i]), every97th), prompt).toBeLessThanOrEqual(bound);
  }
}
