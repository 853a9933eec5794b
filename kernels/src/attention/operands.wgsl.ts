// The operands that attention and its two backward passes begin with.
const code: string = /* wgsl */ `
struct Params { t: u32, h: u32, k: u32, d: u32, window: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> k: array<vec4f>;
@group(0) @binding(2) var<storage, read> v: array<vec4f>;
`;
export default code;
