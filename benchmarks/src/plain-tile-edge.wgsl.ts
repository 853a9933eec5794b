// C = A B, or with TRANSPOSED C = A B^T, by the yardstick's tile: 4 rows by 8 columns an invocation, vec4 loads, four
// values of k a turn. As plain-tile-nn and -nt, but for any M and for N that are multiples of 4, as a vocabulary's head
// needs. N and K are multiples of 4; bias and accumulation are not served.
const code: string = /* wgsl */ `
override TRANSPOSED: bool;

struct Params { m: u32, n: u32, k: u32, accumulate: u32, has_bias: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n4 = params.n / 4u;
  let k4 = params.k / 4u;
  let row = id.y * 4u;
  let column = id.x * 2u;
  if (row >= params.m || column >= n4) { return; }
  let next = min(column + 1u, n4 - 1u);
  let last = params.m - 1u;
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;
  for (var k = 0u; k < k4; k++) {
    var b0: mat4x4f;
    var b1: mat4x4f;
    if (TRANSPOSED) {
      let at0 = 4u * column * k4 + k;
      let at1 = 4u * next * k4 + k;
      b0 = transpose(mat4x4f(b[at0], b[at0 + k4], b[at0 + 2u * k4], b[at0 + 3u * k4]));
      b1 = transpose(mat4x4f(b[at1], b[at1 + k4], b[at1 + 2u * k4], b[at1 + 3u * k4]));
    } else {
      let at = 4u * k * n4;
      b0 = mat4x4f(b[at + column], b[at + n4 + column], b[at + 2u * n4 + column], b[at + 3u * n4 + column]);
      b1 = mat4x4f(b[at + next], b[at + n4 + next], b[at + 2u * n4 + next], b[at + 3u * n4 + next]);
    }
    for (var i = 0u; i < 4u; i++) {
      let own = a[min(row + i, last) * k4 + k];
      left[i] += own.x * b0[0] + own.y * b0[1] + own.z * b0[2] + own.w * b0[3];
      right[i] += own.x * b1[0] + own.y * b1[1] + own.z * b1[2] + own.w * b1[3];
    }
  }
  for (var i = 0u; i < 4u; i++) {
    if (row + i >= params.m) { return; }
    c[(row + i) * n4 + column] = left[i];
    if (column + 1u < n4) { c[(row + i) * n4 + column + 1u] = right[i]; }
  }
}
`;
export default code;
