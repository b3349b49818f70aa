/** The public log: how it grew, who vouches for it, what is missing, and what it holds. */
import type { JSX } from 'preact';
import { useInterval, useJson, usePages } from '../api/resource';
import type { LedgerAnswer } from '../api/types';
import { Digest, Empty, Facts, Fetched, Icon, PageHead, Section, Tag, Time } from '../components/basic';
import { Bars, Note, save } from '../components/parts';
import { PagedTable, Table } from '../components/table';
import { GrowthChart } from '../evidence/chart';
import { number } from '../format';
import { codeWord, useWords, type Translate } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

export interface LogEntry {
  readonly index: number;
  readonly kind: string;
  readonly stream: string;
  readonly seq: number;
  readonly t: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly leaf: string;
  readonly text: string;
}

interface Ledger extends LedgerAnswer {
  readonly pending: number;
  readonly monitors: readonly { readonly name: string; readonly checked_at: string | null; readonly size: number | null; readonly ok: boolean | null; readonly alerts: readonly string[]; readonly remarks: readonly string[]; readonly fault: string | null }[];
  readonly gaps: readonly { readonly kind: string; readonly index: number | null; readonly what: string }[];
  readonly kinds: Readonly<Record<string, number>>;
  readonly growth: readonly { readonly at: string; readonly size: number }[];
}

/** The few things of an entry's body that tell it apart, in one line. */
export function gist(entry: Pick<LogEntry, 'kind' | 'body'>): string {
  const body = entry.body;
  const names = ['minute', 'what', 'id', 'outcome', 'verdict', 'class', 'proposal_digest', 'source', 'condition', 'name', 'run', 'seq'];
  const found = names.flatMap((name) => {
    const value = body[name];
    if (typeof value !== 'string' && typeof value !== 'number') return [];
    const text = name === 'minute' ? String(value).slice(0, 16).replace('T', ' ') : String(value);
    return [text.length > 28 ? `${text.slice(0, 24)}…` : text];
  });
  if (found.length) return found.slice(0, 3).join(' · ');
  const type = body['payloadType'];
  return typeof type === 'string' ? type.replace(/^application\/vnd\./, '') : '';
}

export const kindWord = (t: Translate, kind: string) => codeWord(t, 'entry_kind', kind.replaceAll('-', '_'));

