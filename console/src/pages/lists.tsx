/** Lists: published ones with their age and digest, and the operator's own. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Digest, Empty, Fetched, PageHead, Section, Tag, Time } from '../components/basic';
import { Note } from '../components/parts';
import { Table } from '../components/table';
import { span } from '../evidence/spans';
import { number } from '../format';
import type { ListsAnswer } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { useSettings } from '../settings';

export default function Lists(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const found = useJson<ListsAnswer>('/v1/lists');
  return (
    <div class="page">
      <PageHead title={t('nav.lists')} intro={t('lists.intro')}>
        <a class="button" href="/screening">
          {t('nav.screening')}
        </a>
      </PageHead>
      <Fetched of={found}>
        {(lists) => (
          <>
            <Section title={t('lists.published')}>
              {lists.sanctions.length ? (
                <Table
                  caption={t('lists.published')}
                  rows={lists.sanctions}
                  keyOf={(row) => row.source}
                  columns={[
                    { head: t('lists.source'), names: true, cell: (row) => row.source },
                    { head: t('lists.age'), cell: (row) => <>{span(row.age_s, prefer)} {row.stale ? <Tag tone="bad">{t('lists.stale')}</Tag> : null}{row.complete ? null : <> <Tag tone="bad">{t('lists.broken_off')}</Tag></>}</> },
                    { head: t('lists.published_at'), cell: (row) => <Time at={row.published_at} detail="day" /> },
                    { head: t('lists.asked_at'), cell: (row) => <Time at={row.asked_at} detail="minute" /> },
                    { head: t('lists.entries'), figure: true, cell: (row) => number(row.entries, prefer) },
                    { head: t('lists.broken'), figure: true, cell: (row) => number(row.broken, prefer) },
                    { head: t('rulebook.digest'), cell: (row) => <Digest value={row.digest} /> },
                  ]}
                />
              ) : (
                <Empty title={t('lists.none_published')}>
                  <p>{t('lists.none_published_help')}</p>
                  <pre class="command">groundrule lists import FILE</pre>
                </Empty>
              )}
              <Note>{t('lists.stale_help')}</Note>
            </Section>
            <Section title={t('lists.own')}>
              {lists.policy.length ? (
                <Table
                  caption={t('lists.own')}
                  rows={lists.policy}
                  keyOf={(row) => row.id}
                  columns={[
                    { head: t('lists.list'), names: true, cell: (row) => <><a href={`/lists/${encodeURIComponent(row.id)}`}>{row.title ?? row.id}</a><br /><code>{row.id}</code></> },
                    { head: t('lists.entries'), cell: (row) => Object.entries(row.entries).map(([state, n]) => `${codeWord(t, 'entry_state', state)}: ${number(n, prefer)}`).join(', ') || '0' },
                    { head: t('lists.quotas'), cell: (row) => Object.entries(row.quotas).map(([name, n]) => `${name.replaceAll('_', ' ')}: ${number(n, prefer)}`).join(', ') || '–' },
                    { head: t('lists.source'), cell: (row) => row.source ?? '–' },
                    { head: t('lists.how'), cell: (row) => <>{row.governed ? <Tag tone="good">{t('lists.governed')}</Tag> : <Tag tone="warn">{t('lists.ungoverned')}</Tag>} {row.signed ? <Tag tone="info">{t('lists.signed')}</Tag> : null}</> },
                  ]}
                />
              ) : (
                <Empty title={t('lists.none_own')}>
                  <p>{t('lists.none_own_help')}</p>
                </Empty>
              )}
            </Section>
          </>
        )}
      </Fetched>
    </div>
  );
}
