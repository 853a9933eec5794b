/** What is said of rewards that are the likelihood of gold answers. */
import type { LikelihoodMeasure } from '@seal/runs';
import { counted } from './format.ts';

/** How far the likelihood can be trusted as a reward, in one sentence. */
export function trust({ reliability, accuracyReliability, repeats, agreement, agreementContexts }: LikelihoodMeasure): string {
  const told = (value: number | null): string => (value === null ? 'not measured' : value.toFixed(2));
  const beside = `, of the share of right answers ${told(accuracyReliability)}`;
  const among = agreement === null ? '' : ` in the mean of ${counted(agreementContexts, 'context')}`;
  return (
    `Reward by the likelihood of gold answers: reliability over ${counted(repeats, 'repeat')} ${told(reliability)}${beside}; ` +
    `rank correlation with the share of right answers ${told(agreement)}${among}.`
  );
}

/** A log-probability or a gain in it, in nats a token. */
export function nats(value: number, { isGain = false }: { readonly isGain?: boolean } = {}): string {
  return `${value < 0 ? '−' : isGain && value > 0 ? '+' : ''}${Math.abs(value).toFixed(3)}`;
}
