/** @seal/benchmarks: measures the kernels on the adapter at hand, after holding them to their references. */

export { benchKernels, type BenchKernelsOptions, type KernelBenchmark, type KernelRow } from './kernels.ts';
