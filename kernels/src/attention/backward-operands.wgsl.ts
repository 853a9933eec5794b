// What the two backward passes read beside operands.wgsl.ts; their outputs and params follow in each kernel.
const code: string = /* wgsl */ `
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> bounds: array<vec2u>;
`;
export default code;
