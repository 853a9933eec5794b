// One subgroup searches one row: every lane keeps the best of its vec4s, then the lanes agree on the largest value and
// on the lowest column that holds it. A workgroup is ROWS subgroups of WIDTH lanes; no workgroup memory, no barriers.
// Needs V to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { t: u32, v: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> index: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  let v4 = params.v / 4u;
  let start = min(row, params.t - 1u) * v4;
  var best = vec4f(-3.4e38);
  var column = vec4u(0u);
  for (var i = local.x; i < v4; i += WIDTH) {
    let value = x[start + i];
    column = select(column, vec4u(i), value > best);
    best = max(best, value);
  }
  let most = subgroupMax(max(max(best.x, best.y), max(best.z, best.w)));
  let columns = select(vec4u(0xffffffffu), column * 4u + vec4u(0u, 1u, 2u, 3u), best == vec4f(most));
  let lowest = subgroupMin(min(min(columns.x, columns.y), min(columns.z, columns.w)));
  if (local.x == 0u && row < params.t) { index[row] = min(lowest, params.v - 1u); }
}
`;
export default code;
