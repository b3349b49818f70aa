/** Proposals: what somebody wants to change, and where each stands. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import { Empty, PageHead, Time } from '../components/basic';
import { Code, NotAllowedHere, Note, PartyName, ShortId, Tabs } from '../components/parts';
import { PagedTable } from '../components/table';
import { number } from '../format';
import { ProposalForm } from '../governance/proposal_form';
import type { ProposalRow } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';

const STATES = ['open', 'ready', 'enacted', 'rejected', 'expired'] as const;

export default function Proposals(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const may = useMay('proposals:write');
  const state = query.get('state') ?? '';
  const writing = query.get('new') === '1';
  const pages = usePages<ProposalRow>('/v1/proposals', { state, limit: 50 });
  const tabs: [string, string, string][] = [['', t('common.all'), '/proposals'], ...STATES.map((each): [string, string, string] => [each, codeWord(t, 'proposal_state', each), `/proposals?state=${each}`])];
  if (may) tabs.push(['new', t('propose.new'), '/proposals?new=1']);
  if (writing) {
    return (
      <div class="page">
        <PageHead title={t('nav.proposals')} intro={t('proposals.intro')} />
        <Tabs label={t('proposals.by_state')} current="new" of={tabs} />
        {may ? <ProposalForm /> : <NotAllowedHere needs="proposals:write" />}
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={t('nav.proposals')} intro={t('proposals.intro')} />
      <Tabs label={t('proposals.by_state')} current={state} of={tabs} />
      <PagedTable<ProposalRow>
        pages={pages}
        caption={t('nav.proposals')}
        keyOf={(row) => row.id}
        empty={
          <Empty title={t('proposals.none')}>
            <p>{t('proposals.none_help')}</p>
            {may ? (
              <a class="button" href="/proposals?new=1">
                {t('propose.new')}
              </a>
            ) : (
              <pre class="command">groundrule propose --help</pre>
            )}
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
