/** Appeals: an owner says that a decision is wrong, and has an answer in time. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import { Empty, PageHead, Tag, Time } from '../components/basic';
import { Code, Due, Note, ShortId, Tabs } from '../components/parts';
import { PagedTable } from '../components/table';
import { AppealForm } from '../governance/appeal_form';
import type { AppealRow } from '../governance/types';
import { useWords } from '../i18n';
import { usePlace } from '../router';
import { useMay } from '../session';

export default function Appeals(): JSX.Element {
  const t = useWords();
  const all = useMay('appeals:read');
  const mayTake = useMay('appeals:write');
  const own = useMay('appeals:own') && !all;
  const { query } = usePlace();
  const overdue = query.get('overdue') === '1';
  const writing = query.get('new') === '1' || query.get('terminal') !== null;
  const pages = usePages<AppealRow>(own ? '/v1/own/appeals' : '/v1/appeals', { limit: 50, ...(own ? {} : { overdue: overdue || null }) });
  const tabs: [string, string, string][] = [['', t('common.all'), '/appeals']];
  if (!own) tabs.push(['overdue', t('requests.overdue'), '/appeals?overdue=1']);
  if (own || mayTake) tabs.push(['new', t(own ? 'appeals.open' : 'appeals.take'), '/appeals?new=1']);
  return (
    <div class="page">
      <PageHead title={t('nav.appeals')} intro={t(own ? 'appeals.own_intro' : 'appeals.intro')} />
      <Tabs label={t('nav.appeals')} of={tabs} current={writing ? 'new' : overdue ? 'overdue' : ''} />
      {writing && (own || mayTake) ? (
        <AppealForm own={own} />
      ) : (
        <PagedTable<AppealRow>
          pages={pages}
          caption={t('nav.appeals')}
          keyOf={(row) => row.id}
          empty={
            <Empty title={t(overdue ? 'appeals.none_overdue' : 'appeals.none')}>
              <p>{t('appeals.none_help')}</p>
              {own || mayTake ? (
                <a class="button" href="/appeals?new=1">
                  {t(own ? 'appeals.open' : 'appeals.take')}
                </a>
              ) : null}
            </Empty>
          }
          columns={[
            { head: t('appeals.appeal'), names: true, cell: (row) => <a href={`/appeals/${row.id}`}>{row.terminal ?? row.id.slice(0, 16)}</a> },
            { head: t('requests.outcome'), cell: (row) => <Code group="outcome" code={row.outcome} /> },
            { head: t('requests.clock'), cell: (row) => <Due at={row.due} overdue={row.overdue} ended={row.ended} /> },
            { head: t('appeals.protected'), cell: (row) => (row.protected ? <Tag tone="info">{t('appeals.hours_72')}</Tag> : t('appeals.days_14')) },
            { head: t('appeals.decision_at'), cell: (row) => <Time at={row.decided_at} detail="minute" /> },
            { head: t('appeals.opened'), cell: (row) => <Time at={row.opened_at} detail="minute" /> },
            { head: t('appeals.who'), cell: (row) => row.who ?? <ShortId value={row.of} /> },
          ]}
        />
      )}
      <Note>{t('appeals.note')}</Note>
    </div>
  );
}
