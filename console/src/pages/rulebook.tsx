/** The rulebook: what decides, in words that a lawyer reads; compared, checked, analysed, and asked what if. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Empty, Fetched, PageHead, Tag, Time } from '../components/basic';
import { Tabs } from '../components/parts';
import { useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import { AnalyseView, CheckView } from '../rulebook/draft';
import { DiffView } from '../rulebook/diff';
import { Rules } from '../rulebook/rules';
import type { Book, BookRow } from '../rulebook/types';
import { WhatIfView } from '../rulebook/whatif';

export default function Rulebook(): JSX.Element {
  const t = useWords();
  const { query } = usePlace();
  const tab = query.get('tab') ?? 'rules';
  const digest = query.get('book') ?? 'in-force';
  const books = useJson<BookRow[]>('/v1/rulebooks');
  const book = useJson<Book>(`/v1/rulebooks/${encodeURIComponent(digest)}`);
  const kept = query.get('book') ? `&book=${encodeURIComponent(digest)}` : '';
  const tabs = (['rules', 'diff', 'check', 'analyse', 'whatif'] as const).map((each) => [each, t(`rulebook.tab_${each}`), each === 'rules' ? `/rulebook${kept.replace('&', '?')}` : `/rulebook?tab=${each}${kept}`] as const);
  return (
    <div class="page">
      <PageHead title={t('nav.rulebook')} intro={t('rulebook.intro')}>
        {books.data && books.data.length > 1 ? (
          <label class="field">
            <span>{t('rulebook.choose')}</span>
            <select value={book.data?.digest ?? ''} onChange={(event) => setQuery({ book: event.currentTarget.value, rule: null, job: null })}>
              {books.data.map((each) => (
                <option value={each.digest} selected={each.digest === book.data?.digest}>
                  {each.id} {each.version}
                  {each.in_force ? ` · ${t('rulebook.in_force')}` : ''}
                </option>
              ))}
            </select>
          </label>
        ) : null}
      </PageHead>
      {book.data ? (
        <p class="row">
          {book.data.in_force ? <Tag tone="good">{t('rulebook.in_force')}</Tag> : <Tag tone="warn">{t('rulebook.not_in_force')}</Tag>}
          {books.data?.find((each) => each.digest === book.data?.digest)?.from ? (
            <span class="quiet">
              {t('common.from')} <Time at={books.data.find((each) => each.digest === book.data?.digest)?.from} />
            </span>
          ) : null}
        </p>
      ) : null}
      <Tabs label={t('nav.rulebook')} of={tabs} current={tab} />
      <Fetched of={book}>
        {(found) =>
          tab === 'diff' ? (
            <Fetched of={books} empty={<Empty title={t('rulebook.none')} />}>{(rows) => <DiffView books={rows} />}</Fetched>
          ) : tab === 'check' ? (
            <CheckView key={found.digest} book={found} />
          ) : tab === 'analyse' ? (
            <AnalyseView key={found.digest} book={found} />
          ) : tab === 'whatif' ? (
            <WhatIfView key={found.digest} book={found} history={books.data ?? []} />
          ) : (
            <Rules book={found} />
          )
        }
      </Fetched>
    </div>
  );
}
