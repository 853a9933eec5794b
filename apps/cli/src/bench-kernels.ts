/** `seal bench kernels`: every op alone, against the adapter's ceilings and, with --peers, against other libraries. */

import { join } from 'node:path';
import { writeWhole } from '@seal/files/node';
import { Problem, problemsAs } from '@seal/files';
import { openDevice } from '@seal/engine/session';
import { benchKernels, kernelLine, knownPeers, Peers } from '@seal/benchmarks';
import { peerPython } from './bench-training.ts';
import { cacheFolder, deps } from './deps.ts';
import type { CommandOf } from './options.ts';
import { stopSignal } from './stop.ts';
import { print, say } from './terminal.ts';
import { dawnVersion, packageVersion, sourceCommit } from './version.ts';
import { inWords } from './words-of-problems.ts';

type Command = CommandOf<'bench'>;

/** Rows go to stdout for people as they come, to stderr where stdout is a document. */
export async function kernels(command: Command): Promise<void> {
  const { filter, out, json } = command;
  const gpu = await openDevice(deps(command));
  const { signal, dispose } = stopSignal(undefined);
  const peers = command.peers ? await openPeers(command) : null;
  try {
    const result = await problemsAs('training', () =>
      benchKernels(gpu, {
        commit: sourceCommit() ?? null,
        versions: { seal: packageVersion(), ...(gpu.description.backend === 'dawn' && { webgpu: dawnVersion() }) },
        ...(filter !== undefined && { filter: (name: string) => name.includes(filter) }),
        ...(peers && { peers }),
        signal,
        onRow: (row) => (json ? say : print)(kernelLine(row)),
      }),
    );
    if (result.rows.length === 0) throw new Problem('usage', `Cannot measure ${filter}: no case has that in its op, layout and shape`);
    const document = JSON.stringify(result);
    const { gflops, gbps } = result.ceilings;
    // What was measured is shown even where the file cannot be written.
    print(json ? document : `Ceilings: ${gflops} GFLOP/s in registers, ${gbps} GB/s copied; by ${result.clock}`);
    if (out !== undefined) writeWhole(out, `${document}\n`);
  } finally {
    dispose();
    peers?.close();
    gpu.close();
  }
}

/** Those that do not start are left out; their records say why. */
async function openPeers({ python }: Command): Promise<Peers> {
  const found = await peerPython(python, ['torch']);
  const folder = join(cacheFolder(), 'peers');
  say(`Installing other libraries to ${folder} where they are not there yet`);
  return Peers.open(knownPeers(folder, found ?? null), (line) => say(inWords(line)));
}
