// H = scaling * X A_e^T: one workgroup computes COLUMNS ranks of one tile of at most 32 tokens of one adapter, both
// operands staged along K as workgroup-tile.wgsl.ts describes. No subgroups; any size: where a size is not a multiple of
// 4 the operands are bound as single numbers.
const code: string = /* wgsl */ `
struct Params { t: u32, k: u32, r: u32, e: u32, stride: u32, offset: u32, tiles: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> arena: array<Element>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
@group(0) @binding(3) var<storage, read> scaling: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// One past the tile's last token, and where the adapter's matrix lies in the arena.
var<private> end: u32;
var<private> base: u32;

// The first count of four values, zeros for the others.
fn keep(value: vec4f, count: u32) -> vec4f {
  return select(vec4f(), value, vec4u(0u, 1u, 2u, 3u) < vec4u(count));
}

fn load_left(token: u32, k: u32) -> vec4f {
  if (token >= end || k >= params.k) { return vec4f(); }
  let at = token * params.k + k;
  if (ALIGNED) { return vec4f(x[at / 4u]); }
  return keep(vec4f(vec4f(x[at]).x, vec4f(x[at + 1u]).x, vec4f(x[at + 2u]).x, vec4f(x[at + 3u]).x), params.k - k);
}

fn load_right(rank: u32, k: u32) -> vec4f {
  if (rank >= params.r || k >= params.k) { return vec4f(); }
  let at = base + rank * params.k + k;
  if (ALIGNED) { return vec4f(arena[at / 4u]); }
  let count = params.k - k;
  return keep(
    vec4f(vec4f(arena[at]).x, vec4f(arena[at + 1u]).x, vec4f(arena[at + 2u]).x, vec4f(arena[at + 3u]).x), count
  );
}

@compute @workgroup_size(COLUMN_GROUPS, ROW_GROUPS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let adapter = tiles[group.x * 3u];
  let start = tiles[group.x * 3u + 1u];
  end = min(tiles[group.x * 3u + 2u], params.t);
  base = adapter * params.stride + params.offset;
  var sums: array<vec4f, SUMS>;
  for (var k = 0u; k < params.k; k += STEP) {
    workgroupBarrier();
    stage(start, group.y * COLUMNS, k, index);
    workgroupBarrier();
    multiply(&sums, params.k - k, local.y, local.x);
  }
  let token = start + 4u * local.y;
  let rank = group.y * COLUMNS + 4u * local.x;
  for (var r = 0u; r < 4u; r++) {
    for (var j = 0u; j < 4u; j++) {
      if (token + r < end && rank + j < params.r) { h[(token + r) * params.r + rank + j] = scaling[adapter] * sums[r][j]; }
    }
  }
}
`;
export default code;
