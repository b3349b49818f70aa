/** Parts that the pages of governance and evidence share. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, Problem } from '../api/client';
import { ago, number } from '../format';
import { codeWord, useWords } from '../i18n';
import { rolesThatMay } from '../roles';
import { useSettings } from '../settings';
import { useMay, useSession } from '../session';
import { Copy, Empty, Icon, Tag, Time, type Tone } from './basic';

export interface Party {
  readonly id: string;
  readonly name?: string | null;
  readonly kind?: string | null;
}

/** A party by its name, where the reader may know it; else by the id that the log has. */
export function PartyName({ of }: { of: Party | null | undefined }): JSX.Element {
  const t = useWords();
  if (!of) return <span class="quiet">–</span>;
  if (of.id === 'self' || of.id === 'unknown') return <span>{codeWord(t, 'party', of.id)}</span>;
  if (of.name) return <span title={of.id}>{of.name}</span>;
  return <ShortId value={of.id} />;
}

/** A long id, cut in the middle of nowhere important, that can be copied whole. */
export function ShortId({ value, href }: { value: string; href?: string }): JSX.Element {
  const shown = shortId(value);
  return (
    <span class="digest">
      {href ? <a href={href} title={value}><code>{shown}</code></a> : <code title={value}>{shown}</code>}
      {shown === value ? null : <Copy text={value} />}
    </span>
  );
}

/** `proposal` digests and ids such as `request-8aa7…`, short enough for a table. */
export function shortId(value: string): string {
  const found = /^([a-z]+[-:])?([0-9a-f]{16,})$/.exec(value.replace(/^sha256:/, ''));
  return found?.[2] ? `${found[1] ?? ''}${found[2].slice(0, 8)}…` : value.length > 40 ? `${value.slice(0, 38)}…` : value;
}

/** Where in the public log something stands. */
export function LogLink({ index, short = false }: { index: number | null | undefined; short?: boolean }): JSX.Element | null {
  const t = useWords();
  const prefer = useSettings();
  const may = useMay('ledger:read');
  if (index === null || index === undefined) return null;
  const words = t('log.entry_n', { index: number(index, prefer) });
  // Who may not read the ledger's pages still learns where in the public log to look.
  if (!may) return <span>{short ? number(index, prefer) : words}</span>;
  return (
    <a href={`/log/${index}`} aria-label={short ? words : undefined}>
      {short ? number(index, prefer) : words}
    </a>
  );
}

/** Time left until something is due, or by how much it is late; nothing once it has ended. */
export function Due({ at, overdue, ended }: { at: string | null; overdue: boolean; ended: boolean }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  if (ended) return <Tag tone="good">{t('due.ended')}</Tag>;
  if (!at) return <span class="quiet">–</span>;
  const words = ago(at, Date.now(), prefer);
  const soon = new Date(at).getTime() - Date.now() < 24 * 3_600_000;
  return (
    <span title={at}>
      <Tag tone={overdue ? 'bad' : soon ? 'warn' : 'plain'}>{overdue ? t('due.overdue', { when: words }) : t('due.until', { when: words })}</Tag>
    </span>
  );
}

