// One invocation computes one element of y = silu(gate) * up. The exponent is capped at 80 so that no
// infinity arises. No workgroup memory, no barriers.
const code: string = /* wgsl */ `
struct Params { t: u32, f: u32 }

@group(0) @binding(0) var<storage, read> gate: array<f32>;
@group(0) @binding(1) var<storage, read> up: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  if (i >= params.t * params.f) { return; }
  let g = gate[i];
  y[i] = g / (1.0 + exp(min(-g, 80.0))) * up[i];
}
`;
export default code;
