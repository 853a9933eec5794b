// WIDTH invocations own the gradient of one token's row, striding over its vec4s, and add the rows of dy where that
// token stands in the order of `order`: no atomics, one writer an element. A workgroup owns ROWS rows.
// No workgroup memory, no barriers. Needs C to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { t: u32, v: u32, c: u32 }

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dweight: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let token = (group.y * groups.x + group.x) * ROWS + local.y;
  if (token >= params.v) { return; }
  let start = starts[token];
  let end = starts[token + 1u];
  if (start == end) { return; }
  let c4 = params.c / 4u;
  for (var i = local.x; i < c4; i += WIDTH) {
    var sum = dweight[token * c4 + i];
    for (var k = start; k < end; k++) { sum += dy[order[k] * c4 + i]; }
    dweight[token * c4 + i] = sum;
  }
}
`;
export default code;
