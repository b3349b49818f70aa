/** Small parts that every page is made of. */
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Problem as ProblemError } from '../api/client';
import { useWords, type Key } from '../i18n';
import { ago, shortDigest, time } from '../format';
import { answer, markOf, PATHS, type AnswerKey } from '../marks';
import { useSettings } from '../settings';

/** Shape of an answer in its colour; words stand beside it. */
export function MarkIcon({ of, size = 14 }: { of: string; size?: number }): JSX.Element {
  const mark = markOf(of);
  return (
    <svg class={`mark mark-${mark.key}`} width={size} height={size} viewBox="-11 -11 22 22" aria-hidden="true" focusable="false">
      <path d={PATHS[mark.shape]} />
    </svg>
  );
}

/** An answer: shape, colour and word. */
export function Badge({ outcome, state }: { outcome: string; state?: string | null | undefined }): JSX.Element {
  const t = useWords();
  const key: AnswerKey = answer(outcome, state);
  return (
    <span class={`badge badge-${key}`}>
      <MarkIcon of={key} />
      <span>{t(`answer.${key}`)}</span>
    </span>
  );
}

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'info';

/** A short word about a state of something that is no answer: in force, overdue, signed. */
export function Tag({ tone = 'plain', children }: { tone?: Tone; children: ComponentChildren }): JSX.Element {
  return <span class={`tag tag-${tone}`}>{children}</span>;
}

/** An instant by the reader's clock; the exact UTC text is in its title. */
export function Time({ at, detail = 'second', relative = false }: { at: string | number | null | undefined; detail?: 'second' | 'minute' | 'day'; relative?: boolean }): JSX.Element {
  const prefer = useSettings();
  if (at === null || at === undefined || at === '') return <span class="quiet">–</span>;
  const exact = typeof at === 'number' ? new Date(at).toISOString() : at;
  return (
    <time dateTime={exact} title={exact}>
      {relative ? ago(at, Date.now(), prefer) : time(at, prefer, detail)}
    </time>
  );
}

/** A digest, shortened, that can be copied whole. */
export function Digest({ value }: { value: string }): JSX.Element {
  return (
    <span class="digest">
      <code title={value}>{shortDigest(value)}</code>
      <Copy text={value} />
    </span>
  );
}

export function Copy({ text, label }: { text: string; label?: string }): JSX.Element {
  const t = useWords();
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      class="icon-button small"
      aria-label={label ?? t('common.copy')}
      title={label ?? t('common.copy')}
      onClick={() => {
        void navigator.clipboard?.writeText(text).then(() => {
          setDone(true);
          window.setTimeout(() => setDone(false), 1500);
        });
      }}
    >
      <Icon name={done ? 'check' : 'copy'} />
    </button>
  );
}

const ICONS = {
  home: 'M4 11l8-7 8 7M6 10v10h12V10M10 20v-6h4v6',
  map: 'M3 6l6-2 6 2 6-2v14l-6 2-6-2-6 2zM9 4v14M15 6v14',
  terminal: 'M4 17l8-12 8 12M8 11h8M12 17v4M7 21h10',
  rulebook: 'M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM9 9h6M9 13h6',
  proposal: 'M4 20h16M6 16l10-10 3 3L9 19l-4 1z',
  request: 'M4 5h16v11H9l-5 4zM8 9h8M8 12h5',
  contact: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 19a5.5 5.5 0 0 1 11 0M16 11a3 3 0 1 0-1.5-5.6M16 14a5.5 5.5 0 0 1 5.5 5',
  appeal: 'M12 3v18M5 7h14M5 7l-3 7h6zM19 7l-3 7h6zM8 21h8',
  report: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7',
  dossier: 'M3 6h7l2 3h9v11H3zM3 12h18',
  ledger: 'M6 4h12v4H6zM6 10h12v4H6zM6 16h12v4H6zM12 8v2M12 14v2',
  list: 'M9 6h12M9 12h12M9 18h12M4 6h1M4 12h1M4 18h1',
  public: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18',
  status: 'M3 12h4l3-7 4 14 3-7h4',
  verify: 'M12 3l8 3v6c0 5-3.5 8-8 9-4.500-1-8-4-8-9V6zM8.500 12l2.500 2.500 4.500-5',
  copy: 'M8 8h11v12H8zM5 16V4h11',
  check: 'M4 12.500l5 5L20 6.500',
  close: 'M5 5l14 14M19 5L5 19',
  menu: 'M4 6h16M4 12h16M4 18h16',
  search: 'M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L21 21',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5',
  help: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .9-1 1.700M12 16.800v.2',
  play: 'M7 5l12 7-12 7z',
  down: 'M5 9l7 7 7-7',
  right: 'M9 5l7 7-7 7',
  outside: 'M14 4h6v6M20 4l-9 9M18 13v7H4V6h7',
  download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
  table: 'M3 5h18v14H3zM3 10h18M9 10v9',
  warn: 'M12 4l9 16H3zM12 10v5M12 17.300v.2',
  charter: 'M6 3h12v14l-6 4-6-4zM9 8h6M9 12h6',
  refusal: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.800 5.800l12.400 12.400',
  satellite: 'M9 9l6 6M10.500 7.500l6 6-3 3-6-6zM13 5l3-3 6 6-3 3M5 13l-3 3 6 6 3-3M5 8a9 9 0 0 1 1-3',
  place: 'M12 21c-4-5-6-8-6-11a6 6 0 0 1 12 0c0 3-2 6-6 11zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  waves: 'M12 12h.1M8.500 15.500a5 5 0 0 1 0-7M15.500 8.500a5 5 0 0 1 0 7M5.500 18.500a9.200 9.200 0 0 1 0-13M18.500 5.500a9.200 9.200 0 0 1 0 13',
  case: 'M4 8h16v12H4zM9 8V5h6v3M4 13h16M12 12v2.500',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.500 2',
} as const;
export type IconName = keyof typeof ICONS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={ICONS[name]} />
    </svg>
  );
}

