// One invocation updates one parameter of one adapter; z counts adapters. 1 - beta arrives as a constant because
// 1 - 0.999 in f32 keeps four digits only. Whether the norm is finite is read off its bits, which no compiler may
// assume away. No workgroup memory, no barriers; any P.
const code: string = /* wgsl */ `
override ONE_MINUS_BETA1: f32;
override ONE_MINUS_BETA2: f32;

struct Params {
  e: u32, p: u32, beta1: f32, beta2: f32, eps: f32, weight_decay: f32, decay_elements: u32, max_norm: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> squared_norm: array<f32>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  if (i >= params.p) { return; }
  let plan = schedule[group.z];
  let squared = squared_norm[group.z];
  if (plan.w < 0.5 || (bitcast<u32>(squared) & 0x7f800000u) == 0x7f800000u) { return; }
  var clip = 1.0;
  if (params.max_norm > 0.0) { clip = min(1.0, params.max_norm / (sqrt(squared) + 1e-6)); }

  let at = group.z * params.p + i;
  let g = gradient[at] * clip;
  let m_new = params.beta1 * m[at] + ONE_MINUS_BETA1 * g;
  let v_new = params.beta2 * v[at] + ONE_MINUS_BETA2 * g * g;
  let decay = select(0.0, plan.x * params.weight_decay, i < params.decay_elements);
  let p = parameters[at];
  m[at] = m_new;
  v[at] = v_new;
  parameters[at] = (p - p * decay) - (plan.x / plan.y) * m_new / (sqrt(v_new / plan.z) + params.eps);
}
`;
export default code;
