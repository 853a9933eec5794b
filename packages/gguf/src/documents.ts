/** The files of a Hugging Face directory that a GGUF file stands for, as parsed JSON. */

import { huggingFaceConfig } from './config.ts';
import { readRopeFactors, type Gguf } from './file.ts';
import { huggingFaceGenerationConfig, huggingFaceTokenizerConfig } from './text-config.ts';
import { huggingFaceTokenizer } from './tokenizer.ts';

/** What each file says; made anew with every call. Each throws what its own maker does. */
export function huggingFaceFiles(gguf: Gguf): {
  readonly 'config.json': () => Record<string, unknown>;
  readonly 'tokenizer.json': () => Record<string, unknown>;
  readonly 'tokenizer_config.json': () => Record<string, unknown>;
  readonly 'generation_config.json': () => Record<string, unknown>;
} {
  return {
    'config.json': () => huggingFaceConfig({ ...gguf, ropeFactors: readRopeFactors(gguf) }),
    'tokenizer.json': () => huggingFaceTokenizer(gguf),
    'tokenizer_config.json': () => huggingFaceTokenizerConfig(gguf),
    'generation_config.json': () => huggingFaceGenerationConfig(gguf),
  };
}
