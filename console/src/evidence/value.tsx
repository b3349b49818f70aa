/** JSON as people read it: names with their values, nested; digests short, instants by the reader's clock. */
import type { JSX } from 'preact';
import { Digest, Facts, Tag, Time } from '../components/basic';

export function Value({ of, depth = 0 }: { of: unknown; depth?: number }): JSX.Element {
  if (of === null || of === undefined || of === '') return <span class="quiet">–</span>;
  if (typeof of === 'boolean') return <Tag>{String(of)}</Tag>;
  if (typeof of === 'number') return <span>{of}</span>;
  if (typeof of === 'string') {
    if (/^\d{4}-\d\d-\d\dT\d\d:/.test(of)) return <Time at={of} />;
    if (/^(sha256:)?[0-9a-f]{64}$/.test(of)) return <Digest value={of} />;
    return of.length > 400 ? <pre class="text">{of}</pre> : <span class="value">{of}</span>;
  }
  if (Array.isArray(of)) {
    if (!of.length) return <span class="quiet">–</span>;
    return (
      <ul class="plain">
        {of.map((each) => (
          <li>
            <Value of={each} depth={depth + 1} />
          </li>
        ))}
      </ul>
    );
  }
  return <Facts of={Object.entries(of as object).map(([name, each]) => [name.replaceAll('_', ' '), <Value of={each} depth={depth + 1} />])} />;
}

/** What a signed envelope holds, decoded; null where it is none, or holds no JSON. */
export function payloadOf(body: Readonly<Record<string, unknown>>): unknown {
  const envelope = (typeof body['envelope'] === 'object' && body['envelope'] !== null ? body['envelope'] : body) as Record<string, unknown>;
  if (typeof envelope['payload'] !== 'string') return null;
  try {
    const bytes = Uint8Array.from(atob(envelope['payload']), (each) => each.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return null;
  }
}
