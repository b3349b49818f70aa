/** Interference: where and when satellite navigation was disturbed, as cells by kind over time. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Feature, MultiPolygon, Polygon } from 'geojson';
import { useInterval, useJson } from '../api/resource';
import type { InterferenceAnswer, InterferenceCell } from '../api/sky';
import { Choice, Empty, Icon, Loading, ProblemNote, Tag, Time } from '../components/basic';
import { Table } from '../components/table';
import { endOf, inputValue, number, percent, time } from '../format';
import { codeWord, useWords } from '../i18n';
import type { LiveMap } from '../map/canvas';
import { addLayers, isShape, put } from '../map/overlay';
import { MapFoot, MapHolder, MapTools } from '../map/holder';
import { LegendRow, MapLegend, Swatch } from '../map/legend';
import { WORLD } from '../map/place';
import { useMap } from '../map/use_map';
import { PlaceWords, usePlaces } from '../components/place';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

export const KINDS = ['jump', 'lost', 'radio_disagrees'] as const;
export type Kind = (typeof KINDS)[number];
const STEP_MS = 15_000;
export const LENGTHS = { hours: 6 * 3_600_000, day: 86_400_000, week: 7 * 86_400_000 } as const;
export type Length = keyof typeof LENGTHS;

function colourOf(kind: string, dark: boolean): string {
  const all = dark ? { jump: '#ff8a5c', lost: '#56b4e9', radio_disagrees: '#f0a3cf' } : { jump: '#c8370e', lost: '#0072b2', radio_disagrees: '#a8437f' };
  return all[kind as Kind] ?? (dark ? '#c3cfd6' : '#5b6770');
}

type Cell = Feature<Polygon | MultiPolygon, InterferenceCell>;

/** Whether a cell is disturbed at an instant; all are where none is asked for. */
export function isOn(cell: InterferenceCell, at: number | null): boolean {
  return at === null || (Date.parse(cell.from) <= at && at < Date.parse(cell.until));
}

/** What the slider spans: a little before the first disturbance to a little after the last, in whole steps. */
export function sliderOf(cells: readonly InterferenceCell[]): readonly [number, number] | null {
  if (!cells.length) return null;
  const first = Math.min(...cells.map((cell) => Date.parse(cell.from)));
  const last = Math.max(...cells.map((cell) => Date.parse(cell.until)));
  const margin = Math.max(STEP_MS, Math.round((last - first) / 20));
  return [Math.floor((first - margin) / STEP_MS) * STEP_MS, Math.ceil((last + margin) / STEP_MS) * STEP_MS];
}

/** The box around cells, or null. */
export function boxOfCells(cells: readonly Feature<Polygon | MultiPolygon>[]): [[number, number], [number, number]] | null {
  const box: [[number, number], [number, number]] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  const look = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    if (typeof value[0] === 'number') {
      const [x, y] = value as [number, number];
      box[0] = [Math.min(box[0][0], x), Math.min(box[0][1], y)];
      box[1] = [Math.max(box[1][0], x), Math.max(box[1][1], y)];
    } else value.forEach(look);
  };
  for (const cell of cells) look(cell.geometry.coordinates);
  return Number.isFinite(box[0][0]) ? box : null;
}

const MOST = 200;
const keyOf = ({ properties: cell }: Cell): string => `${cell.h3_cell} ${cell.kind} ${cell.from}`;

/** The middle of a cell, as it is asked for: `48.50,37.90`. */
export function middleOf(cell: Feature<Polygon | MultiPolygon>): string {
  const box = boxOfCells([cell]);
  if (!box) return '';
  const lon = (box[0][0] + box[1][0]) / 2;
  return `${((box[0][1] + box[1][1]) / 2).toFixed(3)},${(((((lon + 180) % 360) + 360) % 360) - 180).toFixed(3)}`;
}

