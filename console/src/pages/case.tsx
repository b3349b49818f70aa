/** One case: what was seen, how often that is wrong, where, what was done with it, and what may follow. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useJson } from '../api/resource';
import { useActs } from '../cases/acts';
import { KindRates, KindWords } from '../cases/kind';
import { CaseMap } from '../cases/map';
import { Person, Said, StateTag, Strength, TerminalLinks } from '../cases/parts';
import type { ActRow, Behaviours, CaseShown, SignalRow, What } from '../cases/types';
import { foundWords, groupWords, kindsWords, kindWord, weightWord } from '../cases/words';
import { Empty, Facts, Fetched, PageHead, Section, Time } from '../components/basic';
import { Note, ShortId } from '../components/parts';
import { Table, Timeline, type Moment } from '../components/table';
import { number, position, time } from '../format';
import { codeWord, useWords, type Translate } from '../i18n';
import { usePageKeys } from '../keys';
import type { PageProps } from './index';
import { useMay } from '../session';
import { useSettings, type Settings } from '../settings';

const MOST_AT_FIRST = 20;

/** Signals of each kind, in the order in which the kinds first came. */
export function byKind(signals: readonly SignalRow[]): [string, SignalRow[]][] {
  const found = new Map<string, SignalRow[]>();
  for (const each of signals) found.set(each.kind, [...(found.get(each.kind) ?? []), each]);
  return [...found];
}

/** What happened in order of time: signals of one kind that follow each other are one moment, acts are one each. */
export function momentsOf(of: Pick<CaseShown, 'signals' | 'acts'>, t: Translate, prefer: Settings, who: (act: ActRow) => JSX.Element | string): Moment[] {
  const all = [...of.signals.map((signal) => ({ at: signal.raised_at, signal, act: null })), ...of.acts.map((act) => ({ at: act.at, signal: null, act }))].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const found: Moment[] = [];
  for (let i = 0; i < all.length; i++) {
    const { at, signal, act } = all[i]!;
    if (act) {
      const why = act.reason === null ? null : act.what === 'dismiss' ? codeWord(t, 'dismissal', act.reason) : act.reason;
      found.push({ at, mark: null, title: <>{t(`cases.did_${act.what}`)} · {who(act)}</>, detail: [why, act.covers ? t('cases.covered', { n: act.covers }) : null].filter(Boolean).join(' · ') });
      continue;
    }
    let n = 1;
    while (all[i + n]?.signal?.kind === signal!.kind) n++;
    const last = all[i + n - 1]!;
    found.push({ at, title: n > 1 ? t('cases.times', { n, kind: kindWord(t, signal!.kind) }) : kindsWords(t, [signal!.kind]), detail: n > 1 ? t('cases.until_at', { at: time(last.at, prefer) }) : signal!.terminal });
    i += n - 1;
  }
  return found;
}

function Signals({ kind, rows }: { kind: string; rows: readonly SignalRow[] }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [most, setMost] = useState(MOST_AT_FIRST);
  const groups = rows.some((row) => row.group !== null);
  return (
    <>
      <Table<SignalRow>
        caption={t('cases.signals_of', { kind: kindWord(t, kind) })}
        rows={rows.slice(0, most)}
        keyOf={(row) => row.id}
        columns={[
          { head: t('terminal.id'), names: true, cell: (row) => <a href={`/terminals/${encodeURIComponent(row.terminal)}?at=${encodeURIComponent(row.raised_at)}`}>{row.terminal}</a> },
          { head: t('signals.raised'), cell: (row) => <Time at={row.raised_at} /> },
          {
            head: t('signals.found'),
            cell: (row) => (
              <>
                {foundWords(row, t, prefer)}
                <Observations of={row} />
              </>
            ),
          },
          ...(groups ? [{ head: t('signals.group'), cell: (row: SignalRow) => (row.group ? groupWords(row.group, t, prefer) : '–') }] : []),
          { head: t('signals.strength'), class: 'nowrap', cell: (row) => <Strength of={row} /> },
        ]}
      />
      {rows.length > most ? (
        <p>
          <button type="button" class="button" onClick={() => setMost(most + 200)}>
            {t('common.more')}
          </button>{' '}
          <span class="quiet">{t('common.rows', { n: rows.length })}</span>
        </p>
      ) : null}
    </>
  );
}

function Observations({ of }: { of: SignalRow }): JSX.Element {
  const t = useWords();
  if (!of.observations.length) return <></>;
  return (
    <details>
      <summary>{t('signals.observations', { n: of.observations.length })}</summary>
      <ul class="plain observations">
        {of.observations.map((seen) => (
          <li>
            <Time at={seen.at} /> {position(seen.lat, seen.lon, 4) || t('terminal.unknown_place')} {seen.terminal && seen.terminal !== of.terminal ? seen.terminal : ''}
          </li>
        ))}
      </ul>
    </details>
  );
}

