// Bindings of the three layouts with operands as vec4s, and the store of one vec4 of C with bias and accumulation. Rows
// of A are lda apart as it is stored, those of C ldc.
const code: string = /* wgsl */ `
struct Params { m: u32, n: u32, k: u32, accumulate: u32, has_bias: u32, lda: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

// Writes columns 4 * column .. 4 * column + 3 of one row; nothing outside of C.
fn store(row: u32, column: u32, sum: vec4f) {
  let n4 = params.n / 4u;
  if (row >= params.m || column >= n4) { return; }
  let at = row * (params.ldc / 4u) + column;
  var value = sum;
  if (params.has_bias != 0u) { value += bias[column]; }
  if (params.accumulate != 0u) { value += c[at]; }
  c[at] = value;
}
`;
export default code;
