/** Cases that wait for a person, those that weigh most first; gone through by keyboard. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useEvents, usePages } from '../api/resource';
import { useActs } from '../cases/acts';
import { CaseTabs, News, Person, Said, StateTag, TerminalLinks } from '../cases/parts';
import { askedOf, KINDS, STATES, type CaseRow, type What } from '../cases/types';
import { kindsWords, kindWord, weightWord } from '../cases/words';
import { Empty, PageHead, Time } from '../components/basic';
import { Note } from '../components/parts';
import { PlaceWords, usePlaces } from '../components/place';
import { PagedTable } from '../components/table';
import { useWords } from '../i18n';
import { usePageKeys } from '../keys';
import { setQuery, usePlace } from '../router';
import { useMay, useSession } from '../session';

/** Withdrawn ones, too: a case may be gone. */
export const SIGNAL_EVENTS = ['signal.raised', 'signal.withdrawn'] as const;

const pointOf = (row: Pick<CaseRow, 'lat' | 'lon'>) => (row.lat === null || row.lon === null ? '' : `${row.lat.toFixed(3)},${row.lon.toFixed(3)}`);

/** The row to go to: so many further from the chosen one, and never beyond an end; from none to the first. */
export function stepTo(ids: readonly string[], current: string | null, by: number): string | null {
  if (!ids.length) return null;
  const at = current === null ? -1 : ids.indexOf(current);
  return at < 0 ? ids[by > 0 ? 0 : ids.length - 1]! : ids[Math.max(0, Math.min(ids.length - 1, at + by))]!;
}

