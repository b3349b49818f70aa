/** How the service is: what is well, what is not and why, how old everything is, what was counted. */
import type { JSX } from 'preact';
import { useInterval, useJson } from '../api/resource';
import { Digest, Facts, Fetched, Icon, PageHead, Section, Tag, Time } from '../components/basic';
import { Note } from '../components/parts';
import { span } from '../evidence/spans';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import { useSession } from '../session';
import { useSettings } from '../settings';

interface Status {
  readonly ready: boolean;
  readonly now: string;
  readonly degraded: readonly string[];
  readonly staleness: { readonly policy_s: number | null; readonly screening_s: number | null; readonly witness_s: number | null; readonly clock_offset_ms: number | null };
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly why: string; readonly vital: boolean }[];
  readonly counters: Readonly<Record<string, number>>;
  readonly pending: number;
  readonly newest_observed_at: string | null;
  readonly run: number;
  readonly commit_every_s: number;
  readonly stamp: { readonly policy_digest: string; readonly rulebook: string; readonly areas: string; readonly lists: string; readonly snapshot_seq: number; readonly evaluator: string } | null;
  readonly terminals: number;
}

export default function StatusPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const session = useSession();
  const found = useJson<Status>('/v1/status');
  useInterval(found.reload, 5_000);
  return (
    <div class="page">
      <PageHead title={t('nav.status')} intro={t('status.intro')} />
      <Fetched of={found}>
        {(status) => {
          const off = status.checks.filter((each) => !each.ok);
          const rows = [...off, ...status.checks.filter((each) => each.ok)];
          return (
            <>
              <div class={`banner banner-${!status.ready ? 'fails' : status.degraded.length || off.length ? 'part' : 'holds'}`} role="status">
                <Icon name={status.ready && !off.length ? 'check' : 'warn'} />
                <span>{t(!status.ready ? 'status.not_ready' : status.degraded.length || off.length ? 'status.partly' : 'status.well')}</span>
              </div>
              {status.degraded.length ? (
                <Section title={t('status.degraded')}>
                  <ul class="rules">
                    {status.degraded.map((each) => (
                      <li>
                        <span class="rule-title">{codeWord(t, 'cause', each.replace('degraded:', ''))}</span> <code class="quiet">{each}</code>
                      </li>
                    ))}
                  </ul>
                  <Note>{t('status.degraded_help')}</Note>
                </Section>
              ) : null}
              <div class="columns">
                <Section title={t('status.checks')}>
                  {rows.map((check) => (
                    <div class={`check-row ${check.ok ? 'ok' : 'off'}`}>
                      <Icon name={check.ok ? 'check' : 'warn'} />
                      <div>
                        <p>
                          <strong>{codeWord(t, 'check', check.name)}</strong> <span class="unseen">{t(check.ok ? 'status.ok' : 'status.off')}</span> {check.vital ? <Tag>{t('status.vital')}</Tag> : null}
                        </p>
                        {check.why ? <p class={check.ok ? 'quiet' : undefined}>{check.why}</p> : null}
                      </div>
                    </div>
                  ))}
                </Section>
                <div>
                  <Section title={t('status.staleness')}>
                    <Facts
                      of={[
                        [t('status.policy_age'), span(status.staleness.policy_s, prefer)],
                        [t('status.screening_age'), span(status.staleness.screening_s, prefer)],
                        [t('status.witness_age'), span(status.staleness.witness_s, prefer)],
                        [t('status.clock_offset'), status.staleness.clock_offset_ms === null ? t('common.unknown') : `${number(status.staleness.clock_offset_ms, prefer)} ms`],
                        [t('status.newest'), <Time at={status.newest_observed_at} />],
                      ]}
                    />
                  </Section>
                  <Section title={t('status.facts')}>
                    <Facts
                      of={[
                        [t('map.count'), number(status.terminals, prefer)],
                        [t('status.pending'), number(status.pending, prefer)],
                        [t('status.run'), number(status.run, prefer)],
                        [t('status.commit'), span(status.commit_every_s, prefer)],
                        [t('status.version'), session.kind === 'in' ? session.session.server.version : null],
                        [t('status.started'), session.kind === 'in' ? <Time at={session.session.server.started_at} /> : null],
                        [t('status.policy'), status.stamp ? <Digest value={status.stamp.policy_digest} /> : null],
                        [t('nav.rulebook'), status.stamp ? <Digest value={status.stamp.rulebook} /> : null],
                        [t('map.areas'), status.stamp ? <Digest value={status.stamp.areas} /> : null],
                        [t('nav.lists'), status.stamp ? <Digest value={status.stamp.lists} /> : null],
                      ]}
                    />
                  </Section>
                </div>
              </div>
              <Section title={t('status.counters')}>
                <p class="quiet">{t('status.counters_help')}</p>
                <dl class="figures">
                  {Object.entries(status.counters).map(([name, n]) => (
                    <div>
                      <dt>{codeWord(t, 'counter', name)}</dt>
                      <dd>{number(n, prefer)}</dd>
                    </div>
                  ))}
                </dl>
              </Section>
            </>
          );
        }}
      </Fetched>
    </div>
  );
}
