/** Behaviours: what detectors look for, what else looks like it, and how often they are wrong. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useJson } from '../api/resource';
import { KindRates, KindWords } from '../cases/kind';
import { CaseTabs } from '../cases/parts';
import type { Behaviour, Behaviours } from '../cases/types';
import { boundWords, kindsWords, span, worthOf } from '../cases/words';
import { Facts, Fetched, PageHead, Section, Tag } from '../components/basic';
import { Note } from '../components/parts';
import { Table } from '../components/table';
import { number, percent } from '../format';
import { codeWord, useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

/** One terminal in so many is misused on a day: nobody knows, so the reader chooses. */
const BASES = ['1000', '10000', '100000'] as const;

export default function BehavioursPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query, hash } = usePlace();
  const base = BASES.find((each) => each === query.get('one_in')) ?? '10000';
  const found = useJson<Behaviours>('/v1/behaviours', { base_rate: 1 / Number(base) });
  const there = found.data !== null;
  useEffect(() => {
    if (there && hash) document.getElementById(hash.slice(1))?.scrollIntoView();
  }, [there, hash]);
  return (
    <div class="page">
      <PageHead title={t('nav.behaviours')} intro={t('behaviours.intro')} />
      <CaseTabs current="behaviours" />
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>{t('behaviours.base')}</span>
          <select name="one_in" value={base} onChange={(event) => setQuery({ one_in: event.currentTarget.value === '10000' ? null : event.currentTarget.value })}>
            {BASES.map((each) => (
              <option value={each}>{t('behaviours.one_in', { n: number(Number(each), prefer) })}</option>
            ))}
          </select>
        </label>
      </form>
      <Fetched of={found}>
        {(it) => (
          <>
            <Table<Behaviour>
              caption={t('nav.behaviours')}
              rows={it.items}
              keyOf={(row) => row.kind}
              columns={[
                { head: t('cases.kind'), names: true, cell: (row) => <a href={`#${row.kind}`}>{kindsWords(t, [row.kind])}</a> },
                { head: t('signals.cause'), cell: (row) => codeWord(t, 'cause', row.cause) },
                { head: t('behaviours.false'), cell: (row) => (row.measured ? boundWords(row.measured, t, prefer, true) : <span class="quiet">{t('behaviours.not')}</span>) },
                { head: t('behaviours.recall'), figure: true, wraps: true, cell: (row) => (typeof row.measured?.recall === 'number' ? percent(row.measured.recall, 1, prefer) : '–') },
                { head: t('behaviours.worth'), wraps: true, cell: (row) => worthCell(row, t, (n) => number(n, prefer)) },
                { head: t('behaviours.decided'), wraps: true, cell: (row) => (row.confirmed + row.false_alarms ? t('behaviours.right_wrong', { right: number(row.confirmed, prefer), wrong: number(row.false_alarms, prefer) }) : '–') },
              ]}
            />
            <Note>{t('behaviours.note')}</Note>
            {it.items.map((row) => (
              <Section title={kindsWords(t, [row.kind])} id={row.kind} actions={row.measured ? undefined : <Tag>{t('behaviours.not')}</Tag>}>
                <KindWords kind={row.kind} />
                <h3>{t('cases.how_wrong')}</h3>
                <KindRates of={row} base={it.base_rate} />
                <Facts
                  of={[
                    [t('signals.cause'), codeWord(t, 'cause', row.cause)],
                    [t('behaviours.lasting'), span(row.lasting_s, prefer)],
                    [t('signals.strength'), t(`behaviours.basis_${row.basis}`)],
                    [t('behaviours.measured_on'), row.measured?.on],
                    [t('behaviours.recall'), typeof row.measured?.recall === 'number' ? percent(row.measured.recall, 1, prefer) : null],
                    [t('nav.signals'), <a href={`/signals?kind=${row.kind}`}>{t('behaviours.all_of')}</a>],
                  ]}
                />
              </Section>
            ))}
          </>
        )}
      </Fetched>
    </div>
  );
}

function worthCell(row: Behaviour, t: ReturnType<typeof useWords>, figure: (n: number) => string): string {
  const posterior = row.measured?.posterior;
  if (posterior === null || posterior === undefined) return '–';
  const { n, of } = worthOf(posterior);
  return n ? t('behaviours.n_of', { n: figure(n), of: figure(of) }) : t('behaviours.hardly', { of: figure(of) });
}
