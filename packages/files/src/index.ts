/** What needs nothing of Node, and so runs in a browser too. */

export { canonicalJson } from './canonical-json.ts';
export { mayNeverEnd, type Choices } from './expressions.ts';
export { afterStop, asProblem, kindOf, messageOf, Problem, PROBLEM_KINDS, problemsAs, Stopped, type ProblemDetails, type ProblemKind } from './problem.ts';
export { brief, problemsOf, quoted } from './problems-of.ts';
export { hashText, philox, stream, streamOf, type Random, type StreamName, type Words } from './random.ts';
