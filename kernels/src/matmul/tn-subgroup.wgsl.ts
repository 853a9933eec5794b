// C = A^T B. One workgroup is one subgroup of 8 lanes and computes a tile of 32 rows by 32 columns: for each k lane l
// loads rows 4l..4l+3 of A^T as one vec4 and columns 4l..4l+3 of B as another. No barriers, no workgroup memory.
// M, N, lda and ldc are multiples of 4.
const code: string = /* wgsl */ `
// Four rows of the tile for four values of k, in their order: c[r] += a[k][r] * b[k].
fn rows4(c: ptr<function, array<vec4f, 4>>, a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, b: mat4x4f) {
  (*c)[0] = (*c)[0] + a0.x * b[0] + a1.x * b[1] + a2.x * b[2] + a3.x * b[3];
  (*c)[1] = (*c)[1] + a0.y * b[0] + a1.y * b[1] + a2.y * b[2] + a3.y * b[3];
  (*c)[2] = (*c)[2] + a0.z * b[0] + a1.z * b[1] + a2.z * b[2] + a3.z * b[3];
  (*c)[3] = (*c)[3] + a0.w * b[0] + a1.w * b[1] + a2.w * b[2] + a3.w * b[3];
}

// The same for one value of k.
fn row4(c: ptr<function, array<vec4f, 4>>, a: vec4f, b: vec4f) {
  (*c)[0] += a.x * b;
  (*c)[1] += a.y * b;
  (*c)[2] += a.z * b;
  (*c)[3] += a.w * b;
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.y * 32u;
  let column = group.x * 8u + lane;
  let m4 = params.m / 4u;
  let n4 = params.n / 4u;
  let lda4 = params.lda / 4u;
  var at_a = min(group.y * 8u + lane, m4 - 1u);
  var at_b = min(column, n4 - 1u);
  var c0: array<vec4f, 4>;
  var c1: array<vec4f, 4>;
  var c2: array<vec4f, 4>;
  var c3: array<vec4f, 4>;
  var c4: array<vec4f, 4>;
  var c5: array<vec4f, 4>;
  var c6: array<vec4f, 4>;
  var c7: array<vec4f, 4>;
  var k = 0u;
  for (; k + 4u <= params.k; k += 4u) {
    let left = mat4x4f(a[at_a], a[at_a + lda4], a[at_a + 2u * lda4], a[at_a + 3u * lda4]);
    let right = mat4x4f(b[at_b], b[at_b + n4], b[at_b + 2u * n4], b[at_b + 3u * n4]);
    rows4(&c0, subgroupShuffle(left[0], 0u), subgroupShuffle(left[1], 0u), subgroupShuffle(left[2], 0u), subgroupShuffle(left[3], 0u), right);
    rows4(&c1, subgroupShuffle(left[0], 1u), subgroupShuffle(left[1], 1u), subgroupShuffle(left[2], 1u), subgroupShuffle(left[3], 1u), right);
    rows4(&c2, subgroupShuffle(left[0], 2u), subgroupShuffle(left[1], 2u), subgroupShuffle(left[2], 2u), subgroupShuffle(left[3], 2u), right);
    rows4(&c3, subgroupShuffle(left[0], 3u), subgroupShuffle(left[1], 3u), subgroupShuffle(left[2], 3u), subgroupShuffle(left[3], 3u), right);
    rows4(&c4, subgroupShuffle(left[0], 4u), subgroupShuffle(left[1], 4u), subgroupShuffle(left[2], 4u), subgroupShuffle(left[3], 4u), right);
    rows4(&c5, subgroupShuffle(left[0], 5u), subgroupShuffle(left[1], 5u), subgroupShuffle(left[2], 5u), subgroupShuffle(left[3], 5u), right);
    rows4(&c6, subgroupShuffle(left[0], 6u), subgroupShuffle(left[1], 6u), subgroupShuffle(left[2], 6u), subgroupShuffle(left[3], 6u), right);
    rows4(&c7, subgroupShuffle(left[0], 7u), subgroupShuffle(left[1], 7u), subgroupShuffle(left[2], 7u), subgroupShuffle(left[3], 7u), right);
    at_a += 4u * lda4;
    at_b += 4u * n4;
  }
  for (; k < params.k; k++) {
    let own = a[at_a];
    let right = b[at_b];
    row4(&c0, subgroupShuffle(own, 0u), right);
    row4(&c1, subgroupShuffle(own, 1u), right);
    row4(&c2, subgroupShuffle(own, 2u), right);
    row4(&c3, subgroupShuffle(own, 3u), right);
    row4(&c4, subgroupShuffle(own, 4u), right);
    row4(&c5, subgroupShuffle(own, 5u), right);
    row4(&c6, subgroupShuffle(own, 6u), right);
    row4(&c7, subgroupShuffle(own, 7u), right);
    at_a += lda4;
    at_b += n4;
  }
  for (var r = 0u; r < 4u; r++) {
    store(row + r, column, c0[r]);
    store(row + 4u + r, column, c1[r]);
    store(row + 8u + r, column, c2[r]);
    store(row + 12u + r, column, c3[r]);
    store(row + 16u + r, column, c4[r]);
    store(row + 20u + r, column, c5[r]);
    store(row + 24u + r, column, c6[r]);
    store(row + 28u + r, column, c7[r]);
  }
}
`;
export default code;
