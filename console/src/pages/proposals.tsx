/** Proposals: what somebody wants to change, and where each stands. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import { Empty, PageHead, Time } from '../components/basic';
import { Code, Note, PartyName, ShortId, Tabs } from '../components/parts';
import { PagedTable } from '../components/table';
import { number } from '../format';
import type { ProposalRow } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { usePlace } from '../router';
import { useSettings } from '../settings';

const STATES = ['open', 'ready', 'enacted', 'rejected', 'expired'] as const;

export default function Proposals(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const state = query.get('state') ?? '';
  const pages = usePages<ProposalRow>('/v1/proposals', { state, limit: 50 });
  return (
    <div class="page">
      <PageHead title={t('nav.proposals')} intro={t('proposals.intro')} />
      <Tabs
        label={t('proposals.by_state')}
        current={state}
        of={[['', t('common.all'), '/proposals'], ...STATES.map((each) => [each, codeWord(t, 'proposal_state', each), `/proposals?state=${each}`] as const)]}
      />
      <PagedTable<ProposalRow>
        pages={pages}
        caption={t('nav.proposals')}
        keyOf={(row) => row.id}
        empty={
          <Empty title={t('proposals.none')}>
            <p>{t('proposals.none_help')}</p>
            <pre class="command">groundrule propose --help</pre>
            {state ? (
              <a class="button" href="/proposals">
                {t('common.all')}
              </a>
            ) : null}
          </Empty>
        }
        columns={[
          { head: t('proposals.proposal'), names: true, cell: (row) => <><a href={`/proposals/${row.id}`}>{row.rationale}</a><br /><ShortId value={row.id} /></> },
          { head: t('proposals.state'), cell: (row) => <Code group="proposal_state" code={row.state} /> },
          { head: t('proposals.standing'), cell: (row) => row.standing },
          { head: t('proposals.changes'), cell: (row) => row.objects.join(', ') },
          { head: t('proposals.class'), cell: (row) => codeWord(t, 'change_class', row.class) },
          { head: t('proposals.terminals'), figure: true, cell: (row) => number(row.changed, prefer) },
          { head: t('proposals.signed'), figure: true, cell: (row) => `${row.approvals} / ${row.needed}` },
          { head: t('proposals.author'), cell: (row) => <PartyName of={row.author} /> },
          { head: t('proposals.at'), cell: (row) => <Time at={row.at} detail="minute" /> },
        ]}
      />
      <Note>{t('proposals.note')}</Note>
    </div>
  );
}
