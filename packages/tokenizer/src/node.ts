/** What needs Node's modules, which Bun and Deno have too: the files of a model directory. */

export { readChatSource, readTextSide, type TextSide } from './text-files.ts';
