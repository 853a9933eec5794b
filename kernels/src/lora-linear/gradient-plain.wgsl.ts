// dL_e (R, N) = sum over the tokens of segment e of H[t]^T D[t], written over its place in the gradient arena.
// One invocation owns one element and walks the tokens in order, from what is there already where it accumulates. No
// subgroups, no barriers; any size.
const code: string = /* wgsl */ `
struct Params { t: u32, r: u32, n: u32, e: u32, stride: u32, offset: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> d: array<f32>;
@group(0) @binding(2) var<storage, read> segments: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let rank = id.y;
  let adapter = id.z;
  if (column >= params.n || rank >= params.r) { return; }
  let at = adapter * params.stride + params.offset + rank * params.n + column;
  var sum = 0.0;
  if (params.accumulate != 0u) { sum = arena[at]; }
  for (var t = segments[adapter * 2u]; t < segments[adapter * 2u + 1u]; t++) {
    sum += h[t * params.r + rank] * d[t * params.n + column];
  }
  arena[at] = sum;
}
`;
export default code;
