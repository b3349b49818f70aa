/** Acts that were refused: wrong use is on record, with its reason and without a name. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import { Digest, Empty, PageHead } from '../components/basic';
import { Note } from '../components/parts';
import { PagedTable } from '../components/table';
import { useWords } from '../i18n';
import { useMay } from '../session';
import { kindWord } from './log';

interface Refused {
  readonly what: string;
  readonly code: string;
  readonly sentence: string;
  readonly digest: string;
}

export default function Refusals(): JSX.Element {
  const t = useWords();
  const mayLog = useMay('ledger:read');
  const pages = usePages<Refused>('/v1/refusals', { limit: 50 });
  return (
    <div class="page">
      <PageHead title={t('nav.refusals')} intro={t('refusals.intro')}>
        {mayLog ? (
          <a class="button" href="/log?kind=rejection#entries">
            {t('refusals.in_log')}
          </a>
        ) : null}
      </PageHead>
      <PagedTable<Refused>
        pages={pages}
        caption={t('nav.refusals')}
        keyOf={(row) => `${row.digest} ${row.code} ${row.what} ${pages.data?.indexOf(row) ?? 0}`}
        empty={
          <Empty title={t('refusals.none')}>
            <p>{t('refusals.none_help')}</p>
          </Empty>
        }
        columns={[
          { head: t('refusals.what'), names: true, cell: (row) => kindWord(t, row.what) },
          { head: t('refusals.why'), cell: (row) => row.sentence },
          { head: t('refusals.code'), cell: (row) => <code>{row.code}</code> },
          { head: t('refusals.digest'), cell: (row) => <Digest value={row.digest} /> },
        ]}
      />
      <Note>{t('refusals.note')}</Note>
    </div>
  );
}
