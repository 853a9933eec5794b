/** Rows whose logits exist at once. */

/** Bytes that the logits of a chunk may take. */
const CHUNK_BYTES = 32 * 1024 * 1024;
/** Chunks start at multiples of this many rows, so that every operand's offset is a multiple of 256 bytes. */
const ROW_MULTIPLE = 64;

/** Rows of `rows` whose logits over V words are held at once: 64 where 64 take more than 32 MiB. */
export function chunkRows(V: number, rows: number): number {
  const fitting = Math.floor(CHUNK_BYTES / (4 * V) / ROW_MULTIPLE) * ROW_MULTIPLE;
  return Math.min(rows, Math.max(fitting, ROW_MULTIPLE));
}

/** The same for T rows in chunks of one size, where there is one. */
export function evenChunkRows(V: number, T: number): number {
  const most = chunkRows(V, T);
  if (most === T || T % ROW_MULTIPLE !== 0) return most;
  let rows = Math.floor(most / ROW_MULTIPLE) * ROW_MULTIPLE;
  while (T % rows !== 0) rows -= ROW_MULTIPLE;
  return rows;
}
