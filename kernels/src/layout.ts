/** How ops lay rows and elements over invocations; the WGSL beside each op says the same in its header. */

import { ceilDiv, fold, type AdapterProfile } from './op.ts';

/** Rows of one workgroup. */
const ROWS = 8;

/**
 * One subgroup per row, ROWS rows a workgroup; the WGSL takes `override WIDTH, ROWS: u32` and may use subgroup
 * built-ins. Adapters whose subgroup is wider than 32 or not known take another variant.
 */
export function subgroupPerRow<Z>(rows: (sizes: Z) => number, fits: (sizes: Z) => boolean = () => true) {
  return {
    name: 'subgroup',
    needs: ['subgroups'] as const,
    constants: (_: Z, { subgroupSize }: AdapterProfile) => ({ WIDTH: subgroupSize ?? 1, ROWS }),
    supports: ({ subgroupSize }: AdapterProfile, sizes: Z) => (subgroupSize ?? 64) <= 32 && fits(sizes),
    workgroups: (sizes: Z) => fold(ceilDiv(rows(sizes), ROWS)),
  };
}

/** Elements from which on a row is worth more than one subgroup. */
const LONG_ROW = 1_024;

/**
 * 256 invocations compute one row, for rows of at least `LONG_ROW` elements and where `subgroupPerRow` cannot run; the WGSL
 * takes row-reduction.wgsl.ts before it.
 */
export function workgroupPerRow<Z>(rows: (sizes: Z) => number, width: (sizes: Z) => number) {
  return {
    name: 'workgroup',
    workgroupBytes: () => 1_024,
    suits: ({ subgroupSize }: AdapterProfile, sizes: Z) => width(sizes) >= LONG_ROW || (subgroupSize ?? 64) > 32,
    workgroups: (sizes: Z) => fold(rows(sizes)),
  };
}

/** Rows that one subgroup takes one after another in `rowsPerSubgroup`. */
const RUN = 16;
/** Numbers of a row that the lanes of a subgroup can hold in registers. */
const HELD = 512;

/**
 * One subgroup of exactly 8 lanes takes ROWS rows one after another and holds each in registers: a lane has HELD vec4s of
 * a row of `width` numbers, a multiple of 4. The WGSL takes `const HELD, ROWS` from the prelude. On a software adapter a
 * loop of rows is cheaper than workgroups of one row.
 */
export function rowsPerSubgroup<Z>(rows: (sizes: Z) => number, width: (sizes: Z) => number) {
  return {
    name: 'subgroup-8',
    needs: ['subgroups'] as const,
    prelude: (sizes: Z) => `const HELD = ${ceilDiv(width(sizes), 32)}u;\nconst ROWS = ${RUN}u;\n`,
    supports: ({ subgroupSize }: AdapterProfile, sizes: Z) => subgroupSize === 8 && width(sizes) % 4 === 0 && width(sizes) <= HELD,
    workgroups: (sizes: Z) => fold(ceilDiv(rows(sizes), RUN)),
  };
}

/** WIDTH invocations walk one row of vec4s side by side, ROWS rows a workgroup; no subgroup built-ins. */
export function lanesPerRow<Z>(rows: (sizes: Z) => number, fits: (sizes: Z) => boolean) {
  return {
    name: 'vec4',
    constants: (_: Z, { subgroupSize }: AdapterProfile) => ({ WIDTH: Math.min(subgroupSize ?? 32, 32), ROWS }),
    supports: (_: AdapterProfile, sizes: Z) => fits(sizes),
    workgroups: (sizes: Z) => fold(ceilDiv(rows(sizes), ROWS)),
  };
}

/** One invocation computes one row. */
export function invocationPerRow<Z>(rows: (sizes: Z) => number) {
  return { name: 'plain', workgroups: (sizes: Z) => fold(ceilDiv(rows(sizes), 64)) };
}

/**
 * One invocation computes REPEAT vec4s of neighbouring elements, whose count must be a multiple of 4; the WGSL takes
 * `override REPEAT: u32` and strides by its workgroup of 64. On a software adapter a loop of 16 halves the time of 16
 * invocations; a GPU wants the invocations.
 */
export function vec4Layouts<Z>(elements: (sizes: Z) => number) {
  const layout = (name: string, repeat: number, fits: (profile: AdapterProfile) => boolean) => ({
    name,
    constants: (): Record<string, number> => ({ REPEAT: repeat }),
    supports: (profile: AdapterProfile, sizes: Z) => fits(profile) && elements(sizes) % 4 === 0,
    workgroups: (sizes: Z) => fold(ceilDiv(elements(sizes), 4 * 64 * repeat)),
  });
  return [
    layout('vec4-run', 16, ({ subgroupSize }) => subgroupSize !== null && subgroupSize <= 8),
    layout('vec4', 1, () => true),
  ];
}

/** One invocation computes one element. */
export function invocationPerElement<Z>(elements: (sizes: Z) => number) {
  return { name: 'plain', workgroups: (sizes: Z) => fold(ceilDiv(elements(sizes), 256)) };
}
