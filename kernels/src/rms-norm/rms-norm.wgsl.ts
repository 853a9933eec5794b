// One subgroup normalises one row: its lanes stride over the row's vec4s, add their squares, then scale.
// A workgroup is ROWS subgroups of WIDTH lanes; no workgroup memory, no barriers. Needs C to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { t: u32, c: u32, eps: f32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  let c4 = params.c / 4u;
  let start = min(row, params.t - 1u) * c4;
  var squares = 0.0;
  for (var i = local.x; i < c4; i += WIDTH) {
    let v = x[start + i];
    squares += dot(v, v);
  }
  let scale = inverseSqrt(subgroupAdd(squares) / f32(params.c) + params.eps);
  if (row < params.t) {
    for (var i = local.x; i < c4; i += WIDTH) {
      y[start + i] = x[start + i] * scale * (params.offset + weight[i]);
    }
    if (local.x == 0u) { inverse_rms[row] = scale; }
  }
}
`;
export default code;