function Entries({ kinds }: { kinds: readonly string[] }): JSX.Element {
  const t = useWords();
  const { query } = usePlace();
  const kind = query.get('kind') ?? '';
  const from = query.get('from') ?? '';
  const pages = usePages<LogEntry>('/v1/ledger/entries', { kind, from, order: from ? 'oldest' : null, limit: 25 });
  return (
    <Section title={t('log.entries')} id="entries">
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>{t('log.kind')}</span>
          <select value={kind} onChange={(event) => setQuery({ kind: event.currentTarget.value || null })}>
            <option value="">{t('common.all')}</option>
            {kinds.map((each) => (
              <option value={each} selected={each === kind}>
                {kindWord(t, each)}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('log.from')}</span>
          <input type="number" min={0} value={from} onChange={(event) => setQuery({ from: event.currentTarget.value || null })} />
        </label>
        {kind || from ? (
          <button type="button" class="button" onClick={() => setQuery({ kind: null, from: null })}>
            {t('common.clear')}
          </button>
        ) : null}
      </form>
      <PagedTable<LogEntry>
        pages={pages}
        caption={t('log.entries')}
        keyOf={(row) => String(row.index)}
        empty={
          <Empty title={t('log.no_entries')}>
            <p>{t('log.no_entries_help')}</p>
          </Empty>
        }
        columns={[
          { head: t('log.index'), names: true, cell: (row) => <a href={`/log/${row.index}`}>{row.index}</a> },
          { head: t('log.kind'), cell: (row) => kindWord(t, row.kind) },
          { head: t('log.gist'), cell: (row) => gist(row) },
          { head: t('log.stream'), cell: (row) => `${row.stream} ${row.seq}` },
          { head: t('log.at'), cell: (row) => <Time at={row.t} /> },
        ]}
      />
    </Section>
  );
}

export default function Log(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const found = useJson<Ledger>('/v1/ledger');
  useInterval(found.reload, 30_000);
  return (
    <div class="page">
      <PageHead title={t('nav.ledger')} intro={t('log.intro')}>
        <a class="button" href="/verify">
          <Icon name="verify" />
          {t('nav.verify')}
        </a>
      </PageHead>
      {found.problem?.status === 409 || found.problem?.status === 404 ? (
        <Empty title={t('log.none')}>
          <p>{found.problem.body.detail}</p>
          <p>{t('log.none_help')}</p>
          <pre class="command">groundrule ledger init</pre>
        </Empty>
      ) : (
        <Fetched of={found}>
          {(log) => (
            <>
              <div class="columns even">
                <Section title={t('log.growth')}>
                  <GrowthChart label={t('log.growth')} points={log.growth.map((each) => ({ at: new Date(each.at).getTime(), value: each.size }))} />
                </Section>
                <Section title={t('log.head')}>
                  <Facts
                    of={[
                      [t('log.size'), number(log.size, prefer)],
                      [t('log.root'), <Digest value={log.root} />],
                      [t('log.origin'), log.origin],
                      [t('log.seen'), log.checkpoint_at ? <><Time at={log.checkpoint_at} /> (<Time at={log.checkpoint_at} relative />)</> : t('log.seen_never')],
                      [t('log.quorum'), <Tag tone={log.quorum ? 'good' : 'warn'}>{t(log.quorum ? 'log.quorum_yes' : 'log.quorum_no')}</Tag>],
                      [t('log.pending'), log.pending ? number(log.pending, prefer) : null],
                    ]}
                  />
                  <p class="row">
                    <button type="button" class="button" onClick={() => save(`checkpoint-${log.size}.txt`, log.checkpoint)}>
                      <Icon name="download" />
                      {t('log.checkpoint')}
                    </button>
                    <button type="button" class="button" onClick={() => save('policy', log.policy)}>
                      <Icon name="download" />
                      {t('log.policy')}
                    </button>
                  </p>
                  <p class="quiet">{t('log.keep')}</p>
                </Section>
              </div>
              <div class="columns even">
                <Section title={t('log.witnesses')}>
                  {log.witnesses.length ? (
                    <Table
                      caption={t('log.witnesses')}
                      rows={log.witnesses}
                      keyOf={(row) => row.name}
                      columns={[
                        { head: t('log.witness'), names: true, cell: (row) => row.name },
                        { head: t('log.cosigned'), cell: (row) => <Tag tone={row.ok ? 'good' : 'bad'}>{t(row.ok ? 'common.yes' : 'common.no')}</Tag> },
                        { head: t('log.age'), cell: (row) => <Time at={row.cosigned_at} relative /> },
                        { head: t('log.at'), cell: (row) => <Time at={row.cosigned_at} /> },
                      ]}
                    />
                  ) : (
                    <Empty title={t('log.no_witnesses')}>
                      <p>{t('log.no_witnesses_help')}</p>
                    </Empty>
                  )}
                  <p class="quiet">{t('log.witness_help')}</p>
                </Section>
                <Section title={t('log.kinds')}>
                  <Bars label={t('log.kinds')} counts={log.kinds} hideLabel name={(kind) => kindWord(t, kind)} />
                </Section>
              </div>
              <Section title={t('log.monitors')}>
                {log.monitors.map((monitor) => (
                  <div class={`check-row ${monitor.ok === false || monitor.fault ? 'off' : 'ok'}`}>
                    <Icon name={monitor.ok === false || monitor.fault ? 'warn' : 'check'} />
                    <div>
                      <p>
                        <strong>{codeWord(t, 'monitor', monitor.name.replaceAll(/[^a-z]+/g, '_'))}</strong>{' '}
                        {monitor.checked_at ? (
                          <span class="quiet">
                            {t('log.monitor_saw', { n: number(monitor.size, prefer) })} <Time at={monitor.checked_at} />
                          </span>
                        ) : (
                          <span class="quiet">{t('log.monitor_not_yet')}</span>
                        )}
                      </p>
                      {monitor.alerts.map((each) => (
                        <p class="strong">{each}</p>
                      ))}
                      {monitor.fault ? <p class="strong">{monitor.fault}</p> : null}
                      {monitor.remarks.map((each) => (
                        <p class="quiet">{each}</p>
                      ))}
                    </div>
                  </div>
                ))}
                <h3>{t('log.gaps')}</h3>
                {log.gaps.length ? (
                  <ul>
                    {log.gaps.map((gap) => (
                      <li>
                        {gap.what} {gap.index === null ? null : <a href={`/log/${gap.index}`}>{t('log.entry_n', { index: number(gap.index, prefer) })}</a>}
                      </li>
                    ))}
                  </ul>
                ) : (
                  <p>{t('log.no_gaps')}</p>
                )}
                <Note>{t('log.monitor_help')}</Note>
              </Section>
              <Entries kinds={Object.keys(log.kinds)} />
            </>
          )}
        </Fetched>
      )}
    </div>
  );
}
