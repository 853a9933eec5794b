/** What ends a command other than success, and the exit code that says so. */

import { DeviceLostError, GpuError, NoAdapterError } from '@seal/device';
import { HubError } from '@seal/hub';
import { CheckpointError } from '@seal/model';
import { ConfigMismatchError, DiskFullError, RunHeldError } from '@seal/runs';

/** Exit codes of every command. */
export const EXIT = { ok: 0, usage: 2, data: 3, unavailable: 4, training: 5, resumable: 75 } as const;

/** A failure whose kind is known where it happened. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The reason a command was stopped by Ctrl-C or --max-time; what it did so far is kept. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** An error as it is, but a stop with what it leaves and how to go on. */
export function afterStop(error: unknown, rest: string): unknown {
  return error instanceof Stopped ? new Stopped(`${error.message}; ${rest}`) : error;
}

/** Runs `work`; what it throws ends the command with `exitCode`, unless it says better itself. */
export async function orExit<T>(exitCode: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure || error instanceof Stopped || knownExitCode(error) !== null) throw error;
    throw new Failure(exitCode, messageOf(error), { cause: error });
  }
}

function knownExitCode(error: unknown): number | null {
  if (error instanceof Failure) return error.exitCode;
  if (error instanceof Stopped) return EXIT.resumable;
  if (error instanceof NoAdapterError || error instanceof CheckpointError) return EXIT.unavailable;
  if (error instanceof DeviceLostError || error instanceof GpuError) return EXIT.training;
  if (error instanceof ConfigMismatchError || error instanceof RunHeldError) return EXIT.usage;
  if (error instanceof HubError) return error.problem === 'disk-full' ? EXIT.resumable : EXIT.unavailable;
  if (error instanceof DiskFullError) return EXIT.resumable;
  return null;
}

/** Exit code of anything thrown. */
export function exitCodeOf(error: unknown): number {
  return knownExitCode(error) ?? EXIT.training;
}

/** One message for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
