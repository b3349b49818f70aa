/** Who says what about one sentence, side by side: stances, independent origins, contradictions. None is preferred. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Empty, Fetched, PageHead, Section, Tag } from '../components/basic';
import { Bars, Note } from '../components/parts';
import { ClaimCard, stanceTone } from '../evidence/claim';
import type { SideBySide } from '../evidence/types';
import { codeWord, useWords } from '../i18n';
import type { PageProps } from './index';

export default function PropositionPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const id = params['id'] ?? '';
  const found = useJson<SideBySide>(`/v1/propositions/${encodeURIComponent(id)}`);
  return (
    <div class="page">
      <PageHead title={found.data?.sentence ?? t('reports.compare')} intro={<a href="/reports">{t('nav.reports')}</a>} />
      <Note tone="warn">
        <strong>{t('reports.never_fact')}</strong> {t('reports.none_preferred')}
      </Note>
      <Fetched of={found}>
        {(data) => (
          <>
            <Section title={t('reports.origins')}>
              <dl class="figures">
                <div><dt>{t('reports.articles')}</dt><dd>{data.articles}</dd></div>
                <div><dt>{t('reports.independent')}</dt><dd>{data.independent_origins}</dd></div>
                <div><dt>{t('reports.supporting')}</dt><dd>{data.supporting_origins}</dd></div>
              </dl>
              <Bars label={t('reports.stances')} counts={data.stances} name={(key) => codeWord(t, 'stance', key)} />
              <ul class="rules">
                {data.origins.map((origin, i) => (
                  <li>
                    <div class="rule-head">
                      <span class="rule-title">
                        {i + 1}. {origin.name}
                      </span>
                      <span class="row">
                        {Object.entries(origin.stances).map(([stance, n]) => (
                          <Tag tone={stanceTone(stance)}>
                            {codeWord(t, 'stance', stance)} {n}
                          </Tag>
                        ))}
                      </span>
                    </div>
                    <p class="quiet">
                      {origin.joined_by.length ? `${t('reports.joined')} ${origin.joined_by.map((each) => each.replaceAll('_', ' ')).join(', ')}` : ''}
                      {origin.named.length ? ` · ${origin.named.join(', ')}` : ''}
                      {origin.unnamed_at_least ? ` · ${t('reports.unnamed', { n: origin.unnamed_at_least })}` : ''}
                    </p>
                  </li>
                ))}
              </ul>
            </Section>
            {data.contradictions.length ? (
              <Section title={t('reports.contradictions')}>
                <ul>
                  {data.contradictions.map((each) => (
                    <li>{each.detail}</li>
                  ))}
                </ul>
              </Section>
            ) : null}
            <Section title={t('reports.voices')}>
              {data.voices.length ? (
                <ul class="rules">
                  {data.voices.map((voice) => (
                    <ClaimCard key={voice.claim.id} claim={voice.claim} chosen={false} origin={`${voice.publisher || t('common.unknown')} ${voice.published_at} · ${voice.origin ? t('reports.origin_n', { n: voice.origin }) : t('reports.opinion')}`} reportHref={`/reports/${voice.claim.report}?claim=${voice.claim.id}`} />
                  ))}
                </ul>
              ) : (
                <Empty title={t('reports.no_claims')} />
              )}
            </Section>
          </>
        )}
      </Fetched>
    </div>
  );
}
