/** A text of a rulebook of the reader's: checked with the line of each mistake, cases run, and guarantees proved or refuted. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { send } from '../api/client';
import type { Job } from '../api/types';
import { Empty, Facts, Digest, Icon, ProblemNote, Section, Tag } from '../components/basic';
import { JobView } from '../components/job';
import { NotAllowedHere, Note, toneOf, useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { recall, remember } from '../settings';
import { useMay } from '../session';
import { setQuery, usePlace } from '../router';
import { Differences } from './diff';
import type { Analysed, Book, Checked } from './types';

const KEY = 'groundrule.draft';

/** The draft that this browser keeps, or the rulebook in force. */
export function useDraft(book: Book): [string, (text: string) => void] {
  const [text, setText] = useState(() => recall(KEY, (value) => (typeof value === 'string' && value.trim() ? value : null)) ?? book.text);
  return [
    text,
    (next) => {
      setText(next);
      remember(KEY, next === book.text ? null : next);
    },
  ];
}

/** A text with the numbers of its lines beside it; lines with mistakes are marked. */
export function LinedText({ label, value, marked, onChange, focusLine }: { label: string; value: string; marked: ReadonlySet<number>; onChange: (text: string) => void; focusLine?: number | null }): JSX.Element {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const count = value.split('\n').length;
  useEffect(() => {
    if (!focusLine || !area.current) return;
    const start = value.split('\n').slice(0, focusLine - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const end = value.indexOf('\n', start);
    area.current.focus();
    area.current.setSelectionRange(start, end < 0 ? value.length : end);
    area.current.scrollTop = (area.current.scrollHeight / count) * Math.max(0, focusLine - 5);
  }, [focusLine]);
  return (
    <div class="lined">
      <div class="lined-numbers" ref={gutter} aria-hidden="true">
        {Array.from({ length: count }, (_, i) => (
          <div class={marked.has(i + 1) ? 'bad' : undefined}>{i + 1}</div>
        ))}
      </div>
      <textarea
        ref={area}
        aria-label={label}
        wrap="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

export function CheckedView({ found, onLine }: { found: Checked; onLine: (line: number) => void }): JSX.Element {
  const t = useWords();
  return (
    <>
      <div class={`banner banner-${found.good ? 'holds' : 'fails'}`} role="status">
        <Icon name={found.good ? 'check' : 'warn'} />
        <span>{found.good ? t('rulebook.good', { n: found.rules }) : found.mistakes.length ? t('rulebook.mistakes', { n: found.mistakes.length }) : t('rulebook.cases_fail', { n: found.failed.length })}</span>
      </div>
      {found.mistakes.length ? (
        <ol class="mistakes">
          {found.mistakes.map((each) => (
            <li>
              <button type="button" class="button link" onClick={() => onLine(each.line)}>
                {t('rulebook.at_line', { line: each.line, column: each.column })}
              </button>{' '}
              {each.message}
              {each.help ? <p class="quiet">{each.help}</p> : null}
            </li>
          ))}
        </ol>
      ) : (
        <>
          <Facts
            of={[
              [t('rulebook.version'), found.id ? `${found.id}, ${found.version}` : null],
              [t('rulebook.digest'), found.digest ? <Digest value={found.digest} /> : null],
              [t('rulebook.cases'), found.cases ? t('rulebook.cases_run', { n: found.cases }) : null],
            ]}
          />
          {found.failed.length ? (
            <ul class="mistakes">
              {found.failed.map((each) => (
                <li>{each}</li>
              ))}
            </ul>
          ) : null}
          <h3>{t('rulebook.against')}</h3>
          <Differences of={found.differences} />
        </>
      )}
    </>
  );
}

export function CheckView({ book }: { book: Book }): JSX.Element {
  const t = useWords();
  const may = useMay('rulebooks:check');
  const mayPropose = useMay('proposals:write');
  const [text, setText] = useDraft(book);
  const [cases, setCases] = useState('');
  const [found, setFound] = useState<Checked | null>(null);
  const [line, setLine] = useState<number | null>(null);
  const doing = useDoing();
  if (!may) return <NotAllowedHere needs="rulebooks:check" />;
  if (!book.text) return <Empty title={t('rulebook.no_text')} />;
  const marked = new Set(found?.mistakes.map((each) => each.line));
  return (
    <Section
      title={t('rulebook.tab_check')}
      actions={
        text === book.text ? null : (
          <button type="button" class="button" onClick={() => (setText(book.text), setFound(null))}>
            {t('rulebook.reset')}
          </button>
        )
      }
    >
      <p class="quiet">{t('rulebook.check_intro')}</p>
      <LinedText label={t('rulebook.text')} value={text} marked={marked} focusLine={line} onChange={(next) => (setText(next), setFound(null), setLine(null))} />
      <details>
        <summary>{t('rulebook.cases')}</summary>
        <p class="quiet">{t('rulebook.cases_intro')}</p>
        <label class="field wide">
          <span>{t('rulebook.cases_text')}</span>
          <textarea rows={8} spellcheck={false} value={cases} onInput={(event) => setCases(event.currentTarget.value)} placeholder={'cases:\n- name: …'} />
        </label>
      </details>
      <p class="row">
        <button
          type="button"
          class="button primary"
          disabled={doing.busy}
          onClick={() => doing.run(async () => (setLine(null), setFound(await send<Checked>('/v1/rulebooks/check', { text, ...(cases.trim() ? { cases } : {}) }))))}
        >
          <Icon name="check" />
          {doing.busy ? t('common.loading') : t('rulebook.check')}
        </button>
        <a class="button" href="/rulebook?tab=analyse">
          {t('rulebook.tab_analyse')}
        </a>
        <a class="button" href="/rulebook?tab=whatif">
          {t('rulebook.tab_whatif')}
        </a>
        {mayPropose ? (
          <a class="button" href="/proposals?new=1&change=rulebook">
            <Icon name="proposal" />
            {t('propose.this_text')}
          </a>
        ) : null}
      </p>
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {found ? <CheckedView found={found} onLine={(at) => (setLine(null), window.setTimeout(() => setLine(at), 0))} /> : null}
    </Section>
  );
}

function AnalysedView({ found }: { found: Analysed }): JSX.Element {
  const t = useWords();
  const list = (title: string, rows: readonly string[]) =>
    rows.length ? (
      <>
        <h3>{title}</h3>
        <ul>
          {rows.map((each) => (
            <li>{each}</li>
          ))}
        </ul>
      </>
    ) : null;
  return (
    <>
      <div class={`banner banner-${found.sound ? 'holds' : 'part'}`} role="status">
        <Icon name={found.sound ? 'verify' : 'warn'} />
        <span>{t(found.sound ? 'rulebook.sound' : 'rulebook.unsound')}</span>
      </div>
      {found.guarantees.length ? (
        <>
          <h3>{t('rulebook.guarantees')}</h3>
          <ul class="rules">
            {found.guarantees.map((each) => (
              <li>
                <div class="rule-head">
                  <span class="rule-title">{each.title}</span>
                  <Tag tone={toneOf(each.verdict.replaceAll(' ', '_'))}>{codeWord(t, 'verdict', each.verdict.replaceAll(' ', '_'))}</Tag>
                </div>
                <p class="quiet">
                  <code>{each.id}</code>
                  {each.broken_by ? <> · {t('rulebook.broken_by')} <code>{each.broken_by}</code></> : null}
                  {each.note ? <> · {each.note}</> : null}
                </p>
              </li>
            ))}
          </ul>
        </>
      ) : (
        <p class="quiet">{t('rulebook.no_guarantees')}</p>
      )}
      {list(t('rulebook.unreachable'), found.unreachable)}
      {list(t('rulebook.contradictions'), found.contradictions.map((each) => t('rulebook.contradiction', { tier: each.tier, serving: each.serving, denying: each.denying })))}
      {list(t('rulebook.left'), found.left_to_the_default)}
      {list(t('rulebook.doubts'), found.deny_on_a_doubt)}
      {list(t('rulebook.undecided'), found.not_decided)}
      {list(t('rulebook.silent'), found.countries_without_a_line.length ? [found.countries_without_a_line.join(', ')] : [])}
      <details>
        <summary>{t('rulebook.as_text')}</summary>
        <pre class="text">{found.text}</pre>
      </details>
    </>
  );
}

export function AnalyseView({ book }: { book: Book }): JSX.Element {
  const t = useWords();
  const may = useMay('rulebooks:check');
  const [draft] = useDraft(book);
  const { query } = usePlace();
  const job = query.get('job');
  const doing = useDoing();
  if (!may) return <NotAllowedHere needs="rulebooks:check" />;
  if (!book.text) return <Empty title={t('rulebook.no_text')} />;
  const start = (text: string) => doing.run(async () => setQuery({ job: (await send<Job>('/v1/rulebooks/analyse', { text }))?.id ?? null }));
  return (
    <Section title={t('rulebook.tab_analyse')}>
      <p class="quiet">{t('rulebook.analyse_intro')}</p>
      <p class="row">
        <button type="button" class="button primary" disabled={doing.busy} onClick={() => start(book.text)}>
          <Icon name="play" />
          {t('rulebook.analyse_book', { book: `${book.id} ${book.version}` })}
        </button>
        {draft !== book.text ? (
          <button type="button" class="button" disabled={doing.busy} onClick={() => start(draft)}>
            <Icon name="play" />
            {t('rulebook.analyse_draft')}
          </button>
        ) : null}
      </p>
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {job ? (
        <JobView<Analysed> key={job} id={job}>
          {(result) => <AnalysedView found={result} />}
        </JobView>
      ) : (
        <Note>{t('rulebook.analyse_help')}</Note>
      )}
    </Section>
  );
}
