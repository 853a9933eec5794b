/** What needs Node's modules, which Bun and Deno have too. */

export { isGgufFile, openGguf, readBytes, type Gguf, type LocatedTensor } from './file.ts';
export { huggingFaceFiles } from './documents.ts';
export { writeGguf, type WrittenTensor } from './writer.ts';
