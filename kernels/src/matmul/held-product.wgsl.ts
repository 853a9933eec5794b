// The product of a register tile whose rows of A were read into private memory, from which a broadcast is one load: hence
// not the shuffles of the tile that loads its rows. Written out: lane numbers must be constants.
const code: string = /* wgsl */ `
// c[r] += (four values of k of the row that lane r holds) * b, for r in 0..8.
fn multiply_held(c: ptr<function, array<vec4f, 8>>, a: vec4f, b: mat4x4f) {
  (*c)[0] = rank4((*c)[0], subgroupBroadcast(a, 0u), b);
  (*c)[1] = rank4((*c)[1], subgroupBroadcast(a, 1u), b);
  (*c)[2] = rank4((*c)[2], subgroupBroadcast(a, 2u), b);
  (*c)[3] = rank4((*c)[3], subgroupBroadcast(a, 3u), b);
  (*c)[4] = rank4((*c)[4], subgroupBroadcast(a, 4u), b);
  (*c)[5] = rank4((*c)[5], subgroupBroadcast(a, 5u), b);
  (*c)[6] = rank4((*c)[6], subgroupBroadcast(a, 6u), b);
  (*c)[7] = rank4((*c)[7], subgroupBroadcast(a, 7u), b);
}
`;
export default code;
