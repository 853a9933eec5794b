/**
 * ONNX Runtime on the CPU with its default threads. The models are a few nodes, written here byte by byte as ONNX's
 * protobuf has them. `session.run` resolves with the result in memory, so a run needs no other fence.
 */

import { cpus } from 'node:os';
import { load, serve, versionOf } from '../serve.js';

let ort;

await serve({
  async start() {
    ort = load('onnxruntime-node');
    return { version: versionOf('onnxruntime-node'), device: cpus()[0]?.model ?? 'CPU' };
  },
  async prepare(problem, operands) {
    const nodes = { matmul, 'lora-linear': lora, 'rms-norm': rmsNorm }[problem.kind]?.(problem);
    if (!nodes) return null;
    const inputs = Object.entries(operands).map(([name, { values, shape }]) => [name, new ort.Tensor('float32', values, shape)]);
    const session = await ort.InferenceSession.create(model(nodes, inputs), { executionProviders: ['cpu'] });
    const feeds = Object.fromEntries(inputs);
    return {
      async run(times) {
        for (let i = 0; i < times; i++) await session.run(feeds);
      },
      result: async () => (await session.run(feeds)).y.data,
      release: () => session.release(),
    };
  },
});

function matmul({ layout }) {
  return [node('Gemm', ['a', 'b'], 'y', [integer('transA', Number(layout === 'tn')), integer('transB', Number(layout === 'nt'))])];
}

/** The rows of adapter e are x[e]: the base product runs over all of them at once by Gemm, the low-rank one in a batch. */
function lora({ T, N }) {
  return [
    node('Gemm', ['x', 'w'], 'base', [integer('transB', 1)]),
    node('MatMul', ['h', 'b'], 'batched'),
    node('Constant', [], 'shape', [shapeTensor('value', [T, N])]),
    node('Reshape', ['batched', 'shape'], 'low_rank'),
    node('Add', ['base', 'low_rank'], 'y'),
  ];
}

/** ONNX Runtime's own name for a layer norm without mean and bias. */
function rmsNorm({ eps }) {
  return [node('SimplifiedLayerNormalization', ['x', 'weight'], 'y', [real('epsilon', eps), integer('axis', -1)])];
}

// Protobuf by the field numbers of onnx.proto3; the wire type is 0 for a varint, 2 for bytes and 5 for a float.

function model(nodes, inputs) {
  const graph = [
    ...nodes.flatMap((bytes) => field(1, bytes)),
    ...field(2, text('graph')),
    ...inputs.flatMap(([name, { dims }]) => field(11, valueInfo(name, dims))),
    ...field(12, valueInfo('y', null)),
  ];
  return Uint8Array.from([...number(1, 8), ...field(7, graph), ...field(8, number(2, 17))]);
}

function node(type, inputs, output, attributes = []) {
  return [...inputs.flatMap((name) => field(1, text(name))), ...field(2, text(output)), ...field(4, text(type)), ...attributes.flat()];
}

function integer(name, value) {
  return field(5, [...field(1, text(name)), ...number(3, value), ...number(20, 2)]);
}

function real(name, value) {
  return field(5, [...field(1, text(name)), 8 * 2 + 5, ...new Uint8Array(Float32Array.of(value).buffer), ...number(20, 1)]);
}

/** A tensor of int64s in one dimension. */
function shapeTensor(name, values) {
  const tensor = [...number(1, values.length), ...number(2, 7), ...values.flatMap((value) => number(7, value))];
  return field(5, [...field(1, text(name)), ...field(5, tensor), ...number(20, 4)]);
}

/** Float32 of these sizes, or of sizes that the runtime infers. */
function valueInfo(name, dims) {
  const shape = dims === null ? [] : field(2, dims.flatMap((size) => field(1, number(1, size))));
  return [...field(1, text(name)), ...field(2, field(1, [...number(1, 1), ...shape]))];
}

function number(id, value) {
  return [...varint(8 * id), ...varint(value)];
}

function field(id, bytes) {
  return [...varint(8 * id + 2), ...varint(bytes.length), ...bytes];
}

/** Negative numbers are 64-bit two's complement. */
function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

function text(string) {
  return [...new TextEncoder().encode(string)];
}
