/**
 * The types that tensors of a GGUF file have: elements in blocks, each block so many bytes. The numbers are those of
 * `ggml_type` in ggml.h.
 */

/** How many elements a block has, and how many bytes. */
export interface BlockShape {
  readonly elements: number;
  readonly bytes: number;
}

/** The types that are read. */
export const BLOCKS = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
  Q5_0: { elements: 32, bytes: 22 },
  Q5_1: { elements: 32, bytes: 24 },
  Q8_0: { elements: 32, bytes: 34 },
  Q2_K: { elements: 256, bytes: 84 },
  Q3_K: { elements: 256, bytes: 110 },
  Q4_K: { elements: 256, bytes: 144 },
  Q5_K: { elements: 256, bytes: 176 },
  Q6_K: { elements: 256, bytes: 210 },
  IQ4_NL: { elements: 32, bytes: 18 },
  IQ4_XS: { elements: 256, bytes: 136 },
} as const satisfies Readonly<Record<string, BlockShape>>;

/** A type that is read. */
export type GgufType = keyof typeof BLOCKS;

/** Names by number; null where a number stands for nothing any more. */
const NAMES: readonly (string | null)[] = [
  'F32', 'F16', 'Q4_0', 'Q4_1', null, null, 'Q5_0', 'Q5_1', 'Q8_0', 'Q8_1',
  'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_K', 'IQ2_XXS', 'IQ2_XS', 'IQ3_XXS', 'IQ1_S',
  'IQ4_NL', 'IQ3_S', 'IQ2_S', 'IQ4_XS', 'I8', 'I16', 'I32', 'I64', 'F64', 'IQ1_M',
  'BF16', null, null, null, 'TQ1_0', 'TQ2_0', null, null, null, 'MXFP4',
  'NVFP4', 'Q1_0',
];

/** Whether tensors of a type are read. */
export function isReadType(name: string): name is GgufType {
  return Object.hasOwn(BLOCKS, name);
}

/** The name of a type by its number; of one that is not known, the number. */
export function typeName(number: number): string {
  return NAMES[number] ?? `number ${number}`;
}

/** The number of a type. */
export function typeNumber(type: GgufType): number {
  return NAMES.indexOf(type);
}

/** Bytes of a row of `columns` elements, which is a multiple of the type's block. */
export function rowBytes(type: GgufType, columns: number): number {
  const { elements, bytes } = BLOCKS[type];
  return (columns / elements) * bytes;
}
