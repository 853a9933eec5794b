/** @seal/tuner: which variant of every kernel is the fastest on an adapter, measured and kept. */

export { attentionCases, elementwise, loraCases, matmulCase, type KernelCase } from './cases.ts';
export { GATE, measureCase, measureSequences, type Bench, type Measured, type Rivals, type Sequence } from './measure.ts';
export { modelCases } from './model-cases.ts';
export { draw, relativeError } from './operands.ts';
export { Stopwatch, type Clock, type Launch } from './stopwatch.ts';
export { tuneKernels, type TunedRow, type TuneOptions } from './tune.ts';
export { forgetTuning, readTuning, tuningPath, writeTuning, type Tuning, type TuningPlace } from './tuning.ts';
export { speedOver, takeTurns, type Contestant, type Sample, type Timing } from './turns.ts';