/** Views of one page, each with an address of its own. */
export function Tabs({ label, of, current }: { label: string; of: readonly (readonly [string, string, string])[]; current: string }): JSX.Element {
  const bar = useRef<HTMLElement>(null);
  // On a narrow screen the bar scrolls by itself; the view that is shown stands in it where it is seen.
  useEffect(() => {
    const chosen = bar.current?.querySelector<HTMLElement>('[aria-current]');
    if (bar.current && chosen) bar.current.scrollLeft = chosen.offsetLeft - (bar.current.clientWidth - chosen.offsetWidth) / 2;
  }, [current, of.length]);
  return (
    <nav class="tabs" aria-label={label} ref={bar}>
      <ul>
        {of.map(([key, words, href]) => (
          <li>
            <a href={href} aria-current={key === current ? 'page' : undefined}>
              {words}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The reader's roles do not suffice: say which one would. */
export function NotAllowed({ needs }: { needs: string }): JSX.Element {
  const t = useWords();
  const state = useSession();
  const own = state.kind === 'in' ? state.session.principal.roles.join(', ') : '';
  return (
    <div class="page narrow">
      <Empty title={t('denied.title')}>
        <p>{t('denied.roles', { roles: rolesThatMay(needs).join(', ') || needs })}</p>
        {own ? <p>{t('denied.own', { roles: own })}</p> : null}
        <p class="quiet">
          {t('denied.permission')} <code>{needs}</code>
        </p>
        <pre class="command">groundrule access login --role {rolesThatMay(needs)[0] ?? 'viewer'}</pre>
        <a class="button" href="/">
          {t('nav.home')}
        </a>
      </Empty>
    </div>
  );
}

/** The same in a part of a page. */
export function NotAllowedHere({ needs }: { needs: string }): JSX.Element {
  const t = useWords();
  return (
    <Empty title={t('denied.here')}>
      <p>{t('denied.roles', { roles: rolesThatMay(needs).join(', ') || needs })}</p>
    </Empty>
  );
}

export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem({ title: String(error), status: 0, code: 'console' });
}

/** Something that a button does: at most once at a time, and what went wrong is kept to be shown. */
export function useDoing(): { busy: boolean; problem: Problem | null; run: (act: () => Promise<void>) => void; clear: () => void } {
  const [state, setState] = useState<{ busy: boolean; problem: Problem | null }>({ busy: false, problem: null });
  return {
    ...state,
    clear: () => setState({ busy: false, problem: null }),
    run: (act) => {
      if (state.busy) return;
      setState({ busy: true, problem: null });
      act().then(
        () => setState({ busy: false, problem: null }),
        (error: unknown) => setState({ busy: false, problem: asProblem(error) }),
      );
    },
  };
}

/** Hand bytes or text to the reader as a file. */
export function save(name: string, content: string | Blob, type = 'text/plain'): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Fetch a file with the session, so that a refusal is shown as a sentence and not saved as a file. */
export function DownloadButton({ href, name, children, onProblem }: { href: string; name: string; children: ComponentChildren; onProblem: (problem: Problem | null) => void }): JSX.Element {
  const t = useWords();
  const [busy, setBusy] = useState(false);
  return (
    <button
      type="button"
      class="button"
      disabled={busy}
      onClick={() => {
        setBusy(true);
        onProblem(null);
        call(href, { accept: '*/*' })
          .then(async (response) => save(name, await response.blob()))
          .catch((error: unknown) => onProblem(asProblem(error)))
          .finally(() => setBusy(false));
      }}
    >
      <Icon name="download" />
      {busy ? t('common.loading') : children}
    </button>
  );
}

/** Counts as bars, the largest first; the figure stands beside each. */
export function Bars({ label, counts, name, hideLabel = false }: { label: string; counts: Readonly<Record<string, number>>; name?: (key: string) => string; hideLabel?: boolean }): JSX.Element {
  const prefer = useSettings();
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return (
    <table class="bars">
      <caption class={hideLabel ? 'unseen' : undefined}>{label}</caption>
      <tbody>
        {rows.map(([key, n]) => (
          <tr>
            <th scope="row">{name ? name(key) : key}</th>
            <td class="bar-cell">
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                <rect x="0" y="1" width={Math.max(1, (100 * n) / most)} height="6" rx="1" />
              </svg>
            </td>
            <td class="figure">{number(n, prefer)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A stretch of time; an open end is said. */
export function Interval({ from, until, detail = 'day' }: { from: string | null | undefined; until: string | null | undefined; detail?: 'day' | 'minute' }): JSX.Element {
  const t = useWords();
  if (!from && !until) return <span>{t('interval.always')}</span>;
  return (
    <span>
      {from ? <>{t('common.from')} <Time at={from} detail={detail} /></> : null} {until ? <>{t('common.until')} <Time at={until} detail={detail} /></> : <span class="quiet">{t('interval.open')}</span>}
    </span>
  );
}

/** What holds of an interval at an instant. */
export function holds(from: string | null | undefined, until: string | null | undefined, now: number): 'before' | 'now' | 'after' {
  if (from && new Date(from).getTime() > now) return 'before';
  return until && new Date(until).getTime() <= now ? 'after' : 'now';
}

/** A sentence that belongs beside something that is easily misread. */
export function Note({ tone = 'info', children }: { tone?: 'info' | 'warn'; children: ComponentChildren }): JSX.Element {
  return <div class={`note${tone === 'warn' ? ' warn' : ''}`}>{children}</div>;
}

export function toneOf(code: string): Tone {
  if (/^(enacted|ready|clear|approve|confirmed|corrected|proved|done|in_time|followed)$/.test(code)) return 'good';
  if (/^(rejected|reject|listed|refuted|refused|expired|overdue|disputed|strong_candidate)$/.test(code)) return 'bad';
  if (/^(open|pending|never|recuse|candidate|unresolved|alleged|not_decided|informally_followed)$/.test(code)) return 'warn';
  return 'plain';
}

/** A code of the service as a word in its tone. */
export function Code({ group, code }: { group: string; code: string }): JSX.Element {
  const t = useWords();
  return <Tag tone={toneOf(code)}>{codeWord(t, group, code)}</Tag>;
}
