/** What the service has on record under an address, as a plain table, until a capability has a page of its own. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Badge, Digest, Empty, Facts, Fetched, PageHead, Section, Tag, Time } from '../components/basic';
import { Table } from '../components/table';
import { codeWord, useWords, type Key } from '../i18n';
import { usePlace } from '../router';

const PATHS: Readonly<Record<string, readonly [string, Key]>> = {
  '/rulebook': ['/v1/rulebooks', 'nav.rulebook'],
  '/proposals': ['/v1/proposals', 'nav.proposals'],
  '/requests': ['/v1/requests', 'nav.requests'],
  '/contacts': ['/v1/contacts', 'nav.contacts'],
  '/appeals': ['/v1/appeals', 'nav.appeals'],
  '/reports': ['/v1/reports', 'nav.reports'],
  '/dossiers': ['/v1/dossiers', 'nav.dossiers'],
  '/log': ['/v1/ledger', 'nav.ledger'],
  '/lists': ['/v1/lists', 'nav.lists'],
  '/public': ['/v1/public', 'nav.public'],
  '/status': ['/v1/status', 'nav.status'],
};

type Value = unknown;

function Cell({ value, name = '' }: { value: Value; name?: string }): JSX.Element {
  if (value === null || value === undefined || value === '') return <span class="quiet">–</span>;
  if (typeof value === 'boolean') return <Tag tone={value ? 'good' : 'warn'}>{value ? '✓' : '✗'}</Tag>;
  if (typeof value === 'number') return <span>{value.toLocaleString()}</span>;
  if (typeof value === 'string') {
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return <Time at={value} />;
    if (/^(sha256:)?[0-9a-f]{64}$/.test(value)) return <Digest value={value} />;
    if (['serve', 'restrict', 'review', 'deny'].includes(value)) return <Badge outcome={value} />;
    return value.includes('\n') ? <pre class="text">{value}</pre> : <span>{value}</span>;
  }
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string') ? <span>{value.join(', ')}</span> : <Rows rows={value} caption={name} />;
  return <Facts of={Object.entries(value as object).map(([name, each]) => [name.replaceAll('_', ' '), <Cell value={each} name={name.replaceAll('_', ' ')} />])} />;
}

function Rows({ rows, caption }: { rows: readonly Value[]; caption: string }): JSX.Element {
  const t = useWords();
  if (!rows.length) return <Empty title={t('page.none')} />;
  const names = [...new Set(rows.flatMap((row) => (typeof row === 'object' && row !== null ? Object.keys(row) : [])))].slice(0, 7);
  if (!names.length) return <span>{rows.map(String).join(', ')}</span>;
  return (
    <Table
      caption={caption}
      columns={names.map((name, i) => ({ head: codeWord(t, 'column', name), cell: (row: Value) => <Cell value={(row as Record<string, Value>)[name]} />, names: i === 0 }))}
      rows={rows}
      keyOf={(row) => JSON.stringify(row).slice(0, 300)}
    />
  );
}

export default function Record(): JSX.Element {
  const t = useWords();
  const { path } = usePlace();
  const [source, title] = PATHS[path] ?? ['/v1/status', 'nav.status'];
  const found = useJson<Record<string, Value>>(source);
  return (
    <div class="page">
      <PageHead title={t(title)} />
      <Fetched of={found}>
        {(data) =>
          Array.isArray(data['items']) ? (
            <Section title={t('page.coming')}>
              <Rows rows={data['items']} caption={t(title)} />
            </Section>
          ) : (
            Object.entries(data).map(([name, value]) => (
              <Section title={name.replaceAll('_', ' ')}>
                <Cell value={value} name={name.replaceAll('_', ' ')} />
              </Section>
            ))
          )
        }
      </Fetched>
    </div>
  );
}
