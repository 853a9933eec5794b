// C = A B, the yardstick of the matmul rows: the register tile one would write first. One invocation computes 4 rows by
// 8 columns, loads A and B as vec4s and takes four values of k a turn; a workgroup is 8 x 8 invocations. No subgroups,
// no workgroup memory, no barriers. M is a multiple of 32, N of 64, K of 4; bias and accumulation are not served.
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
    let at = 4u * k * n4 + column;
    let b0 = mat4x4f(b[at], b[at + n4], b[at + 2u * n4], b[at + 3u * n4]);
    let b1 = mat4x4f(b[at + 1u], b[at + n4 + 1u], b[at + 2u * n4 + 1u], b[at + 3u * n4 + 1u]);
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
