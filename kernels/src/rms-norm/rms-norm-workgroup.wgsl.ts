// One workgroup of 256 normalises one row: neighbouring invocations take neighbouring elements, row-reduction.wgsl.ts
// adds the squares. For rows too long for one subgroup, or where its size is not known. Any C.
const code: string = /* wgsl */ `
struct Params { t: u32, c: u32, eps: f32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.t) { return; }
  let start = row * params.c;
  var squares = 0.0;
  for (var i = local; i < params.c; i += 256u) { squares += x[start + i] * x[start + i]; }
  let scale = inverseSqrt(sum_across(squares, local) / f32(params.c) + params.eps);
  for (var i = local; i < params.c; i += 256u) { y[start + i] = x[start + i] * scale * (params.offset + weight[i]); }
  if (local == 0u) { inverse_rms[row] = scale; }
}
`;
export default code;
