/** jax-js, jitted; the second argument names its backend, `webgpu` (on Dawn) or `wasm`. */

import { cpus } from 'node:os';
import { load, serve, storedShapes, useDawn, versionOf } from '../serve.js';

const backend = process.argv[3];
let jax;

await serve({
  async start() {
    const device = backend === 'webgpu' ? await useDawn() : (cpus()[0]?.model ?? 'CPU');
    jax = load('@jax-js/jax');
    const ready = await jax.init(backend);
    if (!ready.includes(backend)) throw new Error(`jax-js has no backend ${backend} here`);
    jax.defaultDevice(backend);
    return { version: versionOf('@jax-js/jax'), device };
  },
  async prepare(problem, operands) {
    const { inputs, compute } = problem.kind === 'matmul' ? matmul(problem, operands) : lora(problem, operands);
    const jitted = jax.jit(compute);
    const once = () => jitted(...inputs.map((input) => input.ref));
    return {
      async run(times) {
        // All are kept until they are there: what is not asked for need not be computed.
        const outputs = Array.from({ length: times }, once);
        await jax.blockUntilReady(outputs);
        for (const output of outputs) output.dispose();
      },
      async result() {
        return Float32Array.from(await once().data());
      },
      release() {
        for (const input of inputs) input.dispose();
      },
    };
  },
});

function array(values, shape) {
  return jax.numpy.array(values).reshape(shape);
}

function matmul(problem, { a, b }) {
  const shapes = storedShapes(problem);
  const { layout } = problem;
  const { matmul: product, transpose } = jax.numpy;
  const flipped = (x, flip) => (flip ? transpose(x) : x);
  return {
    inputs: [array(a, shapes.a), array(b, shapes.b)],
    compute: (x, y) => product(flipped(x, layout === 'tn'), flipped(y, layout === 'nt')),
  };
}

function lora({ T, K, N, R, E }, operands) {
  const { matmul: product, transpose, add } = jax.numpy;
  return {
    inputs: [
      array(operands.x, [T, K]),
      array(operands.w, [N, K]),
      array(operands.h, [E, T / E, R]),
      array(operands.b, [E, R, N]),
    ],
    compute: (x, w, h, b) => add(product(x, transpose(w)), product(h, b).reshape([T, N])),
  };
}
