/** All terminals with their last answer, and ways to find the one that is looked for: by answer, reason, place, speed and kind. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { useJson, usePages } from '../api/resource';
import type { TerminalChoices, TerminalRow } from '../api/types';
import { AreaField, areaName, findAreas, useNamedAreas, type NamedArea } from '../components/areas';
import { Badge, Empty, PageHead, Time } from '../components/basic';
import { Kind } from '../components/kind';
import { PagedTable, type Column } from '../components/table';
import { inSpeedUnit, number, ofSpeedUnit, position, speed, speedUnit } from '../format';
import { codeWord, useWords, type Translate } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

const OUTCOMES = ['serve', 'restrict', 'review', 'deny'] as const;
const STATES = ['normal', 'degraded', 'pending_registration', 'never_served'] as const;
/** Names in the address, which are those of the API but for speeds, which there have a unit. */
const PLAIN = ['q', 'outcome', 'state', 'area', 'reason', 'rule', 'plan', 'purpose', 'programme', 'protected'] as const;
const INNER = ['state', 'rule', 'plan', 'purpose', 'programme', 'protected', 'faster', 'slower'] as const;
type Name = (typeof PLAIN)[number] | 'faster' | 'slower';
type Asked = Readonly<Record<Name, string | null>>;

/** What to begin with, for whoever looks for something that no register names. */
const LOOKS: readonly (readonly [string, Partial<Asked>])[] = [
  ['refused', { outcome: 'deny' }],
  ['refused_fast', { outcome: 'deny', faster: '100' }],
  ['fast', { outcome: 'deny', reason: 'moving_too_fast_for_policy' }],
  ['person', { outcome: 'review' }],
];

/** A speed of the address [km/h], or null for anything else. */
export function speedOf(text: string | null): string | null {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  return value >= 0 && value <= 100_000 ? String(value) : null;
}

export function askedOf(query: URLSearchParams): Asked {
  const found = Object.fromEntries(PLAIN.map((name) => [name, query.get(name) || null])) as Record<Name, string | null>;
  return { ...found, faster: speedOf(query.get('faster')), slower: speedOf(query.get('slower')) };
}

const addressOf = (asked: Partial<Asked>): string => `/terminals?${new URLSearchParams(Object.entries(asked).filter((each): each is [string, string] => Boolean(each[1]))).toString()}`;

