/** What an executor is set up with, from the configuration of a run and the lengths that a model allows. */

import { loraConfig, type SealConfig } from './config.ts';
import type { Lengths } from './lengths.ts';
import type { Codec } from './sequences.ts';
import type { ExecutorSettings } from './work.ts';

export function executorSettings({ inner, outer }: SealConfig, lengths: Lengths, codec: Pick<Codec, 'stopTokens'>, baseModel: string): ExecutorSettings {
  const { packSize, tokensPerStep, documentsPerStep, replayPerStep, recompute = false } = inner;
  const { sft } = outer;
  return {
    baseModel,
    inner: { lora: loraConfig(inner.lora), packSize, tokensPerStep, documentsPerStep, replayPerStep, recompute },
    sft: { ...sft, lora: loraConfig(sft.lora), recompute: sft.recompute ?? false },
    writing: lengths.writing,
    answering: lengths.answering,
    maxSelfEditTokens: outer.maxSelfEditTokens,
    maxAnswerTokens: inner.maxAnswerTokens,
    topP: outer.topP,
    stopTokens: codec.stopTokens,
  };
}
