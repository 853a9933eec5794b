export { dequantise } from './blocks.ts';
export { huggingFaceConfig } from './config.ts';
export { parseGguf, type GgufHeader, type GgufTensor } from './header.ts';
export type { GgufInput } from './cursor.ts';
export { Metadata, type GgufArray, type GgufValue } from './metadata.ts';
export { ggufName, huggingFaceName, isPermuted, permutedRow } from './names.ts';
export { quantise, WRITTEN_TYPES, type WrittenType } from './quantise.ts';
export { BLOCKS, rowBytes, type BlockShape, type GgufType } from './types.ts';
