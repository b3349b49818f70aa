/** Candidates of a list and what made their scores. None of it is a finding about anybody. */
import type { JSX } from 'preact';
import { Facts, Tag, Time } from '../components/basic';
import { Code, LogLink, PartyName } from '../components/parts';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import { useSettings } from '../settings';
import type { Hit, Screening } from './types';

export function Score({ value, label }: { value: number; label: string }): JSX.Element {
  const prefer = useSettings();
  return (
    <span class="score">
      <span>
        {label} <strong>{number(value, prefer)}</strong> / {number(1000, prefer)}
      </span>
      <meter min={0} max={1000} low={700} high={900} value={value} aria-label={label} />
    </span>
  );
}

export function HitCard({ hit }: { hit: Hit }): JSX.Element {
  const t = useWords();
  const { features } = hit;
  const added = ([what, points]: readonly [string, number]) => (what && what !== 'unknown' ? `${what.replaceAll('_', ' ')} (${points >= 0 ? '+' : ''}${points})` : null);
  return (
    <li>
      <div class="rule-head">
        <span>
          <span class="rule-title">{hit.name}</span> <Code group="hit" code={hit.verdict} />
        </span>
        <Score value={hit.score} label={t('screening.score')} />
      </div>
      <p class="quiet">
        {hit.source}, {t('screening.entry', { entry: hit.entry })} · {codeWord(t, 'party_kind', hit.kind)}
        {hit.programmes.length ? ` · ${hit.programmes.join(', ')}` : ''}
      </p>
      <details>
        <summary>{t('screening.why')}</summary>
        <Facts
          of={[
            [t('screening.asked'), hit.asked],
            [t('screening.name_score'), features.name_score],
            [t('screening.words'), features.words.length ? features.words.map((each) => `${each.query} ≈ ${each.listed} (${each.link.replaceAll('_', ' ')}, ${each.likeness})`).join('; ') : null],
            [t('screening.only_query'), features.only_query.join(', ')],
            [t('screening.only_listed'), features.only_listed.join(', ')],
            [t('screening.birth'), added(features.birth)],
            [t('screening.country'), added(features.country)],
            [t('screening.identifiers'), features.identifiers.join(', ')],
            [t('screening.weak'), features.weak_name ? <Tag tone="warn">{t('common.yes')}</Tag> : null],
          ]}
        />
        <ul>
          {features.lines.map((line) => (
            <li>{line}</li>
          ))}
        </ul>
      </details>
    </li>
  );
}

/** A screening that is on record, with what registrars decided about its candidates. */
export function ScreeningCard({ of }: { of: Screening }): JSX.Element {
  const t = useWords();
  return (
    <div class="claim boxed">
      <p class="claim-head">
        <PartyName of={of.subject} />
        <Code group="screening" code={of.listed ? 'listed' : of.unresolved ? 'open' : 'clear'} />
        <span class="quiet">
          <Time at={of.performed_at} detail="minute" /> {t('common.until')} <Time at={of.valid_until} detail="minute" />
        </span>
        <LogLink index={of.log_index} />
      </p>
      <p class="quiet">{of.lists.map((list) => `${list.source} ${list.date}`).join(', ')}</p>
      {of.candidates.length ? (
        <ul>
          {of.candidates.map((each) => (
            <li>
              {each.entry} ({each.score}): <Code group="disposition" code={each.disposition} /> {each.by ? <PartyName of={each.by} /> : null} {each.reason}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
