/** One report: where it comes from, its text with the quoted characters marked, and what it claims. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useJson } from '../api/resource';
import { Digest, Empty, Facts, Fetched, Icon, PageHead, Section, Tag, Time } from '../components/basic';
import { Note, ShortId } from '../components/parts';
import { ClaimCard, Refs } from '../evidence/claim';
import { cut } from '../evidence/spans';
import type { Report } from '../evidence/types';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import type { PageProps } from './index';
import { languageName } from './reports';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

const READ = new Set(['title', 'lead', 'body', 'quote']);

function Reading({ report, chosen, whole }: { report: Report; chosen: string | null; whole: boolean }): JSX.Element {
  const t = useWords();
  const claims = report.statements.filter((each) => each.status !== 'rejected' || each.id === chosen);
  const asides = report.spans.filter((each) => !READ.has(each.role)).map((each) => [each.start, each.end] as const);
  const stretches = cut(report.text, claims.map((each) => [each.start, each.end] as const), asides);
  const shown = whole ? stretches : stretches.filter((each) => !each.aside || each.marks.length);
  const seen = new Set<number>();
  return (
    <div class="reading" lang={report.language || undefined}>
      {shown.map((each) => {
        if (!each.marks.length) return <span class={each.aside ? 'aside' : undefined}>{each.text}</span>;
        const claim = claims[each.marks.find((n) => claims[n]?.id === chosen) ?? each.marks[0]!]!;
        const first = !seen.has(each.marks[0]!);
        seen.add(each.marks[0]!);
        return (
          <mark
            class={claim.id === chosen ? 'chosen' : undefined}
            id={first ? `at-${claim.id}` : undefined}
            title={`${t('reports.claim')}: ${codeWord(t, 'stance', claim.stance)}, ${claim.who}`}
            onClick={() => setQuery({ claim: claim.id })}
          >
            {each.text}
          </mark>
        );
      })}
    </div>
  );
}

export default function ReportPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const id = params['id'] ?? '';
  const { query } = usePlace();
  const chosen = query.get('claim');
  const whole = query.get('whole') === '1';
  const found = useJson<Report>(`/v1/reports/${encodeURIComponent(id)}`);
  useEffect(() => {
    if (!chosen || !found.data) return;
    document.getElementById(`at-${chosen}`)?.scrollIntoView({ block: 'center' });
  }, [chosen, found.data === null]);
  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('reports.missing')}>
          <a class="button" href="/reports">{t('nav.reports')}</a>
        </Empty>
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={found.data?.title || t('nav.reports')} intro={<><a href="/reports">{t('nav.reports')}</a> · <ShortId value={id} /></>} />
      <Note tone="warn">
        <strong>{t('reports.never_fact')}</strong>
      </Note>
      <Fetched of={found}>
        {(report) => (
          <div class="columns">
            <div>
              <Section
                title={t('reports.text')}
                actions={
                  <label class="check">
                    <input type="checkbox" checked={whole} onChange={(event) => setQuery({ whole: event.currentTarget.checked ? '1' : null })} />
                    <span>{t('reports.whole')}</span>
                  </label>
                }
              >
                <p class="quiet">{t('reports.text_help')}</p>
                <Reading report={report} chosen={chosen} whole={whole} />
                {report.text_cut ? <p class="quiet">{t('reports.cut')}</p> : null}
              </Section>
            </div>
            <div>
              <Section title={<>{t('reports.claims')} <span class="quiet">({report.statements.length})</span></>} id="claims">
                {report.statements.length ? (
                  <ul class="rules">
                    {report.statements.map((claim) => (
                      <ClaimCard key={claim.id} claim={claim} chosen={claim.id === chosen} onDone={found.reload} />
                    ))}
                  </ul>
                ) : (
                  <Empty title={t('reports.no_claims')} />
                )}
              </Section>
              <Section title={t('reports.origin')}>
                <Facts
                  of={[
                    [t('reports.publisher'), report.publisher],
                    [t('reports.authors'), report.authors.join(', ')],
                    [t('reports.published'), report.published_at],
                    [t('reports.language'), languageName(report.language, prefer.language)],
                    [t('reports.translation'), <>{codeWord(t, 'translation', report.about_translation.kind)} {report.about_translation.by} {report.about_translation.from_language ? `← ${languageName(report.about_translation.from_language, prefer.language)}` : ''}</>],
                    [t('reports.original'), report.about_translation.original ? <ShortId value={report.about_translation.original} href={`/reports/${report.about_translation.original}`} /> : report.about_translation.original_missing ? <Tag tone="warn">{t('reports.original_missing')}</Tag> : null],
                    [t('reports.outlets'), report.outlets.join(', ')],
                    [t('reports.source_url'), report.source_url || report.canonical_url],
                    [t('reports.captured'), report.captured_at ? <><Time at={report.captured_at} /> {report.captured_by}</> : t('common.unknown')],
                    [t('reports.file'), `${report.file_name}, ${number(report.size_bytes, prefer)} B, ${report.media_type}`],
                    [t('reports.bytes'), <Digest value={report.sha256} />],
                    [t('reports.extractor'), report.extractor],
                    [t('reports.links'), report.links.length ? <Refs of={report.links} /> : null],
                  ]}
                />
                {report.problems.length ? (
                  <>
                    <h3>{t('reports.problems')}</h3>
                    <ul>
                      {report.problems.map((each) => (
                        <li>
                          {each.detail || each.code.replaceAll('_', ' ')} <span class="quiet">{each.where}</span>
                        </li>
                      ))}
                    </ul>
                  </>
                ) : null}
              </Section>
            </div>
          </div>
        )}
      </Fetched>
      <p class="row">
        <a class="button" href="/reports">
          <Icon name="report" />
          {t('nav.reports')}
        </a>
      </p>
    </div>
  );
}
