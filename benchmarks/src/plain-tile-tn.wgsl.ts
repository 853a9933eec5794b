// C = A^T B by the yardstick's tile: 4 rows by 8 columns an invocation, for every k one vec4 of A and two of B. No
// subgroups, no workgroup memory, no barriers. M is a multiple of 32, N of 64; bias and accumulation are not served.
const code: string = /* wgsl */ `
struct Params { m: u32, n: u32, k: u32, accumulate: u32, has_bias: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m4 = params.m / 4u;
  let n4 = params.n / 4u;
  let column = id.x * 2u;
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;
  for (var k = 0u; k < params.k; k++) {
    let own = a[k * m4 + id.y];
    let b0 = b[k * n4 + column];
    let b1 = b[k * n4 + column + 1u];
    for (var i = 0u; i < 4u; i++) {
      left[i] += own[i] * b0;
      right[i] += own[i] * b1;
    }
  }
  for (var i = 0u; i < 4u; i++) {
    c[(id.y * 4u + i) * n4 + column] = left[i];
    c[(id.y * 4u + i) * n4 + column + 1u] = right[i];
  }
}
`;
export default code;
