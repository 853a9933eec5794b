// The operands that every variant binds alike; the logits, by numbers or by vec4s, and params follow in each.
const code: string = /* wgsl */ `
struct Params { t: u32, v: u32 }

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
`;
export default code;
