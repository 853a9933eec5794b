// One subgroup adds the squares of one chunk of 4,096 elements, its lanes striding over vec4s; the chunks of an
// adapter follow one another, then those of the next. A workgroup is ROWS subgroups of WIDTH lanes; no workgroup
// memory, no barriers. Needs P to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { e: u32, p: u32, b: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * ROWS + local.y;
  let chunk = min(index, params.e * params.b - 1u);
  let adapter = chunk / params.b;
  let first = (chunk - adapter * params.b) * 1024u;
  let p4 = params.p / 4u;
  let end = adapter * p4 + min(first + 1024u, p4);
  var squares = vec4f(0.0);
  for (var i = adapter * p4 + first + local.x; i < end; i += WIDTH) {
    let v = x[i];
    squares += v * v;
  }
  let sum = subgroupAdd(dot(squares, vec4f(1.0)));
  if (local.x == 0u && index < params.e * params.b) { partial[index] = sum; }
}
`;
export default code;
