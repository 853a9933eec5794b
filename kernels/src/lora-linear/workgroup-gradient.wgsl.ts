// dL_e (R, N) = sum over the tokens of segment e of H[t]^T D[t], written over its place in the gradient arena: one
// workgroup computes ROWS ranks by COLUMNS columns of one adapter, the tokens being the inner size of the tile of
// workgroup-tile.wgsl.ts, taken in order, from what is there already where it accumulates. No subgroups, no atomics; any
// size: where a size is not a multiple of 4 the operands are bound as single numbers.
const code: string = /* wgsl */ `
struct Params { t: u32, r: u32, n: u32, e: u32, stride: u32, offset: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> h: array<Element>;
@group(0) @binding(1) var<storage, read> d: array<Element>;
@group(0) @binding(2) var<storage, read> segments: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// One past the segment's last token.
var<private> end: u32;

// The first count of four values, zeros for the others.
fn keep(value: vec4f, count: u32) -> vec4f {
  return select(vec4f(), value, vec4u(0u, 1u, 2u, 3u) < vec4u(count));
}

fn load_left(rank: u32, token: u32) -> vec4f {
  if (token >= end || rank >= params.r) { return vec4f(); }
  let at = token * params.r + rank;
  if (ALIGNED) { return vec4f(h[at / 4u]); }
  return keep(vec4f(vec4f(h[at]).x, vec4f(h[at + 1u]).x, vec4f(h[at + 2u]).x, vec4f(h[at + 3u]).x), params.r - rank);
}

fn load_right(column: u32, token: u32) -> vec4f {
  if (token >= end || column >= params.n) { return vec4f(); }
  let at = token * params.n + column;
  if (ALIGNED) { return vec4f(d[at / 4u]); }
  return keep(vec4f(vec4f(d[at]).x, vec4f(d[at + 1u]).x, vec4f(d[at + 2u]).x, vec4f(d[at + 3u]).x), params.n - column);
}

@compute @workgroup_size(COLUMN_GROUPS, ROW_GROUPS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let adapter = group.z;
  end = min(segments[adapter * 2u + 1u], params.t);
  let rank = group.y * ROWS + 4u * local.y;
  let column = group.x * COLUMNS + 4u * local.x;
  let base = adapter * params.stride + params.offset;
  var sums: array<vec4f, SUMS>;
  if (params.accumulate != 0u) {
    for (var r = 0u; r < 4u; r++) {
      for (var j = 0u; j < 4u; j++) {
        if (rank + r < params.r && column + j < params.n) { sums[r][j] = arena[base + (rank + r) * params.n + column + j]; }
      }
    }
  }
  for (var token = segments[adapter * 2u]; token < min(segments[adapter * 2u + 1u], params.t); token += STEP) {
    workgroupBarrier();
    stage(group.y * ROWS, group.x * COLUMNS, token, index);
    workgroupBarrier();
    multiply(&sums, end - token, local.y, local.x);
  }
  for (var r = 0u; r < 4u; r++) {
    for (var j = 0u; j < 4u; j++) {
      if (rank + r < params.r && column + j < params.n) { arena[base + (rank + r) * params.n + column + j] = sums[r][j]; }
    }
  }
}
`;
export default code;
