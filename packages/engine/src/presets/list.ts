/** The presets there are. A domain is added by its folder and a line here. */

import type { Presets } from './preset.ts';
import { squad } from './squad.ts';
import { squadSmall } from './squad-small.ts';
import { tiny } from './tiny.ts';

export const builtInPresets = { tiny, squad, 'squad-small': squadSmall } satisfies Presets;
