// WIDTH invocations copy one row y[n] = x[index[n]], striding over its vec4s; a workgroup copies ROWS rows.
// No workgroup memory, no barriers. Needs C to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { n: u32, source_rows: u32, c: u32 }

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  if (row >= params.n) { return; }
  let c4 = params.c / 4u;
  let from_row = index[row] * c4;
  let to_row = row * c4;
  for (var i = local.x; i < c4; i += WIDTH) { y[to_row + i] = x[from_row + i]; }
}
`;
export default code;
