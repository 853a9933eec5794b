/** @seal/benchmarks: measures kernels, a training step and a round's reward phase, after holding them to what is right. */

export { benchKernels, type BenchKernelsOptions, type KernelBenchmark, type KernelRow } from './kernels.ts';
export { knownPeers, Peers, type PeerRecord, type PeerRow } from './peers.ts';
export { benchRound, type BenchRoundOptions, type RoundBenchmark } from './round.ts';
export { findPython } from './round-peer.ts';
export { benchStep, type BenchStepOptions, type StepBenchmark } from './step.ts';
export { kernelLine, roundTable, stepTable } from './plain-text.ts';
