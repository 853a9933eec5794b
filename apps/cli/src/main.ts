#!/usr/bin/env node
/** The `seal` command: a process that runs one command line. */

import { messageOf } from '@seal/files';
import { runCommand } from './command-line.ts';
import { say } from './terminal.ts';
import { EXIT } from './words-of-problems.ts';

// Whoever read the document has enough of it, as head has: there is nothing left to do, and nothing to complain of.
process.stdout.on('error', (error) => {
  if ('code' in error && error.code === 'EPIPE') process.exit();
  say(`seal: Cannot write to stdout: ${messageOf(error)}`);
  process.exit(EXIT.resumable);
});
process.stderr.on('error', () => undefined);

const code = await runCommand(process.argv.slice(2));
// The device's driver threads may outlive the device; nothing is left to wait for.
process.stdout.write('', (error) => {
  if (!error) process.exit(code);
});
