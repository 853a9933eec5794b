import type { Numbers } from '../op.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** y = gate sigmoid(gate) up. */
export function forward(n: number, gate: Numbers, up: Numbers) {
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
  return y;
}

/** dgate = dy up s (1 + gate (1 - s)), dup = dy gate s, with s = sigmoid(gate). */
export function backward(n: number, gate: Numbers, up: Numbers, dy: Numbers) {
  const dgate = new Float64Array(n);
  const dup = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const s = sigmoid(gate[i]);
    dgate[i] = dy[i] * up[i] * s * (1 + gate[i] * (1 - s));
    dup[i] = dy[i] * gate[i] * s;
  }
  return { dgate, dup };
}
