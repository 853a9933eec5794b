// H = scaling * X A_e^T by the yardstick's tile: one workgroup is one tile of at most 32 tokens of one adapter by
// 8 COLUMNS ranks, one invocation 4 tokens by 8 ranks, vec4 loads along K of both operands. No subgroups, no workgroup
// memory, no barriers. K, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, k: u32, r: u32, e: u32, stride: u32, offset: u32, tiles: u32 }

// Workgroups are as wide as the ranks need, so that none of their invocations idle.
override COLUMNS: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> arena: array<vec4f>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
@group(0) @binding(3) var<storage, read> scaling: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(COLUMNS, 8)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let tile = group.x * 3u;
  let adapter = tiles[tile];
  let token = tiles[tile + 1u] + 4u * local.y;
  let end = tiles[tile + 2u];
  let k4 = params.k / 4u;
  let r4 = params.r / 4u;
  let column = (group.y * COLUMNS + local.x) * 2u;
  if (token >= end || column >= r4) { return; }
  let next = min(column + 1u, r4 - 1u);
  let last = end - 1u;
  let base = (adapter * params.stride + params.offset) / 4u;
  let at0 = base + 4u * column * k4;
  let at1 = base + 4u * next * k4;
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;
  for (var k = 0u; k < k4; k++) {
    let b0 = transpose(mat4x4f(arena[at0 + k], arena[at0 + k4 + k], arena[at0 + 2u * k4 + k], arena[at0 + 3u * k4 + k]));
    let b1 = transpose(mat4x4f(arena[at1 + k], arena[at1 + k4 + k], arena[at1 + 2u * k4 + k], arena[at1 + 3u * k4 + k]));
    for (var j = 0u; j < 4u; j++) {
      let own = x[min(token + j, last) * k4 + k];
      left[j] += own.x * b0[0] + own.y * b0[1] + own.z * b0[2] + own.w * b0[3];
      right[j] += own.x * b1[0] + own.y * b1[1] + own.z * b1[2] + own.w * b1[3];
    }
  }
  let s = scaling[adapter];
  for (var j = 0u; j < 4u; j++) {
    if (token + j >= end) { return; }
    h[(token + j) * r4 + column] = s * left[j];
    if (column + 1u < r4) { h[(token + j) * r4 + column + 1u] = s * right[j]; }
  }
}
`;
export default code;
