/** `seal tune`: measures the variants of the kernels on this adapter and keeps the fastest for later commands. */

import { tune as measure } from '@seal/engine/tune';
import type { CommandOf } from './options.ts';
import { perform } from './perform.ts';
import { print, say } from './terminal.ts';

export async function tune(command: CommandOf<'tune'>): Promise<void> {
  const { model, f16, forget, json } = command;
  await perform(command, (deps, hooks) => measure({ model, f16, forget }, deps, hooks), (document) => {
    if ('forgotten' in document) return document.forgotten ? `Removed ${document.file}` : `Nothing was measured on ${document.adapter}`;
    const { rows, changed, file } = document;
    return `${rows.length} shapes measured, ${changed} of them faster with another variant than the usual one; kept in ${file}`;
  }, { line: json ? say : print });
}
