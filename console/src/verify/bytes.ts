/** Bytes, hashes, base64 and canonical JSON, as strict as the verifiers outside of the browser. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** Something does not hold; the text says what. */
export class Failed extends Error {}

export function check(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Failed(what);
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Order of byte strings: that of their first differing byte, then of their length. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

export async function sha256(...parts: readonly Uint8Array[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(...parts)));
}

export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Standard base64 with padding, in its one canonical form (RFC 4648, 4). */
export function base64(text: unknown, what: string, size?: number): Bytes {
  check(typeof text === 'string' && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && !/[\n\r]/.test(text), `${what} is not base64`);
  let raw: string;
  try {
    raw = atob(text);
  } catch {
    throw new Failed(`${what} is not base64`);
  }
  const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0)) as Bytes;
  check(toBase64(bytes) === text && (size === undefined || bytes.length === size), `${what} is not base64 of ${size ?? 'some'} bytes`);
  return bytes;
}

/** ASCII decimal without sign and leading zeros, below 2^53, which is as far as whole numbers are exact here. */
export function decimal(text: string, what: string): number {
  check(/^(0|[1-9][0-9]{0,15})$/.test(text) && !text.includes('\n') && Number.isSafeInteger(Number(text)), `${what} is no decimal number`);
  return Number(text);
}

/** Text of strict UTF-8; anything else is not text. */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Failed(`${what} is not UTF-8`);
  }
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Write JSON in the form of RFC 8785: members in the order of their UTF-16 code units, whole numbers only. */
export function canonical(value: Json): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') {
    // A lone surrogate is no text: JSON.stringify would write it as an escape.
    check(typeof value !== 'string' || value.isWellFormed(), 'a text has half of a character');
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    check(Number.isSafeInteger(value) && !Object.is(value, -0), 'a number is no exact integer');
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((each) => canonical(each as Json)).join(',')}]`;
  const entries = Object.entries(value as { [key: string]: Json }).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${canonical(key)}:${canonical(each)}`).join(',')}}`;
}

/** Read JSON in canonical form: read, write again, compare; that also excludes duplicate keys. */
export function parseCanonical(bytes: Uint8Array, what: string): Json {
  const text = decodeUtf8(bytes, what);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new Failed(`${what} is not JSON`);
  }
  let again: string;
  try {
    again = canonical(value);
  } catch (error) {
    throw error instanceof Failed ? new Failed(`${what}: ${error.message}`) : new Failed(`${what} is nested too deeply`);
  }
  check(again === text, `${what} is not in canonical form`);
  return value;
}

/** An object with exactly these keys. */
export function shaped<K extends string>(value: Json | undefined, keys: readonly K[], what: string): Record<K, Json> {
  check(typeof value === 'object' && value !== null && !Array.isArray(value), `${what} is no object`);
  const given = Object.keys(value).sort();
  check(given.join('\n') === [...keys].sort().join('\n'), `${what} must have exactly these keys: ${keys.join(', ')}`);
  return value as Record<K, Json>;
}

export function whole(value: Json, what: string): number {
  check(typeof value === 'number' && Number.isSafeInteger(value) && value >= 0, `${what} is no whole number`);
  return value;
}
