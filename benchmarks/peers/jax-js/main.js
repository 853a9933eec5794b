/**
 * jax-js, jitted. The second argument names its backend: `webgpu`, on the project's Dawn, paced as it is for us, or
 * `wasm`. A run ends with its own fence, `blockUntilReady` of every result.
 */

import { cpus } from 'node:os';
import { load, serve, useDawn, versionOf } from '../serve.js';

const backend = process.argv[3];
let jax;

await serve({
  async start() {
    const device = backend === 'webgpu' ? await useDawn() : (cpus()[0]?.model ?? 'CPU');
    jax = load('@jax-js/jax');
    if (!(await jax.init(backend)).includes(backend)) throw new Error(`jax-js does not offer ${backend} here`);
    jax.defaultDevice(backend);
    return { version: versionOf('@jax-js/jax'), device };
  },
  async prepare(problem, operands) {
    const ways = { matmul, 'lora-linear': lora, attention, 'rms-norm': rmsNorm };
    const compute = ways[problem.kind]?.(problem);
    if (!compute) return null;
    const inputs = Object.values(operands).map(({ values, shape }) => jax.numpy.array(values).reshape(shape));
    await jax.blockUntilReady(inputs.map((input) => input.ref));
    const jitted = jax.jit(compute);
    // Arguments are consumed: every call gets references of its own.
    const once = () => jitted(...inputs.map((input) => input.ref));
    return {
      async run(times) {
        const results = await jax.blockUntilReady(Array.from({ length: times }, once));
        for (const result of results) result.dispose();
      },
      result: async () => Float32Array.from(await once().data()),
      release() {
        for (const input of inputs) input.dispose();
        jitted.dispose?.();
      },
    };
  },
});

function matmul({ layout }) {
  const { numpy: np } = jax;
  return (a, b) => np.matmul(layout === 'tn' ? np.transpose(a) : a, layout === 'nt' ? np.transpose(b) : b);
}

function lora({ T, N }) {
  const { numpy: np } = jax;
  return (x, w, h, b) => np.matmul(x, np.transpose(w)).add(np.matmul(h, b).reshape([T, N]));
}

function attention({ scale }) {
  return (q, k, v) => jax.nn.dotProductAttention(q, k, v, { scale, isCausal: true });
}

function rmsNorm({ eps }) {
  const { numpy: np } = jax;
  return (x, weight) => {
    const rms = np.sqrt(np.square(x.ref).mean(-1, { keepdims: true }).add(eps));
    return x.mul(np.reciprocal(rms)).mul(weight);
  };
}
