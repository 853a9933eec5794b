// One invocation owns one column and walks the rows in order: dweight += sum over t of dy * x * inverse_rms.
// No workgroup memory, no barriers; any C.
const code: string = /* wgsl */ `
struct Params { t: u32, c: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.c) { return; }
  var sum = 0.0;
  for (var row = 0u; row < params.t; row++) {
    let at = row * params.c + column;
    sum += dy[at] * x[at] * inverse_rms[row];
  }
  dweight[column] += sum;
}
`;
export default code;
