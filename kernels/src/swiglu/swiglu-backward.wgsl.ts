// One invocation computes REPEAT vec4s: with s = sigmoid(gate), dgate = dy up s (1 + gate (1 - s)) and
// dup = dy gate s. The exponent is capped at 80 so that no infinity arises. No workgroup memory, no barriers.
// Needs T * F to be a multiple of 4.
const code: string = /* wgsl */ `
override REPEAT: u32;

struct Params { t: u32, f: u32 }

@group(0) @binding(0) var<storage, read> gate: array<vec4f>;
@group(0) @binding(1) var<storage, read> up: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dgate: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dup: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

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
    let d = dy[i];
    let s = 1.0 / (1.0 + exp(min(-g, vec4f(80.0))));
    dgate[i] = d * up[i] * s * (1.0 + g * (1.0 - s));
    dup[i] = d * g * s;
  }
}
`;
export default code;
