// One workgroup of 256 computes one row: with g = dy * (offset + weight) and r = inverse_rms,
// dx += r * g - x * r^3 * mean(g * x); row-reduction.wgsl.ts adds the products. For rows too long for one subgroup, or
// where its size is not known. Any C.
const code: string = /* wgsl */ `
struct Params { t: u32, c: u32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.t) { return; }
  let start = row * params.c;
  let r = inverse_rms[row];
  var projection = 0.0;
  for (var i = local; i < params.c; i += 256u) {
    projection += dy[start + i] * (params.offset + weight[i]) * x[start + i];
  }
  let back = sum_across(projection, local) / f32(params.c) * r * r * r;
  for (var i = local; i < params.c; i += 256u) {
    dx[start + i] += r * dy[start + i] * (params.offset + weight[i]) - back * x[start + i];
  }
}
`;
export default code;
