/** What everybody may see, without a login. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Badge, Digest, Empty, Facts, Fetched, PageHead, Section, Tag, Time } from '../components/basic';
import { Bars, LogLink, Note, ShortId } from '../components/parts';
import { Table } from '../components/table';
import { country, number } from '../format';
import { codeWord, useWords } from '../i18n';
import { areaName } from '../components/areas';
import { useSettings } from '../settings';
import { useSession } from '../session';

interface Public {
  readonly at: string;
  readonly charter: { readonly version: number; readonly until: string; readonly policy: string | null } | null;
  readonly aggregates: readonly { readonly day: string; readonly sha256: string; readonly entry: number; readonly rows: readonly { readonly area: string; readonly outcome: string; readonly rule: string; readonly terminals: number }[] }[];
  readonly disclosures: readonly { readonly commitment: string; readonly kind: string; readonly entry: number; readonly disclose_by: string; readonly opened_at: string | null; readonly overdue_days: number | null }[];
  readonly reviews_overdue: readonly string[];
  readonly emergencies: readonly { readonly id: string; readonly condition: string; readonly direction: string; readonly ops: readonly string[]; readonly areas: readonly string[]; readonly terminals: number; readonly opened_at: string; readonly until: string; readonly active: boolean; readonly ended: string | null; readonly review: string | null; readonly review_overdue: boolean }[];
  readonly emergencies_30_days: number;
  readonly statistics: Readonly<Record<string, number>>;
  readonly requests: {
    readonly by_basis: readonly { readonly legal_basis: string; readonly outcome: string; readonly number: number }[];
    readonly by_public_bodies: readonly { readonly jurisdiction: string; readonly number: number }[];
  };
}

export default function PublicPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const state = useSession();
  const found = useJson<Public>('/v1/public');
  return (
    <div class="page">
      <PageHead title={t('public.title')} intro={t('public.intro')}>
        {state.kind === 'out' ? (
          <a class="button" href="/login">
            {t('login.title')}
          </a>
        ) : null}
      </PageHead>
      <Fetched of={found}>
        {(data) => (
          <>
            <p class="quiet">
              {t('public.as_of')} <Time at={data.at} />
            </p>
            {data.charter ? (
              <Section title={t('public.charter')}>
                <Facts
                  of={[
                    [t('public.charter_version'), data.charter.version],
                    [t('public.charter_until'), <Time at={data.charter.until} detail="day" />],
                    [t('public.policy'), data.charter.policy ? <Digest value={data.charter.policy} /> : null],
                  ]}
                />
              </Section>
            ) : (
              <Note tone="warn">{t('public.no_charter')}</Note>
            )}
            <Section title={t('public.statistics')}>
              {Object.keys(data.statistics).length ? (
                <dl class="figures">
                  {Object.entries(data.statistics).map(([name, n]) => (
                    <div>
                      <dt>{codeWord(t, 'statistic', name)}</dt>
                      <dd>{number(n, prefer)}</dd>
                    </div>
                  ))}
                </dl>
              ) : (
                <Empty title={t('public.no_statistics')}>
                  <p>{t('public.no_statistics_help')}</p>
                </Empty>
              )}
              {data.requests.by_basis.length ? <Bars label={t('public.by_basis')} counts={Object.fromEntries(data.requests.by_basis.map((each) => [`${codeWord(t, 'basis', each.legal_basis)}: ${codeWord(t, 'outcome', each.outcome)}`, each.number]))} /> : null}
              {data.requests.by_public_bodies.length ? <Bars label={t('public.by_bodies')} counts={Object.fromEntries(data.requests.by_public_bodies.map((each) => [/^[A-Z]{2}$/.test(each.jurisdiction) ? country(each.jurisdiction, prefer) : each.jurisdiction, each.number]))} /> : null}
            </Section>
            <Section title={t('public.disclosures')}>
              <p class="quiet">{t('public.disclosures_help')}</p>
              {data.disclosures.length ? (
                <Table
                  caption={t('public.disclosures')}
                  rows={data.disclosures}
                  keyOf={(row) => row.commitment}
                  columns={[
                    { head: t('public.sealed'), names: true, cell: (row) => row.kind.replaceAll('_', ' ') },
                    { head: t('proposals.state'), cell: (row) => (row.opened_at ? <Tag tone="good">{t('public.opened')}</Tag> : row.overdue_days !== null ? <Tag tone="bad">{t('public.days_overdue', { n: row.overdue_days })}</Tag> : <Tag>{t('public.closed')}</Tag>) },
                    { head: t('public.disclose_by'), cell: (row) => <Time at={row.disclose_by} detail="day" /> },
                    { head: t('appeals.commitment'), cell: (row) => <ShortId value={row.commitment} /> },
                    { head: t('nav.ledger'), cell: (row) => <LogLink index={row.entry} short /> },
                  ]}
                />
              ) : (
                <p>{t('public.no_disclosures')}</p>
              )}
            </Section>
            <Section title={t('public.reviews')}>
              {data.reviews_overdue.length ? (
                <>
                  <p>
                    <Tag tone="bad">{t('public.reviews_overdue')}</Tag>
                  </p>
                  <ul>
                    {data.reviews_overdue.map((each) => (
                      <li>
                        <ShortId value={each} />
                      </li>
                    ))}
                  </ul>
                </>
              ) : (
                <p>{t('public.no_reviews')}</p>
              )}
            </Section>
            <Section title={t('nav.emergencies')}>
              <p class="quiet">{t('public.emergencies_30', { n: data.emergencies_30_days })}</p>
              {data.emergencies.length ? (
                <Table
                  caption={t('nav.emergencies')}
                  rows={data.emergencies}
                  keyOf={(row) => row.id}
                  columns={[
                    { head: t('emergencies.condition'), names: true, cell: (row) => codeWord(t, 'condition', row.condition) },
                    { head: t('proposals.state'), cell: (row) => <Tag tone={row.active ? 'bad' : 'plain'}>{row.active ? codeWord(t, 'emergency_state', 'active') : codeWord(t, 'emergency_state', row.ended ?? 'expired')}</Tag> },
                    { head: t('emergencies.direction'), cell: (row) => codeWord(t, 'direction', row.direction) },
                    { head: t('emergencies.scope'), cell: (row) => [row.areas.join(', '), row.terminals ? t('map.cell', { n: row.terminals }) : ''].filter(Boolean).join('; ') },
                    { head: t('emergencies.ends'), cell: (row) => <Time at={row.until} detail="minute" /> },
                    { head: t('contacts.review'), cell: (row) => (row.review ? codeWord(t, 'verdict', row.review) : row.review_overdue ? <Tag tone="bad">{t('public.overdue')}</Tag> : '–') },
                  ]}
                />
              ) : (
                <p>{t('emergencies.none')}</p>
              )}
            </Section>
            <Section title={t('public.aggregates')}>
              <p class="quiet">{t('public.k_anonymity')}</p>
              {data.aggregates.length ? (
                data.aggregates.map((day, i) => (
                  <details open={i === 0}>
                    <summary>
                      {day.day} · {t('common.rows', { n: day.rows.length })}
                    </summary>
                    <p class="quiet">
                      <LogLink index={day.entry} /> <Digest value={day.sha256} />
                    </p>
                    <Table
                      caption={`${t('public.aggregates')} ${day.day}`}
                      rows={day.rows}
                      keyOf={(row) => `${row.area} ${row.outcome} ${row.rule}`}
                      columns={[
                        { head: t('map.area'), names: true, cell: (row) => areaName(row.area, prefer.language) },
                        { head: t('terminal.answer'), cell: (row) => <Badge outcome={row.outcome} /> },
                        { head: t('terminal.rule'), cell: (row) => (row.rule === 'default' ? t('terminal.default_rule') : <code>{row.rule}</code>) },
                        { head: t('map.count'), figure: true, cell: (row) => number(row.terminals, prefer) },
                      ]}
                    />
                  </details>
                ))
              ) : (
                <Empty title={t('public.no_aggregates')}>
                  <p>{t('public.no_aggregates_help')}</p>
                  <pre class="command">groundrule ledger aggregate</pre>
                </Empty>
              )}
            </Section>
            <Note>{t('public.check')} <a href="/verify">{t('nav.verify')}</a></Note>
          </>
        )}
      </Fetched>
    </div>
  );
}
