// One invocation computes REPEAT vec4s of y = gelu(gate) * up, where (1 + tanh(u)) / 2 = sigmoid(2 u) with
// 2 u = 1.5957691 (gate + 0.044715 gate^3). Beyond 10 the sigmoid is 0 or 1 in f32: the cubic is taken of the bounded
// gate, so that no infinity arises. No workgroup memory, no barriers. Needs T * F to be a multiple of 4.
const code: string = /* wgsl */ `
override REPEAT: u32;

struct Params { t: u32, f: u32 }

@group(0) @binding(0) var<storage, read> gate: array<vec4f>;
@group(0) @binding(1) var<storage, read> up: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let first = (group.y * groups.x + group.x) * 64u * REPEAT;
  let end = min(first + 64u * REPEAT, params.t * params.f / 4u);
  for (var i = first + local; i < end; i += 64u) {
    let g = gate[i];
    let b = clamp(g, vec4f(-10.0), vec4f(10.0));
    y[i] = g / (1.0 + exp(-1.5957691216057308 * b * (1.0 + 0.044715 * b * b))) * up[i];
  }
}
`;
export default code;
