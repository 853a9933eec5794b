import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const program = `
  const { writeSync } = await import('node:fs');
  const { withoutWarnings } = await import(${JSON.stringify(new URL('quiet.ts', import.meta.url).href)});
  const write = (text) => writeSync(2, text + '\\n');
  write('before');
  const value = await withoutWarnings(async () => { write('within'); return 'the value'; });
  write(value);
  await withoutWarnings(() => Promise.reject(new Error('what was thrown'))).catch((error) => write(error.message));
  process.stderr.write('after\\n');
`;
const run = (shell: string) =>
  spawnSync('sh', ['-c', shell], { encoding: 'utf8', env: { ...process.env, NODE: process.execPath, PROGRAM: program } }).stdout.trim().split('\n');

it.skipIf(process.platform === 'win32')('holds back what is written to a pipe meanwhile, and nothing after', () => {
  expect(run('"$NODE" --input-type=module -e "$PROGRAM" 2>&1 >/dev/null | cat')).toEqual(['before', 'the value', 'what was thrown', 'after']);
});

it.skipIf(process.platform === 'win32')('leaves a file alone, whose place would be lost', () => {
  expect(run('f=$(mktemp); "$NODE" --input-type=module -e "$PROGRAM" 2>"$f"; cat "$f"; rm "$f"')).toEqual(['before', 'within', 'the value', 'what was thrown', 'after']);
});
