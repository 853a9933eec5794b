// dL_e = sum over the tokens of segment e of H[t]^T D[t] by the yardstick's tile: 4 ranks by 8 columns of one adapter an
// invocation, for every token one vec4 of H and two of D, from what is there already where it accumulates. No subgroups,
// no workgroup memory, no barriers. N, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, r: u32, n: u32, e: u32, stride: u32, offset: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> h: array<vec4f>;
@group(0) @binding(1) var<storage, read> d: array<vec4f>;
@group(0) @binding(2) var<storage, read> segments: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n4 = params.n / 4u;
  let r4 = params.r / 4u;
  let column = id.x * 2u;
  let adapter = id.z;
  if (column >= n4 || id.y >= r4) { return; }
  let next = min(column + 1u, n4 - 1u);
  let base = (adapter * params.stride + params.offset) / 4u + id.y * 4u * n4;
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;
  if (params.accumulate != 0u) {
    for (var i = 0u; i < 4u; i++) {
      left[i] = arena[base + i * n4 + column];
      right[i] = arena[base + i * n4 + next];
    }
  }
  for (var t = segments[adapter * 2u]; t < segments[adapter * 2u + 1u]; t++) {
    let own = h[t * r4 + id.y];
    let d0 = d[t * n4 + column];
    let d1 = d[t * n4 + next];
    for (var i = 0u; i < 4u; i++) {
      left[i] += own[i] * d0;
      right[i] += own[i] * d1;
    }
  }
  for (var i = 0u; i < 4u; i++) {
    arena[base + i * n4 + column] = left[i];
    if (column + 1u < n4) { arena[base + i * n4 + column + 1u] = right[i]; }
  }
}
`;
export default code;
