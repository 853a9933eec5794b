// One invocation searches one row. No workgroup memory, no barriers; any V.
const code: string = /* wgsl */ `
struct Params { t: u32, v: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> index: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.t) { return; }
  let start = row * params.v;
  var best = x[start];
  var column = 0u;
  for (var i = 1u; i < params.v; i++) {
    let value = x[start + i];
    if (value > best) {
      best = value;
      column = i;
    }
  }
  index[row] = column;
}
`;
export default code;
