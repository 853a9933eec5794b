/** Inputs that went wrong for users of such tools, with what is right; they are not part of the repository. */

import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { seal } from './cli/seal.ts';

interface Case {
  readonly name: string;
  readonly base?: string;
  readonly command: string;
  readonly right: { readonly json: unknown; readonly within?: number };
}

/** Cases that are known and not mended yet: each of them must fail, so that it leaves this list when it is. */
const OPEN: readonly string[] = [];

const folder = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'cases');
const list = join(folder, 'cases.json');
const cases = existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Case[]) : [];
const root = mkdtempSync(join(tmpdir(), 'seal-cases-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Lays a case out, runs its commands and gives what the last one printed. */
async function run({ name, base, command }: Case): Promise<unknown> {
  const place = join(root, name);
  if (base !== undefined) cpSync(join(folder, base), join(place, 'model'), { recursive: true });
  cpSync(join(folder, name), place, { recursive: true });
  let printed = '';
  for (const line of command.split(' && ')) {
    const { code, stdout, stderr } = await seal(line.split(' ').slice(1).map((word) => word.replace('CASE', place)));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    printed = stdout;
  }
  return JSON.parse(printed);
}

/** Fails where a value is not what is right: keys that it lacks are free, null is anything. */
function check(value: unknown, right: unknown, within: number, place = 'it'): void {
  if (right === null) return;
  if (typeof right === 'number') {
    expect(Math.abs(Number(value) - right), `${place} is ${String(value)}, right is ${right}`).toBeLessThanOrEqual(within);
  } else if (typeof right === 'object') {
    if (Array.isArray(right)) expect(value, place).toHaveLength(right.length);
    for (const [key, item] of Object.entries(right)) check((value as Record<string, unknown> | null)?.[key], item, within, `${place}.${key}`);
  } else {
    expect(value, place).toBe(right);
  }
}

if (cases.length === 0) it.skip(`cases: ${list} is absent, it is not part of the repository`, () => {});
for (const one of cases) {
  const test = OPEN.includes(one.name) ? it.fails : it;
  test(one.name, async () => check(await run(one), one.right.json, one.right.within ?? 0), 60_000);
}
