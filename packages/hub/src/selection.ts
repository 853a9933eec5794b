/** Which files of a repository a model needs: configuration, tokenizer, chat template and weights in safetensors. */

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

/** Chooses among a repository's files. `name` is the model's. Throws HubError where there are no weights we may open. */
export function selectFiles(name: string, listed: readonly RepositoryFile[]): Selection {
  const byPath = new Map(listed.map((file) => [file.path, file]));
  const plain = listed.filter(({ path }) => PLAIN.has(path));
  const adapter = ADAPTER.flatMap((path) => byPath.get(path) ?? []);
  const isAdapter = adapter.length === ADAPTER.length;
  const whole = byPath.get(WEIGHTS);
  const index = whole ? null : (byPath.get(INDEX) ?? null);
  if (!whole && !index && !isAdapter) throw new HubError('unusable', `Cannot pull ${name}: ${withoutWeights(listed)}`);
  if ((whole || index) && !byPath.has('config.json')) throw new HubError('unusable', `Cannot pull ${name}: there is no config.json in it`);
  const weights = [whole ?? index ?? [], isAdapter ? adapter : []].flat();
  return { files: [...plain, ...weights], index };
}

function withoutWeights(listed: readonly RepositoryFile[]): string {
  const other = (pattern: RegExp) => listed.find(({ path }) => !path.includes('/') && pattern.test(path))?.path;
  const pickle = other(/\.(bin|pth|pt|ckpt|pkl)$/);
  if (pickle !== undefined) {
    return `its weights are pickle files (${pickle}), and opening those can run any code; choose a model with safetensors`;
  }
  const format = other(/\.(gguf|onnx|h5|msgpack)$/);
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
