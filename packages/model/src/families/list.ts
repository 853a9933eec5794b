/** The model families that are computed. */

import type { Family } from './family.ts';
import { gemma3 } from './gemma3.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

export const FAMILIES: readonly Family[] = [llama, qwen2, qwen3, gemma3];
