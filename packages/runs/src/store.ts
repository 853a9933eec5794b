/**
 * Where records are kept. What is stored is reached through these interfaces alone, so that a directory can be replaced by
 * a database; that is why every call is a promise. Calls take effect in the order they are made, awaited or not.
 */
import type { RecordTypes, RunHeader } from './records.ts';

/** Records that are appended, and whole files beside them. `Types` gives the record of every kind. */
export interface RecordStore<Types> {
  /**
   * Appends one record; once settled, it survives the death of this process. Rejects with TypeError for a record that does
   * not fit its schema and DiskFullError where there is no space; the store is then as it was.
   */
  append<K extends keyof Types & string>(kind: K, record: Types[K]): Promise<void>;
  /** The records of a kind in the order they were appended, from number `from` on, 0 being the first of all. */
  records<K extends keyof Types & string>(kind: K, from?: number): Promise<readonly Types[K][]>;
  /** Settled when every record appended so far has reached the device. */
  checkpoint(): Promise<void>;
  /** Puts a whole file in place; at every moment it holds either the old content or the new. */
  writeFile(name: string, content: Uint8Array | string): Promise<void>;
  /** The content of a file, null where there is none. */
  readFile(name: string): Promise<Uint8Array | null>;
  /** Removes a file; does nothing where there is none. */
  removeFile(name: string): Promise<void>;
  /** Gives the store back; a second call does nothing. What was read stays readable, nothing can be written any more. */
  close(): Promise<void>;
}

/** Kinds of content-addressed files. */
export type BlobKind = 'adapters';
/** The files of one blob by name; exactly one of them ends in `.safetensors`. */
export type BlobFiles = Readonly<Record<string, Uint8Array | string>>;

/** One run, held by this process until `close`. */
export interface RunStore extends RecordStore<RecordTypes> {
  readonly header: RunHeader;
  /** Where the run is, for people: a directory or an address. */
  readonly place: string;
  /**
   * Stores files under the SHA-256 of their safetensors file and returns it; bytes alone are that file. Storing the same
   * files again changes nothing. Rejects with RangeError if there is not exactly one safetensors file, or if the hash is
   * taken by other side files.
   */
  putBlob(kind: BlobKind, content: Uint8Array | BlobFiles): Promise<string>;
  /** The safetensors bytes of a stored blob, checked against its hash. Rejects with a problem of kind `data`. */
  readBlob(kind: BlobKind, sha: string): Promise<Uint8Array>;
  hasBlob(kind: BlobKind, sha: string): Promise<boolean>;
}
