/**
 * TensorFlow.js with its WebGPU backend, eager as it is meant to be used: `tidy`, and `matMul` with transpose flags. A run
 * ends when the queue says that all submitted work is done, which is what our own runs wait for. Dawn is the project's
 * and paced as it is for us.
 */

import { load, serve, useDawn, versionOf } from '../serve.js';

let tf;

await serve({
  async start() {
    const device = await useDawn();
    tf = load('@tensorflow/tfjs-core');
    load('@tensorflow/tfjs-backend-webgpu');
    await tf.setBackend('webgpu');
    await tf.ready();
    if (tf.getBackend() !== 'webgpu') throw new Error(`TensorFlow.js runs on ${tf.getBackend()} instead of webgpu`);
    return { version: versionOf('@tensorflow/tfjs-backend-webgpu'), device };
  },
  async prepare(problem, operands) {
    const ways = { matmul, 'lora-linear': lora, attention, 'rms-norm': rmsNorm };
    const inputs = Object.fromEntries(Object.entries(operands).map(([name, { values, shape }]) => [name, tf.tensor(values, shape)]));
    const way = ways[problem.kind]?.(problem, inputs);
    if (!way) return null;
    return {
      async run(times) {
        for (let i = 0; i < times; i++) tf.tidy(() => void way.compute());
        const backend = tf.backend();
        // An open pass makes the command buffer invalid: nothing would run.
        backend.endComputePassEncoder();
        if (backend.commandEncoder) backend.submitQueue();
        await backend.device.queue.onSubmittedWorkDone();
      },
      async result() {
        const y = tf.tidy(() => way.finish?.(way.compute()) ?? way.compute());
        const values = await y.data();
        y.dispose();
        return Float32Array.from(values);
      },
      release: () => tf.dispose([...Object.values(inputs), ...(way.kept ?? [])]),
    };
  },
});

function matmul({ layout }, { a, b }) {
  return { compute: () => tf.matMul(a, b, layout === 'tn', layout === 'nt') };
}

function lora(_, { x, w, h, b }) {
  return { compute: () => tf.add(tf.matMul(x, w, false, true), tf.reshape(tf.matMul(h, b), [x.shape[0], w.shape[0]])) };
}

/** Heads come first and the mask is ready before the clock runs. */
function attention({ scale }, { q, k, v }) {
  const [T] = q.shape;
  const [qh, kh, vh] = [q, k, v].map((x) => tf.transpose(x, [1, 0, 2]));
  const mask = tf.tensor(Float32Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 0 : -1e9)), [1, T, T]);
  return {
    kept: [qh, kh, vh, mask],
    compute: () => tf.matMul(tf.softmax(tf.add(tf.mul(tf.matMul(qh, kh, false, true), scale), mask)), vh),
    finish: (y) => tf.transpose(y, [1, 0, 2]),
  };
}

function rmsNorm({ eps }, { x, weight }) {
  return { compute: () => tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps))), weight) };
}
