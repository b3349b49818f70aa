/** Compare names with the newest lists. A candidate is no finding; persons decide, with a reason. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { usePages } from '../api/resource';
import { Empty, Icon, PageHead, ProblemNote, Section, Tag } from '../components/basic';
import { Note, useDoing } from '../components/parts';
import { HitCard, ScreeningCard } from '../governance/screening';
import type { Comparison, Screening } from '../governance/types';
import { useWords } from '../i18n';
import { useMay } from '../session';

/** One name a line; blank lines and repetitions go. */
export function namesIn(text: string): string[] {
  return [...new Set(text.split('\n').map((line) => line.trim()).filter(Boolean))].slice(0, 500);
}

function OnRecord(): JSX.Element {
  const t = useWords();
  const pages = usePages<Screening>('/v1/screenings', { limit: 20 });
  return (
    <Section title={t('screening.on_record')}>
      {pages.problem ? <ProblemNote problem={pages.problem} retry={pages.reload} /> : null}
      {pages.data?.length === 0 ? <Empty title={t('screening.none_on_record')} /> : null}
      {pages.data?.map((each) => <ScreeningCard key={each.id} of={each} />)}
      {pages.more ? (
        <button type="button" class="button" onClick={pages.more}>
          {t('common.more')}
        </button>
      ) : null}
    </Section>
  );
}

export default function ScreeningPage(): JSX.Element {
  const t = useWords();
  const [text, setText] = useState('');
  const [threshold, setThreshold] = useState('');
  const [found, setFound] = useState<Comparison | null>(null);
  const mayRead = useMay('requests:read');
  const doing = useDoing();
  const names = namesIn(text);
  return (
    <div class="page">
      <PageHead title={t('nav.screening')} intro={t('screening.intro')} />
      <Note tone="warn">
        <strong>{t('screening.no_finding')}</strong>
      </Note>
      <Section title={t('screening.names')}>
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            if (names.length) doing.run(async () => setFound(await send<Comparison>('/v1/screenings', { names, ...(threshold ? { threshold: Number(threshold) } : {}) })));
          }}
        >
          <label class="field wide">
            <span>{t('screening.one_a_line')}</span>
            <textarea required rows={4} value={text} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
          </label>
          <div class="filters">
            <label class="field">
              <span>{t('screening.threshold')}</span>
              <input type="number" min={1} max={1000} value={threshold} placeholder={String(found?.threshold ?? '')} onInput={(event) => setThreshold(event.currentTarget.value)} />
            </label>
            <button type="submit" class="button primary" disabled={doing.busy || !names.length}>
              <Icon name="search" />
              {doing.busy ? t('common.loading') : t('screening.compare', { n: names.length })}
            </button>
          </div>
          <p class="quiet">{t('screening.not_kept')}</p>
        </form>
        {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      </Section>
      {found ? (
        <Section title={t('screening.found')}>
          <p class="quiet">
            {found.lists.map((list) => (
              <span class="spaced">
                {list.source} {list.date} ({list.entries}) {list.complete ? null : <Tag tone="bad">{t('lists.broken_off')}</Tag>}
              </span>
            ))}
            {found.algorithm} {found.version}, {t('screening.from_score', { score: found.threshold })}
          </p>
          {found.screened.map((each) => (
            <>
              <h3>{each.names.join(' / ')}</h3>
              {each.problem ? <p class="note warn">{each.problem}</p> : null}
              {each.hits.length ? (
                <ul class="rules">
                  {each.hits.map((hit) => (
                    <HitCard hit={hit} />
                  ))}
                </ul>
              ) : each.problem ? null : (
                <p>{t('screening.nobody')}</p>
              )}
            </>
          ))}
        </Section>
      ) : null}
      {mayRead ? <OnRecord /> : null}
    </div>
  );
}
