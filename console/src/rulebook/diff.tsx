/** Two rulebooks beside each other: what differs, in words. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Empty, Fetched, Section, Tag } from '../components/basic';
import { NotAllowedHere, Note } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useMay } from '../session';
import type { BookRow, Difference } from './types';

export function Differences({ of }: { of: readonly Difference[] }): JSX.Element {
  const t = useWords();
  if (!of.length) return <Empty title={t('rulebook.same')} />;
  return (
    <ul class="rules">
      {of.map((each) => (
        <li>
          <div class="rule-head">
            <span>{each.sentence}</span>
            <span class="row">
              <Tag tone={each.kind === 'added' ? 'good' : each.kind === 'removed' ? 'bad' : 'info'}>{codeWord(t, 'difference', each.kind)}</Tag>
              {each.affects_past ? (
                <span title={t('rulebook.past_help')}>
                  <Tag tone="warn">{t('rulebook.past')}</Tag>
                </span>
              ) : null}
            </span>
          </div>
        </li>
      ))}
    </ul>
  );
}

export function DiffView({ books }: { books: readonly BookRow[] }): JSX.Element {
  const t = useWords();
  const may = useMay('rulebooks:compare');
  const { query } = usePlace();
  const now = books.find((each) => each.in_force) ?? books[0];
  const before = query.get('before') ?? books.find((each) => each !== now)?.digest ?? '';
  const after = query.get('after') ?? now?.digest ?? '';
  const found = useJson<Difference[]>(may && before && after && before !== after ? `/v1/rulebooks/${encodeURIComponent(before)}/diff/${encodeURIComponent(after)}` : null);
  if (!may) return <NotAllowedHere needs="rulebooks:compare" />;
  const choose = (name: 'before' | 'after', value: string, words: string) => (
    <label class="field">
      <span>{words}</span>
      <select value={value} onChange={(event) => setQuery({ [name]: event.currentTarget.value })}>
        {books.map((book) => (
          <option value={book.digest} selected={book.digest === value}>
            {book.id} {book.version}
            {book.in_force ? ` · ${t('rulebook.in_force')}` : ''}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <Section title={t('rulebook.tab_diff')}>
      {books.length < 2 ? (
        <Empty title={t('rulebook.one_only')}>
          <p>{t('rulebook.one_only_help')}</p>
          <a class="button" href="/rulebook?tab=check">
            {t('rulebook.tab_check')}
          </a>
        </Empty>
      ) : (
        <>
          <div class="filters">
            {choose('before', before, t('rulebook.before'))}
            {choose('after', after, t('rulebook.after'))}
          </div>
          {before === after ? <Empty title={t('rulebook.same')} /> : <Fetched of={found}>{(differences) => <Differences of={differences} />}</Fetched>}
          <Note>{t('rulebook.past_help')}</Note>
        </>
      )}
    </Section>
  );
}
