// One invocation copies one element of y[t] = weight[tokens[t] - first] where that row is in the table.
// No workgroup memory, no barriers; any C.
const code: string = /* wgsl */ `
struct Params { t: u32, v: u32, c: u32, first: u32 }

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 256u + local;
  if (at >= params.t * params.c) { return; }
  let row = at / params.c;
  // A token before the table wraps round and is past its end too.
  let source = tokens[row] - params.first;
  if (source >= params.v) { return; }
  y[at] = weight[source * params.c + (at - row * params.c)];
}
`;
export default code;
