/** ONNX Runtime on the CPU. The models are single nodes or three, written here byte by byte in ONNX's protobuf. */

import { cpus } from 'node:os';
import { load, serve, storedShapes, versionOf } from '../serve.js';

let ort;

await serve({
  async start() {
    ort = load('onnxruntime-node');
    return { version: versionOf('onnxruntime-node'), device: cpus()[0]?.model ?? 'CPU' };
  },
  async prepare(problem, operands) {
    const { nodes, shapes, output } = problem.kind === 'matmul' ? matmul(problem) : lora(problem);
    const session = await ort.InferenceSession.create(model(nodes, shapes, output), {
      executionProviders: ['cpu'],
      // Threads that spin after their work would slow whoever takes the next turn.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    const feeds = Object.fromEntries(Object.entries(shapes).map(([name, dims]) => [name, new ort.Tensor('float32', operands[name], dims)]));
    return {
      async run(times) {
        for (let i = 0; i < times; i++) await session.run(feeds);
      },
      async result() {
        return (await session.run(feeds)).y.data;
      },
      release: () => void session.release(),
    };
  },
});

function matmul(problem) {
  const { layout, M, N } = problem;
  const flags = { transA: Number(layout === 'tn'), transB: Number(layout === 'nt') };
  return { nodes: [node('Gemm', ['a', 'b'], 'y', flags)], shapes: storedShapes(problem), output: [M, N] };
}

function lora({ T, K, N, R, E }) {
  const nodes = [
    node('Transpose', ['w'], 'w_t'),
    node('MatMul', ['x', 'w_t'], 'base'),
    node('MatMul', ['h', 'b'], 'low_rank'),
    node('Add', ['base', 'low_rank'], 'y'),
  ];
  const shapes = { x: [E, T / E, K], w: [N, K], h: [E, T / E, R], b: [E, R, N] };
  return { nodes, shapes, output: [E, T / E, N] };
}

// Field numbers are those of onnx.proto3.

function model(nodes, shapes, output) {
  const graph = [
    ...nodes.map((bytes) => field(1, bytes)),
    field(2, text('graph')),
    ...Object.entries(shapes).map(([name, dims]) => field(11, tensor(name, dims))),
    field(12, tensor('y', output)),
  ];
  return Uint8Array.from([...number(1, 8), ...field(7, graph.flat()), ...field(8, number(2, 13))]);
}

function node(type, inputs, output, integers = {}) {
  const attributes = Object.entries(integers).map(([name, value]) =>
    field(5, [...field(1, text(name)), ...number(3, value), ...number(20, 2)]),
  );
  return [...inputs.map((name) => field(1, text(name))), field(2, text(output)), field(4, text(type)), ...attributes].flat();
}

function tensor(name, dims) {
  const shape = dims.flatMap((size) => field(1, number(1, size)));
  return [...field(1, text(name)), ...field(2, field(1, [...number(1, 1), ...field(2, shape)]))];
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

function number(id, value) {
  return [...varint(8 * id), ...varint(value)];
}

function field(id, bytes) {
  return [...varint(8 * id + 2), ...varint(bytes.length), ...bytes];
}

function text(string) {
  return [...new TextEncoder().encode(string)];
}
