// Bindings of the three ways to decode.
const code: string = /* wgsl */ `
struct Params { b: u32, h: u32, k: u32, d: u32, s: u32, slots: u32, window: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> key_cache: array<vec4f>;
@group(0) @binding(2) var<storage, read> value_cache: array<vec4f>;
@group(0) @binding(3) var<storage, read> slot: array<u32>;
@group(0) @binding(4) var<storage, read> length: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(6) var<uniform> params: Params;
`;
export default code;