export default function CasesPage(): JSX.Element {
  const t = useWords();
  const { query } = usePlace();
  const may = useMay('cases:write');
  const mayHear = useMay('events:read');
  const session = useSession();
  const me = session.kind === 'in' ? session.session.principal.id : '';
  const pages = usePages<CaseRow>('/v1/cases', { ...askedOf(query), limit: 50 });
  const rows = pages.data ?? [];
  const ids = rows.map((row) => row.id);
  const [current, setCurrent] = useState<string | null>(null);
  const [news, setNews] = useState(0);
  useEvents(SIGNAL_EVENTS, () => setNews((n) => n + 1), mayHear);
  const places = usePlaces(rows.map(pointOf));

  const focus = (id: string | null) => {
    if (id === null) return;
    setCurrent(id);
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-case="${CSS.escape(id)}"]`)?.focus());
  };
  // What was acted on may leave the list: the hands stay where they were.
  const goOn = useRef<{ id: string; at: number; before: unknown } | null>(null);
  const acts = useActs((of) => {
    goOn.current = { id: of.id, at: ids.indexOf(current ?? ''), before: pages.data };
    pages.reload();
  });
  useEffect(() => {
    const wanted = goOn.current;
    if (!wanted || pages.loading || !pages.data) return;
    goOn.current = null;
    if (document.querySelector('dialog[open]')) return;
    focus(ids.includes(wanted.id) ? wanted.id : ids[Math.min(Math.max(0, wanted.at), ids.length - 1)] ?? null);
  }, [pages.loading]);

  const doIt = (what: What) => {
    const row = rows.find((each) => each.id === current);
    if (row) acts.start(row, what);
    else if (what === 'reopen' && acts.done) acts.start(acts.done.of, what);
    else focus(stepTo(ids, null, 1));
  };
  const list = '[data-cases]';
  usePageKeys([
    { keys: ['j'], words: 'cases.key_next', act: () => focus(stepTo(ids, current, 1)) },
    { keys: ['k'], words: 'cases.key_before', act: () => focus(stepTo(ids, current, -1)) },
    { keys: ['ArrowDown'], words: 'cases.key_next_in', within: list, act: () => focus(stepTo(ids, current, 1)) },
    { keys: ['ArrowUp'], words: 'cases.key_before_in', within: list, act: () => focus(stepTo(ids, current, -1)) },
    ...(may
      ? ([
          { keys: ['a'], words: 'cases.key_assign', act: () => doIt('assign') },
          { keys: ['c'], words: 'cases.key_confirm', act: () => doIt('confirm') },
          { keys: ['d'], words: 'cases.key_dismiss', act: () => doIt('dismiss') },
          { keys: ['r'], words: 'cases.key_reopen', act: () => (acts.done && !ids.includes(acts.done.of.id) ? acts.start(acts.done.of, 'reopen') : doIt('reopen')) },
        ] as const)
      : []),
  ]);

  const state = query.get('state') ?? '';
  const assignee = query.get('assignee') ?? '';
  const chosen = ['state', 'kind', 'terminal', 'assignee', 'hidden'].some((each) => query.get(each));
  const people = [...new Set([assignee, ...rows.map((row) => row.assignee ?? '')])].filter((each) => each && each !== me);
  return (
    <div class="page">
      <PageHead title={t('nav.cases')} intro={t('cases.intro')} />
      <CaseTabs current="cases" />
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>{t('cases.state')}</span>
          <select name="state" value={state} onChange={(event) => setQuery({ state: event.currentTarget.value || null })}>
            <option value="">{t('cases.waiting')}</option>
            <option value="all">{t('common.all')}</option>
            {STATES.map((each) => (
              <option value={each}>{t(`case_state.${each}`)}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('cases.kind')}</span>
          <select name="kind" value={query.get('kind') ?? ''} onChange={(event) => setQuery({ kind: event.currentTarget.value || null })}>
            <option value="">{t('cases.any_kind')}</option>
            {KINDS.filter((each) => each !== 'displaced_fix').map((each) => (
              <option value={each}>{kindWord(t, each)}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('terminal.id')}</span>
          <input type="search" name="terminal" maxLength={200} value={query.get('terminal') ?? ''} onChange={(event) => setQuery({ terminal: event.currentTarget.value.trim() || null })} />
        </label>
        <label class="field">
          <span>{t('cases.assignee')}</span>
          <select name="assignee" value={assignee} onChange={(event) => setQuery({ assignee: event.currentTarget.value || null })}>
            <option value="">{t('cases.anyone')}</option>
            <option value={me}>{t('cases.you')}</option>
            {people.map((each) => (
              <option value={each}>{each}</option>
            ))}
          </select>
        </label>
        <label class="check">
          <input type="checkbox" name="hidden" checked={query.get('hidden') === '1'} onChange={(event) => setQuery({ hidden: event.currentTarget.checked ? '1' : null })} />
          <span>{t('cases.hidden')}</span>
        </label>
      </form>
      <News
        n={news}
        onRead={() => {
          setNews(0);
          pages.reload();
        }}
      />
      <Said by={acts} />
      {may && rows.length ? (
        <p class="quiet case-keys only-wide">
          <kbd>j</kbd> <kbd>k</kbd> {t('cases.hint_move')} · <kbd>⏎</kbd> {t('common.open')} · <kbd>a</kbd> {t('case_act.assign')} · <kbd>c</kbd> {t('case_act.confirm')} · <kbd>d</kbd> {t('case_act.dismiss')} · <kbd>r</kbd> {t('case_act.reopen')} · <kbd>?</kbd> {t('keys.show')}
        </p>
      ) : null}
      <div data-cases="">
        <PagedTable<CaseRow>
          pages={pages}
          caption={t('nav.cases')}
          keyOf={(row) => row.id}
          current={(row) => row.id === current}
          empty={
            <Empty title={t(chosen ? 'cases.none_so' : 'cases.none')}>
              <p>{t(chosen ? 'cases.none_so_help' : 'cases.none_help')}</p>
              {chosen ? (
                <a class="button" href="/cases">
                  {t('common.clear')}
                </a>
              ) : (
                <pre class="command">groundrule detect OBSERVATIONS --home HOME --keep</pre>
              )}
            </Empty>
          }
          columns={[
            {
              head: t('cases.seen'), names: true,
              cell: (row) => (
                <a href={`/cases/${row.id}`} data-case={row.id} aria-describedby={`of-${row.id}`} onFocus={() => setCurrent(row.id)}>
                  {kindsWords(t, row.kinds)}
                  <span class="unseen" id={`of-${row.id}`}>
                    {t('cases.row', { n: ids.indexOf(row.id) + 1, of: ids.length, weight: weightWord(t, row.weight), state: t(`case_state.${row.state}`) })}
                  </span>
                </a>
              ),
            },
            { head: t('cases.weighs'), class: 'nowrap', cell: (row) => <span title={row.weight.toFixed(2)}>{weightWord(t, row.weight)}</span> },
            { head: t('cases.terminals'), cell: (row) => <TerminalLinks of={row.terminals} most={2} count={row.terminal_count} /> },
            { head: t('cases.where'), cell: (row) => (pointOf(row) ? <PlaceWords of={places.get(pointOf(row))} otherwise={pointOf(row)} /> : '–') },
            { head: t('cases.first_seen'), class: 'nowrap', cell: (row) => <Time at={row.from_at} detail="minute" /> },
            { head: t('cases.state'), cell: (row) => <StateTag state={row.state} /> },
            { head: t('cases.assignee'), cell: (row) => (row.assignee ? <Person id={row.assignee} /> : '–') },
          ]}
        />
      </div>
      <Note>{t('cases.no_switch')}</Note>
      {acts.dialog}
    </div>
  );
}
