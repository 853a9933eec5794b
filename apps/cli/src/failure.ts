/** The exit code of every kind of problem. */

import { kindOf, type ProblemKind } from '@seal/files';

/** Exit codes of every command; `fault` is EX_SOFTWARE and `resumable` EX_TEMPFAIL of sysexits.h. */
export const EXIT: Readonly<Record<'ok' | ProblemKind, number>> = { ok: 0, usage: 2, data: 3, unavailable: 4, training: 5, fault: 70, resumable: 75 };

/** Exit code of anything thrown. */
export function exitCodeOf(error: unknown): number {
  return EXIT[kindOf(error) ?? 'fault'];
}
