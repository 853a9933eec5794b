// H = scaling * X A_e^T: one workgroup is one tile of at most 32 tokens of one adapter by 2 ranks, one invocation one
// element. No subgroups, no workgroup memory, no barriers; any size.
const code: string = /* wgsl */ `
struct Params { t: u32, k: u32, r: u32, e: u32, stride: u32, offset: u32, tiles: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> arena: array<f32>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
@group(0) @binding(3) var<storage, read> scaling: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(32, 2)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let adapter = tiles[group.x * 3u];
  let token = tiles[group.x * 3u + 1u] + local.x;
  let rank = group.y * 2u + local.y;
  if (token >= tiles[group.x * 3u + 2u] || rank >= params.r) { return; }
  let a = adapter * params.stride + params.offset + rank * params.k;
  var sum = 0.0;
  for (var k = 0u; k < params.k; k++) { sum += x[token * params.k + k] * arena[a + k]; }
  h[token * params.r + rank] = scaling[adapter] * sum;
}
`;
export default code;
