/** The rules of a rulebook, tier by tier, as a lawyer reads them. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Badge, Digest, Empty, Facts, Section, Tag } from '../components/basic';
import { holds, Interval, Note } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import type { Book, RuleRow } from './types';
import { matching } from './words';

const OUTCOMES = ['serve', 'restrict', 'review', 'deny'] as const;

function RuleCard({ rule, open }: { rule: RuleRow; open: boolean }): JSX.Element {
  const t = useWords();
  const standing = holds(rule.effective_from, rule.effective_until, Date.now());
  return (
    <li id={`rule-${rule.id}`} class={open ? 'decisive' : undefined}>
      <div class="rule-head">
        <span class="rule-title">{rule.title}</span>
        <Badge outcome={rule.outcome} state={rule.state} />
      </div>
      <p class="quiet row">
        <a href={`/rulebook?rule=${encodeURIComponent(rule.id)}`} class="rule-id">
          <code>{rule.id}</code>
        </a>
        {standing === 'before' ? <Tag tone="warn">{t('rulebook.not_yet')}</Tag> : standing === 'after' ? <Tag>{t('rulebook.ended')}</Tag> : <Tag tone="good">{t('rulebook.holds')}</Tag>}
        {rule.emergency ? <Tag tone="bad">{t('rulebook.emergency')}</Tag> : null}
        {rule.illustrative ? (
          <span title={t('rulebook.illustrative_help')}>
            <Tag>{t('rulebook.illustrative')}</Tag>
          </span>
        ) : null}
      </p>
      <Facts
        of={[
          [t('terminal.reason'), codeWord(t, 'reason', rule.reason)],
          [t('terminal.basis'), rule.basis],
          [t('terminal.requested_by'), rule.requested_by],
          [t('terminal.source'), rule.source ? `${rule.source}${rule.date ? `, ${rule.date}` : ''}` : rule.date],
          [t('rulebook.effective'), <Interval from={rule.effective_from} until={rule.effective_until} />],
          [t('terminal.appeal'), rule.appeal],
        ]}
      />
      {rule.text ? (
        <details open={open}>
          <summary>{t('rulebook.as_written', { line: rule.line })}</summary>
          <pre class="text">{rule.text}</pre>
        </details>
      ) : null}
    </li>
  );
}

export function Rules({ book }: { book: Book }): JSX.Element {
  const t = useWords();
  const { query } = usePlace();
  const search = query.get('q') ?? '';
  const outcome = query.get('outcome') ?? '';
  const wanted = query.get('rule');
  const found = matching(book.rules, search).filter((rule) => (!outcome || rule.outcome === outcome) && (!wanted || rule.id === wanted));
  useEffect(() => {
    if (wanted) document.getElementById(`rule-${wanted}`)?.scrollIntoView({ block: 'center' });
  }, [wanted, book.digest]);
  const tiers = book.tiers.map((tier) => [tier, found.filter((rule) => rule.tier === tier)] as const).filter(([, rules]) => rules.length);
  return (
    <>
      <Section title={book.title}>
        <Facts
          of={[
            [t('rulebook.version'), `${book.id}, ${book.version}`],
            [t('rulebook.operator'), book.operator],
            [t('rulebook.digest'), <Digest value={book.digest} />],
            [t('rulebook.default'), <Badge outcome={book.default_outcome} />],
            [t('rulebook.tiers'), book.tiers.join(' → ')],
          ]}
        />
        <p class="quiet">{t('rulebook.how')}</p>
        {book.notice ? <Note>{book.notice}</Note> : null}
      </Section>
      <form class="filters" role="search" aria-label={t('rulebook.search')} onSubmit={(event) => event.preventDefault()}>
        <label class="field grow">
          <span>{t('rulebook.search')}</span>
          <input type="search" value={search} maxLength={200} autocomplete="off" spellcheck={false} onInput={(event) => setQuery({ q: event.currentTarget.value || null, rule: null })} />
        </label>
        <label class="field">
          <span>{t('terminal.answer')}</span>
          <select value={outcome} onChange={(event) => setQuery({ outcome: event.currentTarget.value || null, rule: null })}>
            <option value="">{t('common.all')}</option>
            {OUTCOMES.map((each) => (
              <option value={each}>{t(`answer.${each}`)}</option>
            ))}
          </select>
        </label>
        {search || outcome || wanted ? (
          <button type="button" class="button" onClick={() => setQuery({ q: null, outcome: null, rule: null })}>
            {t('common.clear')}
          </button>
        ) : null}
        <span class="quiet" role="status">
          {t('rulebook.found', { n: found.length })}
        </span>
      </form>
      {tiers.length ? (
        tiers.map(([tier, rules]) => (
          <Section title={<>{t('rulebook.tier', { tier })} <span class="quiet">({rules.length})</span></>} id={`tier-${tier}`}>
            <ul class="rules">
              {rules.map((rule) => (
                <RuleCard key={rule.id} rule={rule} open={wanted === rule.id} />
              ))}
            </ul>
          </Section>
        ))
      ) : (
        <Empty title={t('rulebook.none')}>
          <p>{t('rulebook.none_help')}</p>
        </Empty>
      )}
    </>
  );
}
