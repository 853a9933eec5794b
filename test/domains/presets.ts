/** The presets there are, and those of domains that only tests have: a domain is a folder and a line here. */

import { builtInPresets, type Presets } from '@seal/engine';
import { vote } from './vote/preset.ts';

export const presets: Presets = { ...builtInPresets, vote };
