/** GGUF files written piece by piece: whole, or not at all. */

import { streamWhole } from '@seal/files/node';
import { encodeHeader, tensorBytes, type PlannedTensor } from './encode.ts';
import { Metadata, type GgufValue } from './metadata.ts';

/** A tensor with its blocks, in pieces of any length. */
export interface WrittenTensor extends PlannedTensor {
  readonly data: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * Writes a file of metadata and tensors, in the order given; a `general.alignment` among the keys is obeyed. Throws RangeError
 * where a tensor's pieces are not as long as its shape and type say, what its `data` throws, and as `writeWhole`.
 */
export async function writeGguf(path: string, metadata: ReadonlyMap<string, GgufValue>, tensors: readonly WrittenTensor[]): Promise<void> {
  const alignment = new Metadata(metadata, path).count('general.alignment') ?? 32;
  const { head, lengths } = encodeHeader(metadata, tensors, alignment);
  await streamWhole(path, async (write) => {
    write(head);
    for (const [i, tensor] of tensors.entries()) {
      const wanted = tensorBytes(tensor);
      let written = 0;
      for await (const piece of tensor.data()) {
        written += piece.byteLength;
        if (written > wanted) break;
        write(piece);
      }
      if (written !== wanted) throw new RangeError(`Cannot write tensor ${tensor.name}: it has ${written > wanted ? 'more than ' : ''}${Math.min(written, wanted)} bytes, its shape and type need ${wanted}`);
      write(new Uint8Array(lengths[i] - wanted));
    }
  });
}
