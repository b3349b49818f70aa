/** Verifier keys and signatures (C2SP signed-note, tlog-cosignature), as far as this browser knows the algorithms. */
import { base64, check, concat, hex, sha256, utf8, type Bytes } from './bytes';

/** Types of keys: 1 Ed25519 of a log, 4 Ed25519 cosignature, 6 ML-DSA-44 cosignature; any other never counts. */
export interface Key {
  readonly name: string;
  readonly id: string;
  readonly type: number;
  readonly public: Bytes;
}

const P = 2n ** 255n - 19n;
/** Values of y whose points have a tiny order: anybody can sign for such a key (RFC 8032, 5.1). */
const TINY = new Set([
  0n, 1n, P - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);

function isWeak(bytes: Uint8Array): boolean {
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(bytes[i]!);
  y &= 2n ** 255n - 1n;
  return y >= P || TINY.has(y);
}

/** Read `<name>+<key id>+<base64 of type and key>`. */
export async function parseKey(text: string): Promise<Key> {
  const parts = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text);
  check(parts?.[1] && parts[2] && parts[3], `${text.slice(0, 60)} is no verifier key`);
  const [, name, id, encoded] = parts as unknown as [string, string, string, string];
  const data = base64(encoded, `the key ${name.slice(0, 60)}`);
  check(data.length > 1, `the key of ${name} is empty`);
  const type = data[0]!;
  const key: Key = { name, id, type, public: data.slice(1) as Bytes };
  const owned = type === 2 ? key.public : concat(utf8(`${name}\n`), data);
  check(hex((await sha256(owned)).slice(0, 4)) === id, `the key id of ${name} does not belong to its key`);
  const length = { 1: 32, 4: 32, 6: 1312 }[type] ?? key.public.length;
  check(key.public.length === length && ((type !== 1 && type !== 4) || !isWeak(key.public)), `the key of ${name} is too short or weak`);
  return key;
}

export const sameOwner = (key: Key, name: string, id: Uint8Array): boolean => key.name === name && key.id === hex(id);

let knowsEd25519: Promise<boolean> | null = null;

/** Whether this browser verifies Ed25519: tried with the first vector of RFC 8032, which it must also refuse when altered. */
export function canVerifyEd25519(): Promise<boolean> {
  knowsEd25519 ??= (async () => {
    const bytes = (text: string) => Uint8Array.from(text.match(/../g)!, (pair) => parseInt(pair, 16)) as Bytes;
    const publicKey = bytes('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    const signature = bytes('e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b');
    try {
      return (await verifyEd25519(publicKey, signature, new Uint8Array(0))) && !(await verifyEd25519(publicKey, signature, new Uint8Array(1)));
    } catch {
      return false;
    }
  })();
  return knowsEd25519;
}

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

export async function verifyEd25519(publicKey: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  if (signature.length !== 64) return false;
  // The scalar must be below the order of the group, or one signature could be written in two ways (RFC 8032, 5.1.7).
  let s = 0n;
  for (let i = 63; i >= 32; i--) s = (s << 8n) | BigInt(signature[i]!);
  if (s >= ORDER) return false;
  const key = await crypto.subtle.importKey('raw', publicKey, { name: 'Ed25519' }, false, ['verify']);
  return crypto.subtle.verify({ name: 'Ed25519' }, key, signature, message);
}

/** Verify ML-DSA-44 where the browser can (it is being added to WebCrypto); null where it cannot. */
export async function verifyMlDsa44(publicKey: Bytes, signature: Bytes, message: Bytes): Promise<boolean | null> {
  try {
    // The types of the platform do not know this algorithm and key format yet.
    const subtle = crypto.subtle as unknown as {
      importKey(format: string, data: Bytes, algorithm: { name: string }, extractable: boolean, uses: string[]): Promise<CryptoKey>;
    };
    const key = await subtle.importKey('raw-public', publicKey, { name: 'ML-DSA-44' }, false, ['verify']);
    return await crypto.subtle.verify({ name: 'ML-DSA-44' }, key, signature, message);
  } catch {
    return null;
  }
}