function Select({ name, label, value, options, onChoose }: { name: Name; label: string; value: string | null; options: readonly (readonly [string, string])[]; onChoose: (value: string | null) => void }): JSX.Element | null {
  const t = useWords();
  if (!options.length && !value) return null;
  // What the address asks for is shown although no terminal has it.
  const all = value && !options.some(([key]) => key === value) ? [...options, [value, value] as const] : options;
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name} value={value ?? ''} onChange={(event) => onChoose(event.currentTarget.value || null)}>
        <option value="" selected={!value}>{t('common.all')}</option>
        {all.map(([key, words]) => (
          <option value={key} selected={key === value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

function Filters({ asked, areas }: { asked: Asked; areas: readonly NamedArea[] | null }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const choices = useJson<TerminalChoices>('/v1/terminal-choices');
  const named = (id: string | null) => (id === null ? '' : (areas?.find((each) => each.id === id)?.name ?? id));
  const shown = (kmh: string | null) => (kmh === null ? '' : String(inSpeedUnit(Number(kmh), prefer)));
  const [draft, setDraft] = useState({ q: '', area: '', faster: '', slower: '' });
  const [meant, setMeant] = useState<readonly NamedArea[] | null>(null);
  useEffect(() => {
    setDraft({ q: asked.q ?? '', area: named(asked.area), faster: shown(asked.faster), slower: shown(asked.slower) });
    setMeant(null);
  }, [asked.q, asked.area, asked.faster, asked.slower, areas, prefer.units]);
  const type = (part: Partial<typeof draft>) => setDraft((old) => ({ ...old, ...part }));
  const apply = (changes: Partial<Asked> = {}) => {
    let area = draft.area.trim() === named(asked.area) ? asked.area : null;
    if (area === null && draft.area.trim() && !('area' in changes)) {
      const found = areas === null ? [] : findAreas(draft.area, areas);
      if (found.length !== 1) {
        setMeant(found);
        return;
      }
      area = found[0]!.id;
    }
    const kmh = (text: string) => speedOf(text.trim() === '' ? null : String(ofSpeedUnit(Number(text.replace(',', '.')), prefer)));
    setQuery({ q: draft.q.trim() || null, area, faster: kmh(draft.faster), slower: kmh(draft.slower), ...changes }, {});
  };
  const counted = (group: string, rows: readonly { value: string; terminals: number }[] | undefined) =>
    (rows ?? []).map(({ value, terminals }) => [value, `${value === 'none' ? t('common.none') : group ? codeWord(t, group, value) : value === 'default' ? t('terminal.default_rule') : value} (${number(terminals, prefer)})`] as const);
  const data = choices.data;
  const operator = !data || data.rules.length > 0 || data.plans.length > 0;
  const select = (name: Name, label: string, options: readonly (readonly [string, string])[]) => <Select name={name} label={label} value={asked[name]} options={options} onChoose={(value) => apply({ [name]: value })} />;
  const unit = speedUnit(prefer);
  return (
    <form
      class="terminal-filters"
      role="search"
      aria-label={t('terminals.filters')}
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <div class="filters">
        <label class="field">
          <span>{t('terminals.search')}</span>
          <input name="q" type="search" value={draft.q} maxLength={200} autocomplete="off" spellcheck={false} onInput={(event) => type({ q: event.currentTarget.value })} />
        </label>
        {select('outcome', t('terminals.answer'), OUTCOMES.map((each) => [each, t(`answer.${each}`)]))}
        {select('reason', t('terminal.reason'), counted('reason', data?.reasons))}
        <AreaField label={t('terminals.area')} value={draft.area} areas={areas} meant={meant} onValue={(area) => type({ area })} onChoose={(area) => apply({ area })} />
        <button type="submit" class="button primary">
          {t('common.apply')}
        </button>
        {Object.values(asked).some(Boolean) ? (
          <a class="button" href="/terminals">
            {t('common.clear')}
          </a>
        ) : null}
      </div>
      <details open={INNER.some((name) => asked[name])}>
        <summary>{operator ? t('terminals.more') : t('terminals.state')}</summary>
        {operator ? <p class="quiet">{t('terminals.more_help')}</p> : null}
        <div class="filters">
          {operator ? (
            <>
              <label class="field speed-field">
                <span>{t('terminals.faster', { unit })}</span>
                <input name="faster" inputMode="decimal" pattern="[0-9]+([.,][0-9]+)?" title={t('terminals.speed_help')} value={draft.faster} maxLength={8} autocomplete="off" onInput={(event) => type({ faster: event.currentTarget.value })} />
              </label>
              <label class="field speed-field">
                <span>{t('terminals.slower', { unit })}</span>
                <input name="slower" inputMode="decimal" pattern="[0-9]+([.,][0-9]+)?" title={t('terminals.speed_help')} value={draft.slower} maxLength={8} autocomplete="off" onInput={(event) => type({ slower: event.currentTarget.value })} />
              </label>
              {select('plan', t('terminals.plan'), counted('plan', data?.plans))}
              {select('programme', t('terminals.programme'), counted('programme', data?.programmes))}
              {select('protected', t('terminals.protected'), counted('protected', data?.protected))}
              {select('purpose', t('terminals.purpose'), counted('purpose', data?.purposes))}
              {select('rule', t('terminal.rule'), counted('', data?.rules))}
            </>
          ) : null}
          {select('state', t('terminals.state'), STATES.map((each) => [each, t(`state.${each}`)]))}
        </div>
      </details>
    </form>
  );
}

/** Ways to begin. By speed only the operator's side may look. */
function Looks({ label, fast }: { label: string; fast: boolean }): JSX.Element {
  const t = useWords();
  return (
    <p class="row looks" role="group" aria-label={label}>
      <span class="quiet">{label}</span>
      {LOOKS.filter(([, asked]) => fast || !asked.faster).map(([name, asked]) => (
        <a class="button small" href={addressOf(asked)}>
          {t(`terminals.look_${name}` as Parameters<Translate>[0])}
        </a>
      ))}
    </p>
  );
}

export default function Terminals(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const areas = useNamedAreas();
  const asked = useMemo(() => askedOf(query), [query.toString()]);
  const { faster, slower, ...others } = asked;
  const pages = usePages<TerminalRow>('/v1/terminals', { ...others, faster_than_km_h: faster, slower_than_km_h: slower, limit: 50 });
  const operator = pages.data?.some((row) => row.kind || row.speed_m_s !== null || row.rule) ?? false;
  const name = (each: TerminalRow['areas'][number]) => {
    const id = typeof each === 'string' ? each : each.id;
    return areas?.find((one) => one.id === id)?.name ?? areaName(each, prefer.language);
  };
  const inner: Column<TerminalRow>[] = [
    { head: t('terminals.speed'), figure: true, cell: (row) => (row.speed_m_s === null || row.speed_m_s === undefined ? '–' : speed(row.speed_m_s, prefer)) },
    { head: t('terminals.kind'), cell: (row) => <Kind of={row.kind} /> },
  ];
  return (
    <div class="page">
      <PageHead title={t('terminals.title')} intro={t('terminals.intro')} />
      <Looks label={t('terminals.looks')} fast={operator || pages.data === null || pages.data.length === 0} />
      <Filters asked={asked} areas={areas} />
      <PagedTable<TerminalRow>
        pages={pages}
        caption={t('terminals.caption')}
        keyOf={(row) => row.id}
        empty={
          <Empty title={t('terminals.none')}>
            <p>{asked.q ? t('terminals.none_called', { what: asked.q }) : t('terminals.none_help')}</p>
          </Empty>
        }
        columns={[
          { head: t('terminal.id'), names: true, class: 'id', cell: (row) => <a href={`/terminals/${encodeURIComponent(row.id)}`}>{row.id}</a> },
          { head: t('terminal.answer'), cell: (row) => <Badge outcome={row.outcome} state={row.state} /> },
          { head: t('terminal.reason'), cell: (row) => codeWord(t, 'reason', row.reason ?? '') },
          ...(operator ? inner : []),
          {
            head: t('terminals.where'),
            cell: (row) => (
              <>
                {(row.areas ?? []).filter((each) => (typeof each === 'string' ? each : each.id) !== 'land').map(name).join(', ')}
                <span class="quiet below">{position(row.lat, row.lon, 3) || t('terminal.unknown_place')}</span>
              </>
            ),
          },
          { head: t('terminal.observed'), cell: (row) => <Time at={row.observed_at} detail="minute" /> },
        ]}
      />
    </div>
  );
}
