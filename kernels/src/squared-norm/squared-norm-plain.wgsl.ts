// One invocation adds the squares of one chunk of 4,096 elements, in runs of 64 so that few digits are lost.
// No workgroup memory, no barriers; any P.
const code: string = /* wgsl */ `
struct Params { e: u32, p: u32, b: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let chunk = (group.y * groups.x + group.x) * 64u + local;
  if (chunk >= params.e * params.b) { return; }
  let adapter = chunk / params.b;
  let first = (chunk - adapter * params.b) * 4096u;
  let end = adapter * params.p + min(first + 4096u, params.p);
  var sum = 0.0;
  for (var run = adapter * params.p + first; run < end; run += 64u) {
    var part = 0.0;
    for (var i = run; i < min(run + 64u, end); i++) { part += x[i] * x[i]; }
    sum += part;
  }
  partial[chunk] = sum;
}
`;
export default code;
