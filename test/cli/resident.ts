/** A process that runs one command line of `seal` after another: arguments come as messages, how they ended goes back. */

import { runCommand } from '@seal/cli';

const written = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const) {
  const keep = (text: string | Uint8Array): boolean => {
    written[name] += typeof text === 'string' ? text : new TextDecoder().decode(text);
    return true;
  };
  process[name].write = keep as typeof process.stdout.write;
}

let last: Promise<unknown> = Promise.resolve();
process.on('message', (args: string[]) => {
  last = last.then(async () => {
    written.stdout = '';
    written.stderr = '';
    const code = await runCommand(args);
    process.send?.({ code, signal: null, ...written });
  });
});
process.on('disconnect', () => process.exit());