const BUTTONS: readonly What[] = ['assign', 'release', 'confirm', 'dismiss', 'reopen', 'note'];
const KEYS: Readonly<Record<string, What>> = { a: 'assign', c: 'confirm', d: 'dismiss', r: 'reopen', n: 'note' };

export default function CasePage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const id = params['id'] ?? '';
  const may = useMay('cases:write');
  const mayPropose = useMay('proposals:write');
  const found = useJson<CaseShown>(`/v1/cases/${encodeURIComponent(id)}`);
  const behaviours = useJson<Behaviours>('/v1/behaviours');
  const acts = useActs(() => found.reload());
  const of = found.data;
  usePageKeys(may ? Object.entries(KEYS).map(([key, what]) => ({ keys: [key], words: `cases.key_${what}` as const as 'cases.key_assign', act: () => of && acts.start(of, what) })) : []);
  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('cases.missing')}>
          <p>{t('cases.missing_help')}</p>
          <a class="button" href="/cases">
            {t('nav.cases')}
          </a>
        </Empty>
      </div>
    );
  }
  const rates = new Map((behaviours.data?.items ?? []).map((each) => [each.kind, each] as const));
  return (
    <div class="page">
      <PageHead
        title={of ? kindsWords(t, of.kinds) : t('cases.single')}
        intro={
          <>
            <a href="/cases">{t('nav.cases')}</a> · <ShortId value={of?.id ?? id} />
          </>
        }
      >
        {of ? <StateTag state={of.state} /> : null}
      </PageHead>
      <Said by={acts} />
      <Fetched of={found}>
        {(it) => (
          <div class="columns">
            <div>
              <Section title={t('cases.what_seen')} id="seen">
                <p class="sentence">{t('cases.sentence', { n: it.signal_count, weight: weightWord(t, it.weight) })}</p>
                <p class="quiet">{t('cases.weight_help')}</p>
                {it.state === 'reopened' && it.reason === 'new_evidence' ? <Note tone="warn">{t('cases.new_evidence')}</Note> : null}
                {it.terminal_count > 1 && !it.groups.length ? <p>{t('cases.one_account')}</p> : null}
                <Facts
                  of={[
                    [t('cases.terminals'), <TerminalLinks of={it.terminals} most={20} count={it.terminal_count} />],
                    [t('cases.first_seen'), <Time at={it.from_at} />],
                    [t('cases.counts_until'), <Time at={it.until_at} />],
                    [t('signals.group'), it.groups.length ? it.groups.map((each) => groupWords(each, t, prefer)).join('; ') : null],
                    [t('cases.assignee'), it.assignee ? <Person id={it.assignee} /> : null],
                    [t('cases.why'), it.state === 'dismissed' && it.reason ? codeWord(t, 'dismissal', it.reason) : null],
                  ]}
                />
              </Section>
              {byKind(it.signals).map(([kind, rows]) => (
                <Section title={kindsWords(t, [kind])} id={kind}>
                  <KindWords kind={kind} />
                  <h3>{t('cases.how_wrong')}</h3>
                  {rates.get(kind) ? <KindRates of={rates.get(kind)!} base={behaviours.data!.base_rate} /> : null}
                  <Signals kind={kind} rows={rows} />
                </Section>
              ))}
              {it.signal_count > it.signals.length ? <Note>{t('cases.cut', { n: number(it.signals.length, prefer), of: number(it.signal_count, prefer) })}</Note> : null}
            </div>
            <div>
              {may ? (
                <Section title={t('cases.do')} id="do">
                  <p class="row">
                    {BUTTONS.filter((each) => it.can.includes(each)).map((each) => (
                      <button type="button" class="button" disabled={acts.busy} onClick={() => acts.start(it, each)}>
                        {t(`case_act.${each}`)}
                        {Object.entries(KEYS).flatMap(([key, what]) => (what === each ? [<kbd aria-hidden="true">{key}</kbd>] : []))}
                      </button>
                    ))}
                  </p>
                </Section>
              ) : null}
              <Section title={t('cases.where')}>
                <CaseMap of={it} />
              </Section>
              <Section title={t('cases.follows')} id="follows">
                <p>{t('cases.no_switch')}</p>
                {mayPropose ? (
                  <p>
                    <a class="button" href="/proposals?new=1">
                      {t('cases.propose')}
                    </a>
                  </p>
                ) : (
                  <p>
                    <a href="/proposals">{t('nav.proposals')}</a>
                  </p>
                )}
              </Section>
              <Section title={t('cases.timeline')}>
                <Timeline
                  label={t('cases.timeline')}
                  moments={momentsOf(it, t, prefer, (act) => (
                    <>
                      <Person id={act.by} />
                      {act.to && act.to !== act.by ? (
                        <>
                          {' → '}
                          <Person id={act.to} />
                        </>
                      ) : null}
                    </>
                  ))}
                />
              </Section>
            </div>
          </div>
        )}
      </Fetched>
      {acts.dialog}
    </div>
  );
}
