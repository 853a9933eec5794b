import type { Numbers } from '../op.ts';

/** gelu(x) = x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3). */
const tanhOf = (x: number) => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

/** y = gelu(gate) up. */
export function forward(n: number, gate: Numbers, up: Numbers) {
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) y[i] = 0.5 * gate[i] * (1 + tanhOf(gate[i])) * up[i];
  return y;
}

/** dgate = dy up (1 + t + gate (1 - t^2) u') / 2, dup = dy gate (1 + t) / 2, with t = tanh(u). */
export function backward(n: number, gate: Numbers, up: Numbers, dy: Numbers) {
  const dgate = new Float64Array(n);
  const dup = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const t = tanhOf(gate[i]);
    const slope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * gate[i] ** 2);
    dgate[i] = 0.5 * dy[i] * up[i] * (1 + t + gate[i] * (1 - t ** 2) * slope);
    dup[i] = 0.5 * dy[i] * gate[i] * (1 + t);
  }
  return { dgate, dup };
}
