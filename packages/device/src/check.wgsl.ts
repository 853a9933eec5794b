/** One invocation an element: out[i] = a[i] * b[i] + i, exact in f32 for the small whole numbers it is given. */
const code: string = /* wgsl */ `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&out)) { out[id.x] = a[id.x] * b[id.x] + f32(id.x); }
}
`;
export default code;
