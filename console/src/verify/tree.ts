/** Merkle trees (RFC 6962). */
import { check, concat, sha256, type Bytes } from './bytes';

export const leafHash = (...parts: readonly Uint8Array[]): Promise<Bytes> => sha256(new Uint8Array([0]), ...parts);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(new Uint8Array([1]), concat(left, right));

/** Root to which an inclusion path leads from a leaf hash (RFC 9162, 2.1.3.2). Halving by division: sizes may pass 2^32. */
export async function rootByPath(index: number, size: number, leaf: Bytes, path: readonly Bytes[]): Promise<Bytes> {
  check(index < size, 'the index is not below the size');
  let at = index;
  let last = size - 1;
  let root = leaf;
  for (const hash of path) {
    check(last !== 0, 'the path is too long');
    if (at % 2 === 1 || at === last) {
      root = await nodeHash(hash, root);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else root = await nodeHash(root, hash);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  check(last === 0, 'the path is too short');
  return root;
}
