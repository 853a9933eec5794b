// WIDTH invocations copy one row y[t] = weight[tokens[t] - first] where that row is in the table, striding over its
// vec4s; a workgroup copies ROWS rows. No workgroup memory, no barriers. Needs C to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { t: u32, v: u32, c: u32, first: u32 }

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  if (row >= params.t) { return; }
  // A token before the table wraps round and is past its end too.
  let source = tokens[row] - params.first;
  if (source >= params.v) { return; }
  let c4 = params.c / 4u;
  for (var i = local.x; i < c4; i += WIDTH) { y[row * c4 + i] = weight[source * c4 + i]; }
}
`;
export default code;
