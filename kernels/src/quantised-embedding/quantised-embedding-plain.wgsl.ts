// One invocation computes one number of y[t] = W[tokens[t] - first] where that row is in the table. No workgroup memory,
// no barriers; any C.
const code: string = /* wgsl */ `
struct Params { t: u32, v: u32, c: u32, first: u32, format: u32 }

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 64u + local;
  if (at >= params.t * params.c) { return; }
  // A token before the table wraps round and is past its end too.
  let source = tokens[at / params.c] - params.first;
  if (source >= params.v) { return; }
  let column = at % params.c;
  let group_at = source * groups_of(params.c) + column / 64u;
  y[at] = weights_of(group_at, column % 64u / 4u, scale_of(group_at))[column % 4u];
}
`;
export default code;
