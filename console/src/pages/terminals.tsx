/** All terminals with their last answer. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import type { TerminalRow } from '../api/types';
import { areaName } from '../components/areas';
import { Badge, Empty, PageHead, Time } from '../components/basic';
import { PagedTable } from '../components/table';
import { position } from '../format';
import { codeWord, useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

const OUTCOMES = ['serve', 'restrict', 'review', 'deny'] as const;
const STATES = ['normal', 'degraded', 'pending_registration', 'never_served'] as const;

export default function Terminals(): JSX.Element {
  const t = useWords();
  const { language } = useSettings();
  const { query } = usePlace();
  const asked = { q: query.get('q'), outcome: query.get('outcome'), state: query.get('state'), area: query.get('area') };
  const pages = usePages<TerminalRow>('/v1/terminals', { ...asked, limit: 50 });
  return (
    <div class="page">
      <PageHead title={t('terminals.title')} intro={t('terminals.intro')} />
      <form
        class="filters"
        key={JSON.stringify(asked)}
        onSubmit={(event) => {
          event.preventDefault();
          const data = new FormData(event.currentTarget);
          setQuery(Object.fromEntries(['q', 'outcome', 'state', 'area'].map((name) => [name, String(data.get(name) ?? '').trim() || null])), {});
        }}
      >
        <label class="field">
          <span>{t('terminals.search')}</span>
          <input name="q" type="search" defaultValue={asked.q ?? ''} maxLength={200} autocomplete="off" spellcheck={false} />
        </label>
        <label class="field">
          <span>{t('terminals.answer')}</span>
          <select name="outcome" defaultValue={asked.outcome ?? ''} onChange={(event) => event.currentTarget.form?.requestSubmit()}>
            <option value="" selected={!asked.outcome}>{t('common.all')}</option>
            {OUTCOMES.map((each) => (
              <option value={each} selected={asked.outcome === each}>{t(`answer.${each}`)}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('terminals.state')}</span>
          <select name="state" onChange={(event) => event.currentTarget.form?.requestSubmit()}>
            <option value="" selected={!asked.state}>{t('common.all')}</option>
            {STATES.map((each) => (
              <option value={each} selected={asked.state === each}>{t(`state.${each}`)}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t('terminals.area')}</span>
          <input name="area" type="text" defaultValue={asked.area ?? ''} placeholder={t('terminals.area_hint')} maxLength={200} autocomplete="off" spellcheck={false} />
        </label>
        <button type="submit" class="button primary">
          {t('common.apply')}
        </button>
        {Object.values(asked).some(Boolean) ? (
          <a class="button" href="/terminals">
            {t('common.clear')}
          </a>
        ) : null}
      </form>
      <PagedTable<TerminalRow>
        pages={pages}
        caption={t('terminals.caption')}
        keyOf={(row) => row.id}
        empty={
          <Empty title={t('terminals.none')}>
            <p>{t('terminals.none_help')}</p>
          </Empty>
        }
        columns={[
          { head: t('terminal.id'), names: true, cell: (row) => <a href={`/terminals/${encodeURIComponent(row.id)}`}>{row.id}</a> },
          { head: t('terminal.answer'), cell: (row) => <Badge outcome={row.outcome} state={row.state} /> },
          { head: t('terminal.reason'), cell: (row) => codeWord(t, 'reason', row.reason ?? '') },
          { head: t('terminal.areas'), cell: (row) => (row.areas ?? []).map((each) => areaName(each, language)).filter((name) => name !== 'land').join(', ') },
          { head: t('terminal.place'), cell: (row) => position(row.lat, row.lon, 3) || <span class="quiet">{t('terminal.unknown_place')}</span> },
          { head: t('terminal.observed'), cell: (row) => <Time at={row.observed_at} /> },
        ]}
      />
    </div>
  );
}
