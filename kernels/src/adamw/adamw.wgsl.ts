// One invocation updates REPEAT vec4s of one adapter's parameters; z counts adapters. 1 - beta arrives as a constant
// because 1 - 0.999 in f32 keeps four digits only. Whether the norm is finite is read off its bits, which no compiler
// may assume away. No workgroup memory, no barriers. Needs P to be a multiple of 4.
const code: string = /* wgsl */ `
override REPEAT: u32;
override ONE_MINUS_BETA1: f32;
override ONE_MINUS_BETA2: f32;

struct Params {
  e: u32, p: u32, beta1: f32, beta2: f32, eps: f32, weight_decay: f32, decay_elements: u32, max_norm: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> squared_norm: array<f32>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let p4 = params.p / 4u;
  let plan = schedule[group.z];
  let squared = squared_norm[group.z];
  if (plan.w < 0.5 || (bitcast<u32>(squared) & 0x7f800000u) == 0x7f800000u) { return; }
  var clip = 1.0;
  if (params.max_norm > 0.0) { clip = min(1.0, params.max_norm / (sqrt(squared) + 1e-6)); }

  let first = (group.y * groups.x + group.x) * 64u * REPEAT;
  let end = min(first + 64u * REPEAT, p4);
  for (var i = first + local; i < end; i += 64u) {
    let at = group.z * p4 + i;
    let g = gradient[at] * clip;
    let m_new = params.beta1 * m[at] + ONE_MINUS_BETA1 * g;
    let v_new = params.beta2 * v[at] + ONE_MINUS_BETA2 * g * g;
    let column = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u);
    let decay = select(vec4f(0.0), vec4f(plan.x * params.weight_decay), column < vec4u(params.decay_elements));
    let p = parameters[at];
    m[at] = m_new;
    v[at] = v_new;
    parameters[at] = (p - p * decay) - (plan.x / plan.y) * m_new / (sqrt(v_new / plan.z) + params.eps);
  }
}
`;
export default code;
