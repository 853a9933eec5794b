// One invocation normalises one row. No workgroup memory, no barriers; any C.
const code: string = /* wgsl */ `
struct Params { t: u32, c: u32, eps: f32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.t) { return; }
  let start = row * params.c;
  var squares = 0.0;
  for (var i = 0u; i < params.c; i++) { squares += x[start + i] * x[start + i]; }
  let scale = inverseSqrt(squares / f32(params.c) + params.eps);
  for (var i = 0u; i < params.c; i++) { y[start + i] = x[start + i] * scale * (params.offset + weight[i]); }
  inverse_rms[row] = scale;
}
`;
export default code;
