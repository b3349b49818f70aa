/** Requests from outside: who asks what, on what basis, and whether there is an answer in time. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import { Empty, PageHead, Tag, Time } from '../components/basic';
import { Code, Due, NotAllowedHere, PartyName, shortId, ShortId, Tabs } from '../components/parts';
import { PagedTable } from '../components/table';
import { RequestForm } from '../governance/request_form';
import type { RequestRow } from '../governance/types';
import { codeWord, useWords, type Translate } from '../i18n';
import { usePlace } from '../router';
import { useMay } from '../session';

export function askWords(t: Translate, ask: { op: string; object: string; detail: string }): string {
  return `${codeWord(t, 'op', ask.op)} ${shortId(ask.object)}${ask.detail ? `: ${ask.detail}` : ''}`;
}

export default function Requests(): JSX.Element {
  const t = useWords();
  const { query } = usePlace();
  const may = useMay('requests:write');
  const overdue = query.get('overdue') === '1';
  const writing = query.get('new') === '1';
  const pages = usePages<RequestRow>('/v1/requests', { limit: 50, overdue: overdue || null });
  const tabs: [string, string, string][] = [['', t('common.all'), '/requests'], ['overdue', t('requests.overdue'), '/requests?overdue=1']];
  if (may) tabs.push(['new', t('requests.new'), '/requests?new=1']);
  return (
    <div class="page">
      <PageHead title={t('nav.requests')} intro={t('requests.intro')} />
      <Tabs label={t('nav.requests')} current={writing ? 'new' : overdue ? 'overdue' : ''} of={tabs} />
      {writing ? may ? <RequestForm /> : <NotAllowedHere needs="requests:write" /> : (
        <PagedTable<RequestRow>
          pages={pages}
          caption={t('nav.requests')}
          keyOf={(row) => row.id}
          empty={
            <Empty title={t(overdue ? 'requests.none_overdue' : 'requests.none')}>
              <p>{t('requests.none_help')}</p>
              {may ? (
                <a class="button" href="/requests?new=1">
                  {t('requests.new')}
                </a>
              ) : (
                <pre class="command">groundrule request open FILE</pre>
              )}
            </Empty>
          }
          columns={[
            { head: t('requests.asks'), names: true, cell: (row) => <><a href={row.appeal ? `/appeals/${row.id}` : `/requests/${row.id}`}>{row.asks.map((ask) => askWords(t, ask)).join('; ')}</a><br /><ShortId value={row.id} /></> },
            { head: t('requests.requester'), cell: (row) => <PartyName of={row.requester} /> },
            { head: t('requests.basis'), cell: (row) => codeWord(t, 'basis', row.basis.kind) },
            { head: t('requests.outcome'), cell: (row) => <><Code group="outcome" code={row.outcome} />{row.appeal ? <> <Tag tone="info">{t('requests.appeal')}</Tag></> : null}</> },
            { head: t('requests.clock'), cell: (row) => <Due at={row.due} overdue={row.overdue} ended={row.ended} /> },
            { head: t('requests.received'), cell: (row) => <Time at={row.received_at} detail="minute" /> },
          ]}
        />
      )}
    </div>
  );
}
