/** The signed file that an approver brings: read here, so that a wrong file is told apart before it is handed in. */
import type { Envelope } from './types';

export interface Read {
  readonly envelope: Envelope;
  /** Digest of the proposal that it is about, as far as it can be read. */
  readonly proposal: string | null;
  readonly verdict: string | null;
  readonly person: string | null;
  /** Id of the object that was signed, or of what it ends. */
  readonly of: string | null;
}

/** Kind of object of an envelope: `emergency` of `application/vnd.groundrule.emergency+json`. */
export function kindOf(envelope: Envelope): string {
  return /^application\/vnd\.groundrule\.([a-z-]+)\+json$/.exec(envelope.payloadType)?.[1] ?? '';
}

function decode(text: string): unknown {
  try {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return null;
  }
}

/** Read a DSSE envelope; null for anything else. Whose signature holds is for the service to say. */
export function readEnvelope(text: string): Read | null {
  let given: unknown;
  try {
    given = JSON.parse(text) as unknown;
  } catch {
    return null;
  }
  if (typeof given !== 'object' || given === null) return null;
  const { payload, payloadType, signatures } = given as Record<string, unknown>;
  if (typeof payload !== 'string' || typeof payloadType !== 'string' || !Array.isArray(signatures) || !signatures.length) return null;
  const signed = signatures.map((each: unknown) => (typeof each === 'object' && each !== null ? (each as Record<string, unknown>) : {}));
  if (!signed.every((each) => typeof each['sig'] === 'string')) return null;
  const inside = decode(payload) as Record<string, unknown> | null;
  const text_of = (name: string) => (typeof inside?.[name] === 'string' ? (inside[name] as string) : null);
  return {
    // Only what the service takes: it refuses members that it does not know.
    envelope: { payload, payloadType, signatures: signed.map((each) => ({ sig: each['sig'] as string, ...(typeof each['keyid'] === 'string' ? { keyid: each['keyid'] } : {}) })) },
    proposal: text_of('proposal_digest'),
    verdict: text_of('verdict'),
    person: text_of('person'),
    of: text_of('id') ?? text_of('emergency'),
  };
}
