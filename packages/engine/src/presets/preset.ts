/**
 * A preset: a whole configuration, the domain it is for, and where that domain's contexts are from. A request chooses one by
 * name; nothing is guessed from a model. A further domain is a folder of its own and one line of a list of presets.
 */

import type { Context, Domain, Json } from '@seal/domains';
import { Problem, problemsAs } from '@seal/files';
import type { Checkpoint } from '@seal/model';
import { counted } from '@seal/report/text';
import { pluralOf, PASSAGE_TERMS, type Mode } from '@seal/runs';
import { fitContexts, type Codec, type Lengths, type SealConfig } from '@seal/trainer';

/** What a request says of its texts; a preset refuses what it has no use for. */
export interface TextRequest {
  /** What asks for self-edits: a name, or a file of one's own wording. */
  readonly template?: string | { readonly [key: string]: Json } | undefined;
  /** Ask by the model's chat template. */
  readonly chat?: boolean | undefined;
  /** The file that a run draws its contexts from. */
  readonly passages?: string | undefined;
  /** The file that the contexts of the table are from; that of all contexts where absent. */
  readonly tablePassages?: string | undefined;
}

/** A domain over the text side of a model, and its contexts. */
export interface Subject {
  readonly domain: Domain;
  readonly codec: Codec;
  /** What adapters name as their base. */
  readonly baseModel: string;
  /** Most tokens of a question or of a context with what asks for its self-edit, where the model has room for them. */
  readonly promptTokens: number;
  /** What a run's header keeps of the request, so that it can be gone on with; null where the preset brings it all. */
  readonly kept: { readonly [key: string]: Json } | null;
  /** All contexts of a file. Throws a problem where they cannot be used. */
  read(path: string): Promise<readonly Context[]>;
  /** Passages without questions as contexts; absent where a text alone is none. Throws a problem where they cannot be used. */
  take?(passages: readonly Context[], place: string): Promise<readonly Context[]>;
  /**
   * Contexts of a run by its seed, in an order that rounds and table take them from; no context of the one is among those of
   * the other. Throws RangeError, to be put behind what asks for them, where there are too few.
   */
  draw(needed: { readonly rounds: number; readonly perRound: number; readonly table: number }, seed: number): Promise<DrawnContexts>;
}

/** Contexts before they are made to fit. `spare` ones take the place of those that are left out. */
export interface DrawnContexts {
  readonly rounds: readonly Context[];
  readonly table: readonly Context[];
  readonly spare?: readonly Context[];
  /** The file they are from and the place of each there, for messages; absent where they were made. */
  readonly source?: { readonly place: string; readonly items: ReadonlyMap<Context, number> };
}

/** A whole configuration by name. */
export interface Preset {
  readonly config: SealConfig;
  /** Opens its domain for a model. Throws a problem where request and model do not go together. */
  open(checkpoint: Checkpoint, request: TextRequest & { readonly model: string | undefined; readonly mode: Mode }): Promise<Subject>;
}

export type Presets = Readonly<Record<string, Preset>>;

/** The preset of a name. Throws a problem that lists the names where there is none. */
export function presetOf(presets: Presets, name: string): Preset {
  const found = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (found) return found;
  throw new Problem('usage', `Cannot find the preset ${JSON.stringify(name)}: there are ${Object.keys(presets).join(', ')}`);
}

/** The preset of a request that is not a run: the one it names, else `tiny` for the shipped model and `squad` for any other. */
export function presetFor(presets: Presets, { preset, model }: { readonly preset?: string | undefined; readonly model?: string | undefined }): { readonly name: string; readonly preset: Preset } {
  const name = preset ?? (model === undefined ? 'tiny' : 'squad');
  return { name, preset: presetOf(presets, name) };
}

/** Contexts that fit, and one sentence on what the texts lost, where they did. */
export interface FittedContexts {
  readonly contexts: readonly Context[];
  readonly shortened: string | null;
}

/** Contexts as long as `lengths` lets them be. `place` names where they come from, `items` the place of each there. */
export async function fitted(
  { domain, codec }: Pick<Subject, 'domain' | 'codec'>,
  lengths: Lengths,
  contexts: readonly Context[],
  place: string,
  items?: readonly number[],
): Promise<FittedContexts & { readonly leftOut: number }> {
  const result = await problemsAs('data', () => fitContexts(contexts, domain, codec, lengths, place, items));
  const { contexts: count, tokensBefore, tokensAfter } = result.shortened;
  const noun = (domain.terms ?? PASSAGE_TERMS).context;
  const all = contexts.length === 1 ? counted(1, noun) : `${contexts.length} ${pluralOf(noun)}`;
  const were = count === 1 ? 'is longer than fits and was' : 'are longer than fits and were';
  const cut =
    `${count} of ${all} ${were} cut, at the end of a sentence where there is one: ` +
    `${tokensBefore} tokens with what asks for a self-edit became ${tokensAfter}, at most ${lengths.prompt} a ${noun}.`;
  const left = `${result.leftOut} of ${all} ${result.leftOut === 1 ? 'does' : 'do'} not fit and ${result.leftOut === 1 ? 'was' : 'were'} left out.`;
  const said = [...(count > 0 ? [cut] : []), ...(result.leftOut > 0 ? [left] : [])];
  return { contexts: result.contexts, shortened: said.length > 0 ? said.join(' ') : null, leftOut: result.leftOut };
}
