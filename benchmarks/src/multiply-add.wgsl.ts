// The arithmetic ceiling: WIDTH independent chains of multiply-adds on vec4 registers, nothing loaded, `turns` rounds of
// four links each. One invocation keeps WIDTH vec4s; a workgroup is 64 invocations. The bound comes from a uniform so
// that no compiler unrolls it, and the sums are stored so that none leaves them out.
// The prelude gives `const WIDTH: u32`.
const code: string = /* wgsl */ `
struct Params { turns: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let seed = vec4f(f32(id.x) * 1e-6, 0.25, 0.5, 0.75);
  let factor = 0.75 + 0.1 * seed;
  let addend = 0.25 - 0.1 * seed;
  var chain = array<vec4f, WIDTH>();
  for (var i = 0u; i < WIDTH; i++) {
    chain[i] = seed + f32(i);
  }
  for (var turn = 0u; turn < params.turns; turn++) {
    for (var i = 0u; i < WIDTH; i++) { chain[i] = fma(chain[i], factor, addend); }
    for (var i = 0u; i < WIDTH; i++) { chain[i] = fma(chain[i], factor, addend); }
    for (var i = 0u; i < WIDTH; i++) { chain[i] = fma(chain[i], factor, addend); }
    for (var i = 0u; i < WIDTH; i++) { chain[i] = fma(chain[i], factor, addend); }
  }
  var sum = vec4f();
  for (var i = 0u; i < WIDTH; i++) {
    sum += chain[i];
  }
  y[id.x] = sum;
}
`;
export default code;
