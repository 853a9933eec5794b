/** Timing in turns: everything that is compared runs next to each other, so that other load falls on all of it. */

/** One measurement, in milliseconds for one of what was run. */
export interface Sample {
  readonly wallMs: number;
  /** By the GPU's own clock; null where there is none. */
  readonly gpuMs: number | null;
}

/** Something that takes turns: `run` does it so many times in one submit or call. */
export interface Contestant {
  readonly name: string;
  readonly run: (times: number) => Promise<Sample>;
}

/** Times of one contestant, in milliseconds. */
export interface Timing {
  readonly name: string;
  readonly medianMs: number;
  /** Distance between the first and the third quartile. */
  readonly spreadMs: number;
  /** Samples in order of measurement: entry i of every contestant belongs to the same turn. */
  readonly samples: readonly Sample[];
}

/** A turn holds as many repeats as take about this long, so that submitting and waiting cost nothing beside it. */
const TURN_MS = 20;
const MOST_REPEATS = 256;
/** What one case may take; slow contestants get fewer turns than asked for, but never fewer than LEAST_TURNS. */
const CASE_MS = 6_000;
const LEAST_TURNS = 5;

/** Times all contestants, one after the other, `turns` times round (fewer where they are very slow). */
export async function takeTurns(contestants: readonly Contestant[], turns: number): Promise<Timing[]> {
  const repeats: number[] = [];
  let roundMs = 0;
  for (const { run } of contestants) {
    await run(1);
    const estimate = Math.min((await run(1)).wallMs, (await run(2)).wallMs);
    const count = Math.max(1, Math.min(MOST_REPEATS, Math.round(TURN_MS / estimate)));
    repeats.push(count);
    roundMs += estimate * count;
  }
  const rounds = Math.min(turns, Math.max(LEAST_TURNS, Math.floor(CASE_MS / roundMs)));
  const samples = contestants.map((): Sample[] => []);
  for (let turn = 0; turn < rounds; turn++) {
    for (const [i, { run }] of contestants.entries()) samples[i]?.push(await run(repeats[i] ?? 1));
  }
  return contestants.map(({ name }, i) => timingOf(name, samples[i] ?? []));
}

function timingOf(name: string, samples: readonly Sample[]): Timing {
  const sorted = samples.map(clockMs).toSorted((a, b) => a - b);
  return { name, medianMs: quantile(sorted, 0.5), spreadMs: quantile(sorted, 0.75) - quantile(sorted, 0.25), samples };
}

/** The GPU's own clock where there is one. */
function clockMs({ gpuMs, wallMs }: Sample): number {
  return gpuMs ?? wallMs;
}

/**
 * Median over the turns of how many times as fast `ours` was as `theirs`: load that lasts a turn falls out. Compared by
 * the GPU's clock where both have it, else by the wall's.
 */
export function speedOver(ours: Timing, theirs: Timing): number {
  const ratios = ours.samples.flatMap((our, turn) => {
    const their = theirs.samples[turn];
    if (!their) return [];
    return our.gpuMs !== null && their.gpuMs !== null ? [their.gpuMs / our.gpuMs] : [their.wallMs / our.wallMs];
  });
  return quantile(ratios.toSorted((a, b) => a - b), 0.5);
}

/** Quantile of ascending numbers, linear between neighbours. */
function quantile(sorted: readonly number[], at: number): number {
  const position = (sorted.length - 1) * at;
  const low = sorted[Math.floor(position)] ?? NaN;
  const high = sorted[Math.ceil(position)] ?? NaN;
  return low + (high - low) * (position - Math.floor(position));
}
