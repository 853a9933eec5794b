// C = A B^T by the yardstick's tile: 4 rows by 8 columns an invocation, vec4 loads along K of both operands. No
// subgroups, no workgroup memory, no barriers. M is a multiple of 32, N of 64, K of 4; bias and accumulation are not
// served.
const code: string = /* wgsl */ `
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
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;
  for (var k = 0u; k < k4; k++) {
    let at = 4u * column * k4 + k;
    let b0 = transpose(mat4x4f(b[at], b[at + k4], b[at + 2u * k4], b[at + 3u * k4]));
    let b1 = transpose(mat4x4f(b[at + 4u * k4], b[at + 5u * k4], b[at + 6u * k4], b[at + 7u * k4]));
    for (var i = 0u; i < 4u; i++) {
      let own = a[(row + i) * k4 + k];
      left[i] += own.x * b0[0] + own.y * b0[1] + own.z * b0[2] + own.w * b0[3];
      right[i] += own.x * b1[0] + own.y * b1[1] + own.z * b1[2] + own.w * b1[3];
    }
  }
  for (var i = 0u; i < 4u; i++) {
    c[(row + i) * n4 + column] = left[i];
    c[(row + i) * n4 + column + 1u] = right[i];
  }
}
`;
export default code;
