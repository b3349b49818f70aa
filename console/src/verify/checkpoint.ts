/** Signed heads of a log (C2SP signed-note, tlog-checkpoint, tlog-cosignature). */
import { base64, check, concat, decimal, decodeUtf8, equal, sha256, utf8, type Bytes } from './bytes';
import { sameOwner, verifyEd25519, verifyMlDsa44, type Key } from './keys';
import type { Policy } from './policy';

export interface Note {
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: Bytes; readonly blob: Bytes }[];
}

export interface Head {
  readonly origin: string;
  readonly size: number;
  readonly root: Bytes;
}

/** What became of one signature: it holds, does not, or this browser does not know its algorithm. */
export type Standing = 'holds' | 'fails' | 'unknown';

export interface Opened extends Head {
  /** Ed25519 and ML-DSA-44 of the log itself. */
  readonly log: { readonly ed25519: Standing | 'absent'; readonly mldsa: Standing | 'absent' };
  /** Seconds since 1970 of each witness whose cosignature holds. */
  readonly times: ReadonlyMap<string, number>;
  readonly failed: readonly string[];
  readonly unknown: readonly string[];
}

/** Read text, a blank line and signature lines; identical signatures count once. */
export function parseNote(bytes: Uint8Array): Note {
  check(bytes.length <= 1_000_000, 'the checkpoint is too long');
  const whole = decodeUtf8(bytes, 'the checkpoint');
  const cut = whole.lastIndexOf('\n\n');
  check(cut > 0, 'the checkpoint has no blank line before its signatures');
  const text = whole.slice(0, cut + 1);
  const tail = whole.slice(cut + 2);
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  check(!/[\u0000-\u0009\u000b-\u001f]/.test(whole), 'the checkpoint has a control character');
  const lines = tail.split('\n');
  check(lines.pop() === '' && lines.length >= 1 && lines.length <= 100, 'the checkpoint has not 1 to 100 signature lines');
  const seen = new Set<string>();
  const signatures: { name: string; id: Bytes; blob: Bytes }[] = [];
  for (const line of lines) {
    const parts = /^\u2014 ([^\s+]+) ([^\s=]{7}\S*)$/u.exec(line);
    check(parts?.[1] && parts[2], 'a signature line is malformed');
    const blob = base64(parts[2], `the signature of ${parts[1].slice(0, 60)}`);
    if (seen.has(line)) continue;
    seen.add(line);
    signatures.push({ name: parts[1], id: blob.slice(0, 4) as Bytes, blob: blob.slice(4) as Bytes });
  }
  return { text, signatures };
}

function timeOf(blob: Uint8Array): bigint {
  return blob.slice(0, 8).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Message of an ML-DSA-44 cosignature over a whole tree. */
export function subtreeMessage(owner: string, time: Uint8Array, head: Head): Bytes {
  const name = utf8(owner);
  const origin = utf8(head.origin);
  check(name.length < 256 && origin.length < 256, 'a name is too long');
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(head.size));
  return concat(utf8('subtree/v1\n\0'), new Uint8Array([name.length]), name, time, new Uint8Array([origin.length]), origin, new Uint8Array(8), size, head.root);
}

async function standing(key: Key, blob: Bytes, note: Note, head: Head): Promise<{ standing: Standing; time: number }> {
  if (key.type === 1) return { standing: (await verifyEd25519(key.public, blob, utf8(note.text))) ? 'holds' : 'fails', time: 0 };
  const time = timeOf(blob);
  const signature = blob.slice(8) as Bytes;
  const seconds = Number(time);
  const possible = blob.length > 8 && time > 0n && time < 2n ** 63n;
  if (key.type === 4) {
    const holds = possible && (await verifyEd25519(key.public, signature, utf8(`cosignature/v1\ntime ${time}\n${note.text}`)));
    return { standing: holds ? 'holds' : 'fails', time: seconds };
  }
  if (!possible || signature.length !== 2_420) return { standing: 'fails', time: seconds };
  const holds = await verifyMlDsa44(key.public, signature, subtreeMessage(key.name, blob.slice(0, 8), head));
  return { standing: holds === null ? 'unknown' : holds ? 'holds' : 'fails', time: seconds };
}

/** Read a checkpoint and judge every signature of a key that the policy names. Nothing is judged as a whole yet. */
export async function openCheckpoint(bytes: Uint8Array, policy: Policy): Promise<Opened> {
  const note = parseNote(bytes);
  const lines = note.text.split('\n').slice(0, -1);
  check(lines.length >= 3 && lines.every((line) => line !== ''), 'a checkpoint has an origin, a size, a root and no empty line');
  const head: Head = { origin: lines[0]!, size: decimal(lines[1]!, 'the tree size'), root: base64(lines[2]!, 'the root', 32) };
  check(head.size > 0 || equal(head.root, await sha256()), 'a tree of size 0 has the empty root');
  const log: { ed25519: Standing | 'absent'; mldsa: Standing | 'absent' } = { ed25519: 'absent', mldsa: 'absent' };
  const times = new Map<string, number>();
  const failed: string[] = [];
  const unknown: string[] = [];
  for (const signature of note.signatures) {
    const own = policy.logs.find((key) => sameOwner(key, signature.name, signature.id));
    if (own) {
      const found = await standing(own, signature.blob, note, head);
      // A signature of a configured log that does not hold spoils the whole note, whichever log's it is (signed-note).
      check(found.standing !== 'fails', `a signature of the log ${own.name} does not hold`);
      if (own.name === head.origin) log[own.type === 1 ? 'ed25519' : 'mldsa'] = found.standing;
    }
    const witness = policy.witnesses.find(({ key }) => sameOwner(key, signature.name, signature.id));
    if (witness) {
      const found = await standing(witness.key, signature.blob, note, head);
      if (found.standing === 'holds') times.set(witness.name, Math.min(found.time, times.get(witness.name) ?? found.time));
      else (found.standing === 'fails' ? failed : unknown).push(witness.name);
    }
  }
  return { ...head, log, times, failed, unknown };
}
