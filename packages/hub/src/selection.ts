/** Which files of a repository a model needs: configuration, tokenizer, chat template and weights in safetensors, or a GGUF file. */

import { HubError } from './errors.ts';

/** A file of a repository as its hub lists it. */
export interface RepositoryFile {
  readonly path: string;
  readonly byteLength: number;
  /** SHA-256 of an LFS file, SHA-1 of the git blob of any other: the name of its blob in a cache. */
  readonly oid: string;
  readonly isLfs: boolean;
}

/** Small files that are taken where they exist. */
const PLAIN: ReadonlySet<string> = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
  'chat_template.json',
]);
const WEIGHTS = 'model.safetensors';
export const INDEX = 'model.safetensors.index.json';
const ADAPTER = ['adapter_config.json', 'adapter_model.safetensors'] as const;

/** A file name that stays in its directory, on every file system. */
export function isPlainName(name: string): boolean {
  return name.length <= 200 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) && !name.includes('..');
}

/** What to load: `files` at once, then the shards that the index names, where there is one. */
export interface Selection {
  readonly files: readonly RepositoryFile[];
  readonly index: RepositoryFile | null;
}

/** A GGUF file: its name but for the number of a part, in lower case. */
function ggufStem(path: string): string {
  return path.toLowerCase().replace(/(-\d{5}-of-\d{5})?\.gguf$/, '');
}

/**
 * The names of the parts of the GGUF file that is asked for by its name or by what its name ends with, the first part first.
 * `problem` says what there is where none or several fit.
 */
export function selectGguf(wanted: string, names: readonly string[]): { readonly parts: readonly string[] } | { readonly problem: string } {
  const files = names.filter((name) => /\.gguf$/i.test(name) && isPlainName(name)).sort();
  const stem = ggufStem(wanted.toLowerCase().endsWith('.gguf') ? wanted : `${wanted}.gguf`);
  const stems = [...new Set(files.map(ggufStem))];
  const named = stems.filter((own) => own === stem);
  const found = named.length > 0 ? named : stems.filter((own) => own.endsWith(stem) && /[-._]/.test(own.at(-stem.length - 1) ?? ''));
  if (found.length !== 1) {
    const which = found.length === 0 ? 'no GGUF file' : `${found.length} GGUF files`;
    const choice = found.length === 0 ? files : files.filter((file) => found.includes(ggufStem(file)));
    return { problem: `it has ${which} of ${wanted}; ${choice.length === 0 ? 'there is none at all' : `choose one of ${briefList(choice)}`}` };
  }
  const parts = files.filter((file) => ggufStem(file) === found[0]);
  const [, total] = /-\d{5}-of-(\d{5})\.gguf$/i.exec(parts[0] ?? '') ?? [];
  if (parts.length !== Number(total ?? 1)) return { problem: `it has ${parts.length} of the ${Number(total ?? 1)} parts of ${wanted}` };
  return { parts };
}

/** Names in a message of bounded length. */
function briefList(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`;
}

/** Chooses a GGUF file of a repository, all of its parts. Throws HubError where none or several fit. */
function selectGgufFiles(name: string, wanted: string, listed: readonly RepositoryFile[]): Selection {
  const chosen = selectGguf(wanted, listed.map(({ path }) => path));
  if ('problem' in chosen) throw new HubError('unusable', `Cannot pull ${name}: ${chosen.problem}`);
  return { files: listed.filter(({ path }) => chosen.parts.includes(path)), index: null };
}

/**
 * Chooses among a repository's files: those of a model of safetensors or, where `gguf` is given, the parts of that file. `name`
 * is the model's. Throws HubError where there are no weights we may open.
 */
export function selectFiles(name: string, listed: readonly RepositoryFile[], gguf: string | null = null): Selection {
  if (gguf !== null) return selectGgufFiles(name, gguf, listed);
  const byPath = new Map(listed.map((file) => [file.path, file]));
  const plain = listed.filter(({ path }) => PLAIN.has(path));
  const adapter = ADAPTER.flatMap((path) => byPath.get(path) ?? []);
  const isAdapter = adapter.length === ADAPTER.length;
  const whole = byPath.get(WEIGHTS);
  const index = whole ? null : (byPath.get(INDEX) ?? null);
  if (!whole && !index && !isAdapter) throw new HubError('unusable', `Cannot pull ${name}: ${withoutWeights(name, listed)}`);
  if ((whole || index) && !byPath.has('config.json')) throw new HubError('unusable', `Cannot pull ${name}: there is no config.json in it`);
  const weights = [whole ?? index ?? [], isAdapter ? adapter : []].flat();
  return { files: [...plain, ...weights], index };
}

function withoutWeights(name: string, listed: readonly RepositoryFile[]): string {
  const other = (pattern: RegExp) => listed.find(({ path }) => !path.includes('/') && pattern.test(path))?.path;
  const ggufs = listed.map(({ path }) => path).filter((path) => /\.gguf$/i.test(path) && isPlainName(path)).sort();
  if (ggufs.length > 0) return `its weights are GGUF files; choose one, as ${name}:Q4_K_M, of ${briefList(ggufs)}`;
  const pickle = other(/\.(bin|pth|pt|ckpt|pkl)$/);
  if (pickle !== undefined) {
    return `its weights are pickle files (${pickle}), and opening those can run any code; choose a model with safetensors`;
  }
  const format = other(/\.(onnx|h5|msgpack)$/);
  if (format !== undefined) return `its weights are in another format (${format}); choose a model with safetensors`;
  return `there is no ${WEIGHTS}, ${INDEX} or adapter_model.safetensors in it; is it a model?`;
}

/** File names in a parsed index, each once. Null where it is no index. */
export function indexedNames(json: unknown): string[] | null {
  if (typeof json !== 'object' || json === null || !('weight_map' in json)) return null;
  const { weight_map: map } = json;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return null;
  const names: unknown[] = [...new Set(Object.values(map))];
  return names.length > 0 && names.every((shard) => typeof shard === 'string' && isPlainName(shard)) ? (names as string[]) : null;
}

/** The shards that an index names, as the repository lists them. Throws HubError for an index that is none. */
export function selectShards(name: string, json: unknown, listed: readonly RepositoryFile[]): RepositoryFile[] {
  const shards = indexedNames(json);
  if (!shards) throw new HubError('unusable', `Cannot pull ${name}: its ${INDEX} is not an index of shards`);
  return shards.sort().map((shard) => {
    const file = listed.find(({ path }) => path === shard);
    if (!file || !shard.endsWith('.safetensors')) {
      throw new HubError('unusable', `Cannot pull ${name}: its ${INDEX} names ${shard}, which is no safetensors file of the repository`);
    }
    return file;
  });
}
