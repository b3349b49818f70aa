/** Entries of one list of the operator. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import { Empty, PageHead, Tag, Time } from '../components/basic';
import { PagedTable } from '../components/table';
import { codeWord, useWords } from '../i18n';
import type { PageProps } from './index';

interface Entry {
  readonly id: string;
  readonly state: string;
  readonly legal_class: string | null;
  readonly facts: Readonly<Record<string, string | number | null>>;
  readonly governed: boolean;
}

function Fact({ value }: { value: string | number | null }): JSX.Element {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? <Time at={value} detail="day" /> : <span>{value}</span>;
}

export default function ListPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const id = params['id'] ?? '';
  const pages = usePages<Entry>(`/v1/lists/${encodeURIComponent(id)}/entries`, { limit: 100 });
  return (
    <div class="page">
      <PageHead title={id} intro={<a href="/lists">{t('nav.lists')}</a>} />
      <PagedTable<Entry>
        pages={pages}
        caption={id}
        keyOf={(row) => row.id}
        empty={<Empty title={t('lists.no_entries')} />}
        columns={[
          { head: t('lists.entry'), names: true, cell: (row) => row.id },
          { head: t('proposals.state'), cell: (row) => codeWord(t, 'entry_state', row.state) },
          { head: t('lists.legal_class'), cell: (row) => row.legal_class?.replaceAll('_', ' ') ?? '–' },
          { head: t('lists.facts'), cell: (row) => Object.entries(row.facts).map(([name, value]) => <div><span class="quiet">{name.replaceAll('_', ' ')}:</span> <Fact value={value} /></div>) },
          { head: t('lists.how'), cell: (row) => <Tag tone={row.governed ? 'good' : 'warn'}>{t(row.governed ? 'lists.governed' : 'lists.ungoverned')}</Tag> },
        ]}
      />
    </div>
  );
}
