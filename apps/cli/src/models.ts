/** `seal convert`, `seal merge`, `seal export`, `seal pull` and `seal words`: models and their words. */

import { counted } from '@seal/report/text';
import type { CommandOf } from './options.ts';
import { perform } from './perform.ts';
import { megabytes } from './terminal.ts';

export async function convertModel(command: CommandOf<'convert'>): Promise<void> {
  const { convert } = await import('@seal/engine/convert');
  const { command: _, json: __, ...request } = command;
  await perform(command, (deps, hooks) => convert(request, deps, hooks), ({ out, storedAs, tensors, weightFiles, weightBytes }) =>
    `${counted(tensors, 'tensor')} as ${storedAs} in ${out}: ${megabytes(weightBytes)} in ${counted(weightFiles.length, 'file')}`,
  );
}

export async function mergeModel(command: CommandOf<'merge'>): Promise<void> {
  const { merge } = await import('@seal/engine/convert');
  const { command: _, json: __, ...request } = command;
  await perform(command, (deps, hooks) => merge(request, deps, hooks), ({ out, dtype, modules, tensors, weightBytes }) =>
    `Adapter of ${counted(modules, 'module')} merged into ${out}: ${counted(tensors, 'tensor')} as ${dtype}, ${megabytes(weightBytes)}`,
  );
}

export async function exportModel(command: CommandOf<'export'>): Promise<void> {
  const engine = await import('@seal/engine/export');
  const { command: _, json: __, ...request } = command;
  await perform(command, (deps, hooks) => engine.exportModel(request, deps, hooks), ({ out, files, checks }) => {
    const same = Object.entries(checks).map(([what, { prompts, tokens, largestDifference }]) =>
      `  the ${what} says the same: ${counted(tokens, 'token')} of ${counted(prompts, 'prompt')}, log-probabilities within ${largestDifference.toPrecision(2)} nats`,
    );
    return [`Written to ${out}`, ...files.map(({ name, byteLength }) => `  ${name}  ${megabytes(byteLength)}`), ...same].join('\n');
  });
}

export async function pullModel(command: CommandOf<'pull'>): Promise<void> {
  const { pull } = await import('@seal/engine/pull');
  await perform(command, (deps, hooks) => pull({ name: command.name }, deps, hooks), ({ name, commit, files, receivedBytes, directory }) => {
    const lines = files.map(({ path, byteLength, status }) => `  ${path}  ${megabytes(byteLength)}${status === 'loaded' ? '' : `  ${status}`}`);
    return [`${name} at ${commit}`, ...lines, `${megabytes(receivedBytes)} loaded into ${directory}`].join('\n');
  });
}

export async function listWords(command: CommandOf<'words'>): Promise<void> {
  const { words } = await import('@seal/engine/vocabulary');
  await perform(command, words, (roles) => Object.values(roles).map(({ role, words: own }) => `${role}\n  ${own.join(', ')}`).join('\n\n'), { stops: false });
}
