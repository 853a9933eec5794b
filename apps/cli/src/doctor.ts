/** `seal doctor`: runtime, adapter, a check that it computes, the model, what it will take, and the kernels that run. */

import { MOST_ADAPTERS, plan, type ModelCheck, type Plan, type PlanDocument } from '@seal/engine/plan';
import type { Capacity } from '@seal/model';
import type { CommandOf } from './options.ts';
import { kept, perform } from './perform.ts';
import { EXIT, inWords } from './words-of-problems.ts';

/** Returns exit code 4 where the device does not compute or the model cannot be read. */
export async function doctor(command: CommandOf<'doctor'>): Promise<number> {
  const { command: _, json: __, verbose: ___, out, ...request } = command;
  const { ok } = await perform(command, async (deps, hooks) => kept(out, await plan(request, deps, hooks)), (document) => lines(document).join('\n'), { stops: false });
  return ok ? EXIT.ok : EXIT.unavailable;
}

function lines({ version, runtime, device: { ok, gpu, problem }, model, plan: planned, kernels }: PlanDocument): string[] {
  const row = (name: string, text: string) => name.padEnd(12) + text;
  return [
    row('seal', `${version} on ${runtime}`),
    ...(gpu
      ? [
          row('adapter', `${gpu.description} (${gpu.class})`),
          row('subgroups', gpu.subgroupSize ? `${gpu.subgroupSize} lanes` : 'not usable'),
          row('features', gpu.features.join(', ') || 'none'),
        ]
      : []),
    row('device', ok ? 'computes correctly' : String(problem)),
    row('model', modelLine(model)),
    ...(planned ? planLines(planned) : []).map(([name, text]) => row(name, text)),
    row('kernels', kernels.source === 'tuned' ? 'as seal tune measured' : 'defaults for this class of adapter'),
    ...(kernels.choices.length > 0 ? [row('', variantsByOp(kernels.choices))] : []),
  ];
}

/** `matmul-nt subgroup-8, rms-norm subgroup`: every op once, with all the variants it runs as. */
function variantsByOp(choices: PlanDocument['kernels']['choices']): string {
  const byOp = Map.groupBy(choices, ({ op }) => op);
  return [...byOp].map(([op, all]) => `${op} ${[...new Set(all.map(({ variant }) => variant))].join('|')}`).join(', ');
}

/** `1.20 GiB`, and smaller ones in MiB. */
function shown(bytes: number): string {
  return bytes >= 2 ** 29 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** `59.9 TFLOP`, in steps of a thousand. */
function shownFlops(flops: number): string {
  const power = Math.min(Math.max(Math.floor(Math.log10(flops) / 3), 2), 5);
  return `${(flops / 1_000 ** power).toPrecision(3)} ${'MGTP'.charAt(power - 2)}FLOP`;
}

/** The model and its files in one line. */
function modelLine({ directory, family, parameters, vocabulary, files, problem }: ModelCheck): string {
  if (problem !== null) return inWords(problem);
  const held = files ? `${files.dtypes.join(' and ')} files of ${shown(files.byteLength)}` : 'no weights, planned from config.json alone';
  return `${family}, ${parameters} parameters, ${vocabulary} tokens, ${held}, in ${directory}`;
}

const PARTS = [
  ['weights', 'weights'],
  ['adapters', 'adapters'],
  ['optimiser', 'gradients and moments'],
  ['activations', 'a training step'],
  ['cache', 'keys and values'],
  ['inference', 'reading and answering'],
  ['other', 'tables and staging'],
] as const;

/** The plan as lines of two columns. */
function planLines({ weights, pack, rank, sequence, tokens, limits, kept, recomputed, flopsPerStep, budget }: Plan): (readonly [string, string])[] {
  const both = (pick: (capacity: Capacity) => number) =>
    [kept, recomputed].map((measured) => (measured.problem === null ? shown(pick(measured)) : 'impossible').padStart(12)).join('');
  const computed = [flopsPerStep.kept, flopsPerStep.recomputed].map((flops) => shownFlops(flops).padStart(12)).join('');
  const within = `every buffer and binding is within those of ${limits.of} (${shown(limits.binding)} a binding, ${shown(limits.buffer)} a buffer)`;
  const rows: (readonly [string, string])[] = [
    ['plan', `${weights} weights, ${pack} adapters of rank ${rank}, ${tokens} tokens a step, ${pack} answers of ${sequence} tokens`],
    ['', `${'activations'.padEnd(24)}${'kept'.padStart(12)}${'recomputed'.padStart(12)}`],
    ...PARTS.map(([part, name]) => ['', name.padEnd(24) + both(({ parts }) => parts[part])] as const),
    ['', 'together'.padEnd(24) + both(({ byteLength }) => byteLength)],
    ['', 'a step computes'.padEnd(24) + computed],
    ['limits', recomputed.problem ?? kept.problem ?? within],
  ];
  if (!budget) return rows;
  const answers = { kept: 'fits', recomputed: 'fits with --recompute', no: 'does not fit' };
  const source = budget.source === 'request' ? '' : ', the memory of this machine';
  const adapters = budget.largestPack === MOST_ADAPTERS ? `${MOST_ADAPTERS} adapters and more` : `${budget.largestPack} adapters`;
  return [
    ...rows,
    ['memory', `${answers[budget.fits]} into ${shown(budget.byteLength)}${source}`],
    ['', `largest with recomputation: ${adapters}, or sequences of ${budget.largestSequence} tokens`],
  ];
}
