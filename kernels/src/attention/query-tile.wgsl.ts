// What the two kernels that own a tile of queries (workgroup-tile.wgsl.ts) keep of it, and how they read keys and values.
const code: string = /* wgsl */ `
// The tile's head, its first query, the queries [rows.x, rows.y) of the sequence at work, and the block's first key.
var<private> head: u32;
var<private> first: u32;
var<private> rows: vec2u;
var<private> block: u32;

fn load_column(operand: u32, column: u32, d: u32) -> vec4f {
  let s = block + column;
  if (s >= rows.y || d >= D4) { return vec4f(); }
  let at = (s * params.k + head * params.k / params.h) * D4 + d;
  if (operand == 0u) { return k[at]; }
  return v[at];
}
`;
export default code;