/** Head of a page: its one h1, what it is for, and what can be done. */
export function PageHead({ title, intro, children }: { title: ComponentChildren; intro?: ComponentChildren; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="page-head">
      <div>
        <h1>{title}</h1>
        {intro ? <p class="intro">{intro}</p> : null}
      </div>
      {children ? <div class="page-actions">{children}</div> : null}
    </div>
  );
}

/** Part of a page with a heading of its own. */
export function Section({ title, id, actions, children }: { title: ComponentChildren; id?: string; actions?: ComponentChildren; children: ComponentChildren }): JSX.Element {
  return (
    <section class="card" id={id}>
      <div class="card-head">
        <h2>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}

/** Facts as pairs; those without a value are left out. */
export function Facts({ of }: { of: readonly (readonly [ComponentChildren, ComponentChildren])[] }): JSX.Element {
  return (
    <dl class="facts">
      {of.map(([name, value]) =>
        value === null || value === undefined || value === '' ? null : (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

export function Loading({ what }: { what?: string }): JSX.Element {
  const t = useWords();
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      <span>{what ?? t('common.loading')}</span>
    </div>
  );
}

/** Nothing is there: say why that may be, and what to do. */
export function Empty({ title, children }: { title: ComponentChildren; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** What a problem of the service means for the reader: one sentence, and what to do about it. */
export function ProblemNote({ problem, retry }: { problem: ProblemError; retry?: (() => void) | undefined }): JSX.Element {
  const t = useWords();
  const { status, title, detail, help, instance, field, value, line, errors } = problem.body;
  const own: Partial<Record<number, Key>> = { 0: 'problem.unreachable', 401: 'problem.401', 403: 'problem.403', 404: 'problem.404', 409: 'problem.409', 429: 'problem.429', 503: 'problem.503' };
  const sentence = own[status] ? t(own[status]) : title;
  const what = help || (status >= 500 || status === 0 ? t('problem.do_retry') : '');
  return (
    <div class="problem" role="alert">
      <Icon name="warn" />
      <div>
        <p class="problem-title">{sentence}</p>
        {detail && detail !== sentence ? <p>{detail}</p> : null}
        {field || line ? (
          <p class="quiet">
            {line ? `${t('problem.line')} ${line}` : ''} {field ? `${t('problem.field')} ${field}` : ''} {value ? `: ${value}` : ''}
          </p>
        ) : null}
        {errors?.length ? (
          <ul>
            {errors.slice(0, 10).map((each) => (
              <li>{Object.values(each).map(String).join(': ')}</li>
            ))}
          </ul>
        ) : null}
        {what ? <p>{what}</p> : null}
        {instance ? <p class="quiet">{t('problem.instance', { id: instance })}</p> : null}
        {retry ? (
          <button type="button" class="button" onClick={retry}>
            {t('common.retry')}
          </button>
        ) : null}
      </div>
    </div>
  );
}

/** One of the three states of something that is read: problem, loading, or there. */
export function Fetched<T>({ of, children, empty }: {
  of: { data: T | null; problem: ProblemError | null; loading: boolean; reload: () => void };
  children: (data: T) => ComponentChildren;
  empty?: ComponentChildren;
}): JSX.Element {
  if (of.problem) return <ProblemNote problem={of.problem} retry={of.reload} />;
  if (of.data === null) return <Loading />;
  if (empty && Array.isArray(of.data) && of.data.length === 0) return <>{empty}</>;
  return <div aria-busy={of.loading}>{children(of.data)}</div>;
}

/** How far something has got; without a total it only says that it goes on. */
export function Progress({ label, done, total }: { label: string; done?: number; total?: number }): JSX.Element {
  return (
    <div class="progress">
      <label>
        <span>{label}</span>
        <progress {...(total ? { value: done ?? 0, max: total } : {})} />
      </label>
    </div>
  );
}

/** What is filled in. */
export const FIELDS = 'form input, form textarea, form select';

/** A window over the page: focus goes in, stays in and comes back, Escape closes. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const t = useWords();
  const ref = useRef<HTMLDialogElement>(null);
  // Before the next key is heard: what is typed at once belongs to the window, and to its first field if it has one.
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>(FIELDS)?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class="dialog"
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <div class="dialog-body">
        <div class="card-head">
          <h2 id="dialog-title">{title}</h2>
          <button type="button" class="icon-button" aria-label={t('common.close')} onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** A few choices of which one holds. */
export function Choice<T extends string>({ label, value, options, onChange, hideLabel = false }: {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
  hideLabel?: boolean;
}): JSX.Element {
  return (
    <div class="choice" role="group" aria-label={label}>
      {hideLabel ? null : <span class="choice-label">{label}</span>}
      <span class="segments">
        {options.map(([key, words]) => (
          <button type="button" aria-pressed={key === value} onClick={() => onChange(key)}>
            {words}
          </button>
        ))}
      </span>
    </div>
  );
}
