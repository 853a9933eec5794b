/** One workgroup of 64: invocation 0 writes how many invocations its subgroup sums over. */
const code: string = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> size: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  let sum = subgroupAdd(1u);
  if (lane == 0u) { size[0] = sum; }
}
`;
export default code;
