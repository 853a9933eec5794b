/** TensorFlow.js with its WebGPU backend, on Dawn. */

import { load, serve, storedShapes, useDawn } from '../serve.js';

let tf;

await serve({
  async start() {
    const device = await useDawn();
    tf = load('@tensorflow/tfjs-core');
    // Products by chained methods are not needed; the backend registers itself.
    load('@tensorflow/tfjs-backend-webgpu');
    await tf.setBackend('webgpu');
    await tf.ready();
    if (tf.getBackend() !== 'webgpu') throw new Error(`TensorFlow.js chose the backend ${tf.getBackend()}`);
    return { version: tf.version_core, device };
  },
  async prepare(problem, operands) {
    const { inputs, compute } = problem.kind === 'matmul' ? matmul(problem, operands) : lora(problem, operands);
    const run = async (times) => {
      for (let i = 0; i < times; i++) tf.tidy(() => void compute());
      const backend = tf.backend();
      backend.endComputePassEncoder();
      backend.submitQueue();
      await backend.queue.onSubmittedWorkDone();
    };
    return {
      run,
      async result() {
        const y = tf.tidy(compute);
        const values = await y.data();
        y.dispose();
        return Float32Array.from(values);
      },
      release: () => tf.dispose(inputs),
    };
  },
});

function matmul(problem, { a, b }) {
  const shapes = storedShapes(problem);
  const inputs = [tf.tensor(a, shapes.a), tf.tensor(b, shapes.b)];
  return { inputs, compute: () => tf.matMul(...inputs, problem.layout === 'tn', problem.layout === 'nt') };
}

function lora({ T, K, N, R, E }, operands) {
  const x = tf.tensor(operands.x, [T, K]);
  const w = tf.tensor(operands.w, [N, K]);
  const h = tf.tensor(operands.h, [E, T / E, R]);
  const b = tf.tensor(operands.b, [E, R, N]);
  return {
    inputs: [x, w, h, b],
    compute: () => tf.add(tf.matMul(x, w, false, true), tf.reshape(tf.matMul(h, b), [T, N])),
  };
}
