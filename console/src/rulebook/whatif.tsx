/** What if another rulebook held: who would be answered otherwise, where, and by which rule. Nothing is changed by it. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { send } from '../api/client';
import type { Job } from '../api/types';
import { Badge, Empty, Icon, ProblemNote, Section } from '../components/basic';
import { JobView } from '../components/job';
import { Bars, NotAllowedHere, Note, useDoing } from '../components/parts';
import { Table } from '../components/table';
import { country, number, percent } from '../format';
import { codeWord, useWords, type Translate } from '../i18n';
import { SpotMap } from '../map/spots';
import { setQuery, usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';
import { Differences } from './diff';
import { useDraft } from './draft';
import type { Book, ChangedTerminal, WhatIf } from './types';
import { answerOf, lower, speedLimits, spotsOf, tryLimit, withSpeed } from './words';

const SHOWN = 50;
const SHIPPED = 'world-2026';

function countryName(text: string, language: 'en' | 'de' | 'uk'): string {
  return text.split(' and ').map((each) => (/^[A-Z]{2}$/.test(each) ? country(each, { language }) : each)).join(' / ');
}

function changeWords(t: Translate, text: string): string {
  return text.split(' → ').map((each) => t(`answer.${answerOf(each)}`)).join(' → ');
}

function Result({ found }: { found: WhatIf }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [rows, setRows] = useState(SHOWN);
  const spots = useMemo(() => spotsOf(found.changed), [found]);
  const by = (name: string) => found.by[name] ?? {};
  const plain = (text: string) => codeWord(t, 'register', text.replaceAll(' ', '_'));
  return (
    <>
      <div class={`banner banner-${found.changed_terminals ? 'part' : 'holds'}`} role="status">
        <Icon name={found.changed_terminals ? 'warn' : 'check'} />
        <span>
          {t('whatif.changed', { n: found.changed_terminals })}{' '}
          <span class="quiet">
            {t('whatif.of', { terminals: number(found.terminals, prefer), share: percent(found.changed_terminals, found.terminals, prefer), observations: number(found.changed_observations, prefer), all: number(found.observations, prefer) })}
          </span>
        </span>
      </div>
      <details>
        <summary>{t('whatif.differences', { n: found.differences.length })}</summary>
        <Differences of={found.differences} />
      </details>
      {found.changed_terminals ? (
        <>
          <div class="bars-grid">
            <Bars label={t('whatif.by_change')} counts={by('change')} name={(key) => changeWords(t, key)} />
            <Bars label={t('whatif.by_country')} counts={by('country')} name={(key) => countryName(key, prefer.language)} />
            <Bars label={t('whatif.by_plan')} counts={by('plan')} name={plain} />
            <Bars label={t('whatif.by_class')} counts={by('class')} name={plain} />
            <Bars label={t('whatif.by_programme')} counts={by('programme')} name={plain} />
            <Bars label={t('whatif.by_rule')} counts={by('rule_after')} name={(key) => (key === 'default' ? t('terminal.default_rule') : key)} />
          </div>
          <h3>{t('whatif.map')}</h3>
          <SpotMap points={spots} label={t('whatif.map')} />
          <p class="quiet">{t('whatif.map_help', { n: spots.length })}</p>
          <h3>{t('whatif.table')}</h3>
          <Table<ChangedTerminal>
            caption={t('whatif.table')}
            rows={found.changed.slice(0, rows)}
            keyOf={(row) => row.terminal_id}
            columns={[
              { head: t('terminal.id'), names: true, cell: (row) => <a href={`/terminals/${encodeURIComponent(row.terminal_id)}`}>{row.terminal_id}</a> },
              { head: t('whatif.now'), cell: (row) => <Badge outcome={answerOf(row.before)} /> },
              { head: t('whatif.then'), cell: (row) => <Badge outcome={answerOf(row.after)} /> },
              { head: t('whatif.rule_now'), cell: (row) => <code>{row.rule_before}</code> },
              { head: t('whatif.rule_then'), cell: (row) => <code>{row.rule_after}</code> },
              { head: t('whatif.country'), cell: (row) => countryName(row.country, prefer.language) },
              { head: t('whatif.plan'), cell: (row) => plain(row.plan) },
              { head: t('whatif.class'), cell: (row) => plain(row.class) },
            ]}
          />
          <div class="table-foot">
            <span class="quiet">{t('whatif.listed', { shown: number(Math.min(rows, found.changed.length), prefer), n: found.changed_terminals })}</span>
            {rows < found.changed.length ? (
              <button type="button" class="button" onClick={() => setRows(rows + 200)}>
                {t('common.more')}
              </button>
            ) : null}
          </div>
        </>
      ) : (
        <Empty title={t('whatif.nobody')}>
          <p>{t('whatif.nobody_help')}</p>
        </Empty>
      )}
    </>
  );
}

export function WhatIfView({ book, history }: { book: Book; history: readonly { digest: string; id: string; version: number; in_force: boolean }[] }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const may = useMay('whatif:run');
  const { query } = usePlace();
  const [draft] = useDraft(book);
  const limits = speedLimits(book.rules);
  const chosen = limits.find((each) => each.rule === query.get('rule')) ?? tryLimit(limits)?.limit;
  const way = query.get('way') ?? (chosen ? 'speed' : 'text');
  const above = Number(query.get('above')) || (chosen ? lower(chosen.above) : 0);
  const job = query.get('job');
  const doing = useDoing();
  if (!may) return <NotAllowedHere needs="whatif:run" />;
  if (!book.text) return <Empty title={t('rulebook.no_text')} />;
  const old = history.filter((each) => !each.in_force);
  const oldDigest = query.get('digest') ?? old[0]?.digest ?? SHIPPED;
  const rulebook = (): string | null => {
    if (way === 'text') return draft;
    if (way === 'digest') return oldDigest;
    const rule = book.rules.find((each) => each.id === chosen?.rule);
    return rule ? withSpeed(book.text, rule, above) : null;
  };
  const start = () =>
    doing.run(async () => {
      const asked = rulebook();
      if (asked !== null) setQuery({ job: (await send<Job>('/v1/whatif', { rulebook: asked }))?.id ?? null });
    });
  const option = (value: string, words: string) => (
    <label class="check">
      <input type="radio" name="way" checked={way === value} onChange={() => setQuery({ way: value, job: null })} />
      <span>{words}</span>
    </label>
  );
  return (
    <Section title={t('rulebook.tab_whatif')}>
      <p class="quiet">{t('whatif.intro')}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <fieldset class="policy wide">
          <legend>{t('whatif.which')}</legend>
          {limits.length ? option('speed', t('whatif.way_speed')) : null}
          {option('text', t(draft === book.text ? 'whatif.way_text_none' : 'whatif.way_text'))}
          {option('digest', t('whatif.way_digest'))}
          {way === 'speed' && chosen ? (
            <div class="filters">
              <label class="field grow">
                <span>{t('terminal.rule')}</span>
                <select value={chosen.rule} onChange={(event) => setQuery({ rule: event.currentTarget.value, above: null, job: null })}>
                  {limits.map((each) => (
                    <option value={each.rule} selected={each.rule === chosen.rule}>
                      {each.rule}: {each.title}
                    </option>
                  ))}
                </select>
              </label>
              <label class="field">
                <span>{t('whatif.limit', { now: number(chosen.above, prefer, 1) })}</span>
                <input type="number" min={0} max={100000} step="any" required value={above} onChange={(event) => setQuery({ above: event.currentTarget.value, job: null })} />
              </label>
            </div>
          ) : null}
          {way === 'text' ? (
            <p>
              <a href="/rulebook?tab=check">{t('whatif.edit')}</a>
            </p>
          ) : null}
          {way === 'digest' ? (
            <label class="field">
              <span>{t('whatif.version')}</span>
              <select value={oldDigest} onChange={(event) => setQuery({ digest: event.currentTarget.value, job: null })}>
                {old.map((each) => (
                  <option value={each.digest} selected={each.digest === oldDigest}>
                    {each.id} {each.version}
                  </option>
                ))}
                <option value={SHIPPED} selected={oldDigest === SHIPPED}>
                  {t('whatif.shipped', { name: SHIPPED })}
                </option>
              </select>
            </label>
          ) : null}
        </fieldset>
        <button type="submit" class="button primary" disabled={doing.busy}>
          <Icon name="play" />
          {doing.busy ? t('common.loading') : t('whatif.run')}
        </button>
      </form>
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {job ? (
        <JobView<WhatIf> key={job} id={job}>
          {(result) => <Result found={result} />}
        </JobView>
      ) : (
        <Note>{t('whatif.help')}</Note>
      )}
    </Section>
  );
}

