/** Signals: what detectors found about single terminals, the newest first. A finding, and no verdict. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useEvents, usePages } from '../api/resource';
import { CaseTabs, News, Strength } from '../cases/parts';
import { caseOf, KINDS, type SignalRow } from '../cases/types';
import { capital, foundWords, kindWord } from '../cases/words';
import { Empty, PageHead, Time } from '../components/basic';
import { PlaceWords, usePlaces } from '../components/place';
import { PagedTable } from '../components/table';
import { useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';
import { SIGNAL_EVENTS } from './cases';

const pointOf = (row: SignalRow) => (row.lat === null || row.lon === null ? '' : `${row.lat.toFixed(3)},${row.lon.toFixed(3)}`);

export default function SignalsPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const wanted = query.get('kind');
  const kind = KINDS.find((each) => each === wanted) ?? null;
  const terminal = query.get('terminal');
  const pages = usePages<SignalRow>('/v1/signals', { kind, terminal, limit: 50 });
  const places = usePlaces((pages.data ?? []).map(pointOf));
  const [news, setNews] = useState(0);
  useEvents(SIGNAL_EVENTS, () => setNews((n) => n + 1), useMay('events:read'));
  return (
    <div class="page">
      <PageHead title={t('nav.signals')} intro={t('signals.intro')} />
      <CaseTabs current="signals" />
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>{t('cases.kind')}</span>
          <select name="kind" value={kind ?? ''} onChange={(event) => setQuery({ kind: event.currentTarget.value || null })}>
            <option value="">{t('cases.any_kind')}</option>
            {KINDS.map((each) => (
              <option value={each}>{kindWord(t, each)}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('terminal.id')}</span>
          <input type="search" name="terminal" maxLength={200} value={terminal ?? ''} onChange={(event) => setQuery({ terminal: event.currentTarget.value.trim() || null })} />
        </label>
      </form>
      <News
        n={news}
        onRead={() => {
          setNews(0);
          pages.reload();
        }}
      />
      <PagedTable<SignalRow>
        pages={pages}
        caption={t('nav.signals')}
        keyOf={(row) => row.id + row.raised_at}
        empty={
          <Empty title={t(kind || terminal ? 'signals.none_so' : 'signals.none')}>
            <p>{t(kind || terminal ? 'cases.none_so_help' : 'cases.none_help')}</p>
            {kind || terminal ? (
              <a class="button" href="/signals">
                {t('common.clear')}
              </a>
            ) : (
              <pre class="command">groundrule detect OBSERVATIONS --home HOME --keep</pre>
            )}
          </Empty>
        }
        columns={[
          { head: t('signals.raised'), class: 'nowrap', cell: (row) => <Time at={row.raised_at} /> },
          { head: t('cases.kind'), names: true, cell: (row) => (caseOf(row) ? <a href={caseOf(row)!}>{capital(kindWord(t, row.kind))}</a> : capital(kindWord(t, row.kind))) },
          { head: t('terminal.id'), cell: (row) => <a href={`/terminals/${encodeURIComponent(row.terminal)}`}>{row.terminal}</a> },
          { head: t('cases.where'), cell: (row) => (pointOf(row) ? <PlaceWords of={places.get(pointOf(row))} otherwise={pointOf(row)} /> : '–') },
          { head: t('signals.found'), cell: (row) => foundWords(row, t, prefer) || '–' },
          { head: t('signals.strength'), class: 'nowrap', cell: (row) => <Strength of={row} /> },
          { head: t('signals.cause'), cell: (row) => <a href={`/behaviours#${row.kind}`}>{t(`cause.${row.cause}` as 'cause.motion')}</a> },
        ]}
      />
    </div>
  );
}