export default function InterferencePage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const until = query.get('until');
  const length = (Object.keys(LENGTHS) as Length[]).find((each) => each === query.get('length')) ?? 'day';
  const hidden = useMemo(() => new Set((query.get('hide') ?? '').split(',').filter(Boolean)), [query.get('hide')]);
  const endMs = until === null ? null : Date.parse(until);
  const [newest, setNewest] = useState<string | null>(null);
  const end = until ?? newest;
  const from = length !== 'day' && end !== null && !Number.isNaN(Date.parse(end)) ? new Date(Date.parse(end) - LENGTHS[length]).toISOString() : null;
  const found = useJson<InterferenceAnswer>('/v1/interference', { until: from === null ? until : end, from });
  useInterval(found.reload, found.data?.state === 'working' ? 2_000 : null);
  useEffect(() => {
    if (until === null && found.data && newest === null) setNewest(found.data.until);
  }, [found.data, until]);
  const cells = useMemo(() => (found.data?.cells?.features ?? []) as unknown as Cell[], [found.data]);
  const span = useMemo(() => sliderOf(cells.map((cell) => cell.properties)), [cells]);
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => setAt(null), [span?.[0], span?.[1]]);
  const shown = useMemo(() => cells.filter((cell) => !hidden.has(cell.properties.kind) && isOn(cell.properties, at)), [cells, hidden, at]);

  const used = useMap({ look: () => WORLD, label: t('interference.map_label') });
  const { map, dark, problem } = used;
  const [ready, setReady] = useState<LiveMap | null>(null);
  useEffect(() => {
    if (!map) {
      setReady(null);
      return;
    }
    addLayers(map, 'disturbed', [
      { id: 'disturbed', type: 'fill', paint: { 'fill-color': ['get', 'colour'], 'fill-opacity': 0.28 } },
      { id: 'disturbed-edge', type: 'line', paint: { 'line-color': ['get', 'colour'], 'line-width': ['case', ['==', ['get', 'kind'], 'lost'], 2.4, 1.4] } },
    ]);
    addLayers(map, 'picked', [{ id: 'picked', type: 'line', paint: { 'line-color': dark ? '#ffd166' : '#12384f', 'line-width': 4 } }]);
    setReady(map);
  }, [map]);
  useEffect(() => {
    if (!ready) return;
    // Fine cells over coarse ones: their names differ by length of what they leave open, so the larger box is drawn first.
    const size = (cell: Cell) => {
      const box = boxOfCells([cell]);
      return box ? box[1][0] - box[0][0] : 0;
    };
    put(ready, 'disturbed', shown.filter(isShape).sort((a, b) => size(b) - size(a)).map((cell) => ({ ...cell, properties: { key: keyOf(cell), kind: cell.properties.kind, colour: colourOf(cell.properties.kind, dark) } })));
  }, [ready, shown]);
  useEffect(() => {
    const box = boxOfCells(cells);
    if (ready && box && !picked) ready.fitBounds(box, { padding: 90, maxZoom: 7, animate: false });
  }, [ready, cells]);

  const listed = useMemo(() => shown.slice(0, MOST), [shown]);
  const places = usePlaces(listed.map((cell) => middleOf(cell)));
  const chosen = query.get('cell');
  const picked = cells.find((cell) => keyOf(cell) === chosen) ?? null;
  useEffect(() => {
    const box = picked ? boxOfCells([picked]) : null;
    if (!ready) return;
    put(ready, 'picked', picked && isShape(picked) ? [{ type: 'Feature', properties: {}, geometry: picked.geometry }] : []);
    if (box) ready.fitBounds(box, { padding: 120, maxZoom: 8, animate: !window.matchMedia('(prefers-reduced-motion: reduce)').matches });
  }, [ready, picked]);
  useEffect(() => {
    if (!ready) return undefined;
    const clicked = (event: { point: { x: number; y: number } }) => {
      const hit = ready.queryRenderedFeatures([event.point.x, event.point.y], { layers: ['disturbed'] }).pop();
      setQuery({ cell: hit ? String(hit.properties['key']) : null }, hit ? {} : { replace: true });
    };
    const over = (event: { point: { x: number; y: number } }) => {
      ready.getCanvas().style.cursor = ready.queryRenderedFeatures([event.point.x, event.point.y], { layers: ['disturbed'] })[0] ? 'pointer' : '';
    };
    ready.on('click', clicked);
    ready.on('mousemove', over);
    return () => {
      ready.off('click', clicked);
      ready.off('mousemove', over);
    };
  }, [ready]);
  const count = (kind: Kind) => cells.filter((cell) => cell.properties.kind === kind && isOn(cell.properties, at)).length;
  const toggle = (kind: Kind) => {
    const next = new Set(hidden);
    if (!next.delete(kind)) next.add(kind);
    setQuery({ hide: [...next].join(',') || null });
  };
  const told = found.data;
  const pictured = told?.state === 'ready' ? `?until=${encodeURIComponent(told.until)}&from=${encodeURIComponent(told.from)}` : null;
  return (
    <div class="map-page with-side">
      <h1 class="unseen">{t('nav.interference')}</h1>
      <MapHolder of={used}>
        <MapLegend title={t('interference.kinds')}>
          <ul class="plain" aria-label={t('interference.kinds_help')}>
            {KINDS.map((kind) => (
              <li>
                <LegendRow
                  mark={<Swatch colour={colourOf(kind, dark)} shape={kind === 'lost' ? 'ring' : 'dot'} />}
                  words={t(`interference.${kind}`)}
                  figure={told?.state === 'ready' ? number(count(kind), prefer) : '–'}
                  pressed={!hidden.has(kind)}
                  onPress={() => toggle(kind)}
                />
              </li>
            ))}
          </ul>
          <p class="quiet map-note">{t('interference.not_guilt')}</p>
        </MapLegend>
        <MapTools of={used} projection={false} />
        {found.problem ?? problem ? (
          <div class="map-problem">
            <ProblemNote problem={(found.problem ?? problem)!} retry={found.reload} />
          </div>
        ) : null}
        {told?.state === 'working' || (found.loading && !told) ? (
          <div class="map-box map-empty" role="status">
            <p class="strong">{t('interference.working')}</p>
            <p>{t('interference.working_help', { n: number(told?.seen_rows ?? 0, prefer) })}</p>
          </div>
        ) : told && !cells.length ? (
          <div class="map-box map-empty">
            <p class="strong">{t('interference.none')}</p>
            <p>{t('interference.none_help')}</p>
          </div>
        ) : null}
        <MapFoot>
          {span ? (
            <div class="map-box timebar" role="group" aria-label={t('map.time')}>
              <button type="button" class="button live" aria-pressed={at === null} onClick={() => setAt(null)}>
                {t('interference.whole')}
              </button>
              <div class="slider">
                <input type="range" min={span[0]} max={span[1]} step={STEP_MS} value={at ?? span[0]} aria-label={t('map.time_slider')} aria-valuetext={time(at ?? span[0], prefer)} onInput={(event) => setAt(Number(event.currentTarget.value))} />
              </div>
              <output class="time-shown">
                <Icon name="clock" /> {at === null ? t('interference.any_time') : time(at, prefer)}
              </output>
            </div>
          ) : null}
        </MapFoot>
      </MapHolder>
      <aside class="map-side" aria-label={t('nav.interference')}>
        <h2 class="side-title">{t('nav.interference')}</h2>
        <p class="quiet">{t('interference.intro')}</p>
        <div class="span-fields">
          <Choice label={t('interference.length')} value={length} options={[['hours', t('interference.hours')], ['day', t('interference.day')], ['week', t('interference.week')]]} onChange={(value) => setQuery({ length: value === 'day' ? null : value })} />
          <label class="field">
            <span>{t('interference.until')} (UTC)</span>
            <input
              type="datetime-local"
              value={endMs !== null && !Number.isNaN(endMs) ? inputValue(endMs) : told ? inputValue(Date.parse(told.until)) : ''}
              onChange={(event) => {
                const ms = Date.parse(`${event.currentTarget.value}:00Z`);
                setQuery({ until: Number.isNaN(ms) ? null : new Date(ms).toISOString().replace('.000Z', 'Z') });
              }}
            />
          </label>
        </div>
        {told?.state === 'ready' ? (
          <>
            <p>
              {t('interference.seen', { n: number(told.seen_rows, prefer), terminals: number(told.terminals ?? 0, prefer), suspended: number(told.suspended ?? 0, prefer) })}
            </p>
            <p class="quiet">{told.internal ? t('interference.internal') : t('interference.published', { n: told.least_terminals, holders: told.least_holders })}</p>
            {pictured && cells.length ? (
              <p class="row">
                {['png', 'svg'].map((form) => (
                  <a class="button" href={`/v1/interference/map.${form}${pictured}`} download={`interference-${told.until.slice(0, 10)}.${form}`}>
                    <Icon name="download" />
                    {form.toUpperCase()}
                  </a>
                ))}
              </p>
            ) : null}
            {shown.length ? (
              <Table
                caption={t('interference.table')}
                rows={listed}
                keyOf={keyOf}
                current={(row) => keyOf(row) === chosen}
                columns={[
                  {
                    head: t('interference.place'), names: true,
                    cell: (row) => (
                      <button type="button" class="button link" onClick={() => setQuery({ cell: keyOf(row) }, {})}>
                        <PlaceWords of={places.get(middleOf(row))} otherwise={middleOf(row)} />
                      </button>
                    ),
                  },
                  {
                    head: t('interference.kind'),
                    cell: ({ properties: cell }) => (
                      <>
                        {t(`interference.${cell.kind as Kind}`)} {cell.pattern ? <Tag>{codeWord(t, 'pattern', cell.pattern)}</Tag> : null}
                        <span class="quiet cell-time">
                          <Time at={cell.from} detail="minute" /> – {endOf(time(cell.from, prefer, 'minute'), time(cell.until, prefer, 'minute'))}
                        </span>
                      </>
                    ),
                  },
                  { head: t('interference.terminals'), figure: true, cell: ({ properties: cell }) => number(cell.terminals, prefer) },
                  { head: t('interference.share'), figure: true, cell: ({ properties: cell }) => percent(cell.share, 1, prefer) },
                ]}
              />
            ) : null}
            {shown.length > MOST ? <p class="quiet">{t('map.first_rows', { n: MOST, total: shown.length })}</p> : null}
            {shown.length ? null : cells.length ? (
              <Empty title={t('interference.not_now')} />
            ) : null}
          </>
        ) : found.problem ? null : (
          <Loading />
        )}
      </aside>
    </div>
  );
}
