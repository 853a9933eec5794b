// One subgroup computes one row: with g = dy * (offset + weight) and r = inverse_rms,
// dx += r * g - x * r^3 * mean(g * x). Lanes stride over vec4s; no workgroup memory, no barriers. C a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { t: u32, c: u32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  let c4 = params.c / 4u;
  let start = min(row, params.t - 1u) * c4;
  let r = inverse_rms[min(row, params.t - 1u)];
  var projection = 0.0;
  for (var i = local.x; i < c4; i += WIDTH) {
    projection += dot(dy[start + i] * (params.offset + weight[i]), x[start + i]);
  }
  let back = subgroupAdd(projection) / f32(params.c) * r * r * r;
  if (row < params.t) {
    for (var i = local.x; i < c4; i += WIDTH) {
      dx[start + i] += r * dy[start + i] * (params.offset + weight[i]) - back * x[start + i];
    }
  }
}
`;
export default code;
