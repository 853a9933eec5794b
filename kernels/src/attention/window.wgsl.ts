// What a sliding window leaves of a sequence, for the kernels of this folder: query t sees the last params.window keys up
// to itself, or with a window of 0 all from the sequence's start.
const code: string = /* wgsl */ `
// The first key that query t of a sequence from start on sees.
fn first_key(start: u32, t: u32) -> u32 {
  return select(max(start, t + 1u - min(params.window, t + 1u)), start, params.window == 0u);
}

// The first block of keys, in steps of size from start on, of which query t sees any.
fn first_block(start: u32, t: u32, size: u32) -> u32 {
  return start + (first_key(start, t) - start) / size * size;
}

// One past the last query of a sequence up to end that sees key s.
fn query_end(end: u32, s: u32) -> u32 {
  return select(min(end, s + min(params.window, params.t)), end, params.window == 0u);
}
`;
export default code;
