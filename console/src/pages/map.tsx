/** The live map: who is served where, now or as it was. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { getJson, Problem } from '../api/client';
import { useEvents, useInterval, useJson } from '../api/resource';
import type { MapAnswer } from '../api/types';
import { Icon, MarkIcon, ProblemNote } from '../components/basic';
import { number, percent } from '../format';
import { useWords } from '../i18n';
import { KEYS, MARKS, type AnswerKey } from '../marks';
import { cellFeatures, only, pointFeatures, readAnswer, type Seen } from '../map/answers';
import { useAreas } from '../map/areas';
import { MapFoot, MapHolder, MapTools, WrongTime } from '../map/holder';
import { LegendRow, MapLegend, Swatch } from '../map/legend';
import { hue } from '../map/overlay';
import { boxAround, EVERYWHERE, formatLook, GLOBE, parseLook, WORLD, type Box } from '../map/place';
import { SidePanel } from '../map/side';
import { SIGNAL_LAYER, useSignals } from '../map/signals';
import { MapTable } from '../map/table';
import { TimeBar } from '../map/timebar';
import { useMap } from '../map/use_map';
import { instantIn, setQuery, usePlace } from '../router';
import { useMay, useSession } from '../session';
import { useSettings } from '../settings';
import type { LiveMap } from '../map/canvas';

const POLL_MS = 5_000;
const QUIET_POLL_MS = 30_000;
const EVENTS = ['terminal.outcome'] as const;

interface Shown {
  readonly seen: Seen;
}

function shownKeys(text: string | null): ReadonlySet<AnswerKey> {
  const wanted = (text ?? '').split(',').filter((key): key is AnswerKey => (KEYS as readonly string[]).includes(key));
  return new Set(wanted.length ? wanted : KEYS);
}

export default function MapPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const at = instantIn(query, 'at');
  const wrongTime = at === null ? query.get('at') : null;
  const filterText = query.get('show');
  const keys = useMemo(() => shownKeys(filterText), [filterText]);
  const chosen = query.get('terminal');
  const chosenArea = query.get('area');
  const table = query.get('table') === '1';

  const [names, setNames] = useState(true);
  const used = useMap({ look: () => parseLook(new URLSearchParams(window.location.search).get('look')) ?? (prefer.globe ? GLOBE : WORLD), label: t('map.label'), globe: prefer.globe });
  const { map, cannotDraw } = used;
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [tip, setTip] = useState<{ x: number; y: number; counts: readonly number[]; count: number } | null>(null);
  const [areasOn, setAreasOn] = useState(true);
  const asked = useRef<{ key: string; version: number | string | null; abort: AbortController | null }>({ key: '', version: null, abort: null });
  const keysNow = useRef(keys);
  keysNow.current = keys;

  useEffect(() => void map?.setLayoutProperty('names', 'visibility', names ? 'visible' : 'none'), [map, names]);

  const read = useCallback(
    async (force: boolean) => {
      let box: Box = EVERYWHERE;
      let zoom = 1;
      if (map) {
        const bounds = map.getBounds();
        zoom = Math.max(0, Math.min(20, map.getZoom()));
        box = boxAround({ west: bounds.getWest(), south: bounds.getSouth(), east: bounds.getEast(), north: bounds.getNorth() }, zoom);
      }
      // Asking for a few answers alone lets them be seen one by one where all together would be counted in cells.
      const outcome = keysNow.current.size < KEYS.length ? [...keysNow.current].sort() : [];
      const ask = { ...box, zoom: Math.floor(zoom), at, outcome };
      const key = JSON.stringify(ask);
      if (key === asked.current.key && !force) return;
      asked.current.abort?.abort();
      const abort = new AbortController();
      const known = key === asked.current.key ? asked.current.version : null;
      asked.current = { key, version: known, abort };
      try {
        const found = await getJson<MapAnswer>('/v1/map', ask, abort.signal);
        setProblem(null);
        if (known !== null && found.version === known) return;
        asked.current.version = found.version;
        setShown({ seen: readAnswer(found) });
      } catch (error) {
        if (abort.signal.aborted) return;
        asked.current.key = '';
        setProblem(error instanceof Problem ? error : new Problem({ title: String(error), status: 0 }));
      }
    },
    [map, at],
  );

  useEffect(() => {
    if (cannotDraw) void read(false);
    if (!map) return undefined;
    void read(false);
    let timer = 0;
    const moved = () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        const centre = map.getCenter();
        setQuery({ look: formatLook({ lat: centre.lat, lon: centre.lng, zoom: map.getZoom() }) });
        void read(false);
      }, 180);
    };
    map.on('moveend', moved);
    return () => {
      window.clearTimeout(timer);
      map.off('moveend', moved);
    };
  }, [map, read, cannotDraw]);
  useEffect(() => void read(false), [filterText]);

  const mayHear = useMay('events:read');
  const maySeeStatus = useMay('status:read');
  const session = useSession();
  const demo = session.kind === 'in' && session.session.home.demo;
  const status = useJson<{ newest_observed_at: string | null }>(maySeeStatus ? '/v1/status' : null);
  useInterval(status.reload, at === null && maySeeStatus ? QUIET_POLL_MS : null);
  const pending = useRef(0);
  const connected = useEvents(EVENTS, () => {
    // Many decisions come at once; the map follows them every two seconds.
    if (pending.current) return;
    pending.current = window.setTimeout(() => {
      pending.current = 0;
      void read(true);
    }, 2_000);
  }, at === null && mayHear);
  useInterval(() => void read(true), at === null ? (connected ? QUIET_POLL_MS : POLL_MS) : null);

  const drawn = useMemo(() => (shown ? only(shown.seen, keys) : null), [shown, keys]);
  useEffect(() => {
    if (!map || !drawn) return;
    // English in every language: `тис.` would not fit into a ring, and no more would three digits of thousands.
    const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 2 });
    void import('../map/canvas').then(({ setData }) => {
      setData(map, 'cells', cellFeatures(drawn.cells, compact));
      setData(map, 'points', pointFeatures(drawn.points));
    });
  }, [map, drawn, prefer.language]);

  const areas = useAreas(map, areasOn, at);
  const mayCases = useMay('cases:read');
  const signalsOn = mayCases && query.get('signals') === '1';
  const signals = useSignals(map, used.dark, signalsOn, at, status.data?.newest_observed_at ?? null, mayHear);

  // What lies under the pointer.
  useEffect(() => {
    if (!map) return undefined;
    const onClick = (event: { point: { x: number; y: number }; lngLat: { lng: number; lat: number } }) => {
      const near: [[number, number], [number, number]] = [[event.point.x - 5, event.point.y - 5], [event.point.x + 5, event.point.y + 5]];
      // The ring of a signal is wider than what it surrounds.
      const rings = map.getLayer(SIGNAL_LAYER) ? map.queryRenderedFeatures(near, { layers: [SIGNAL_LAYER] }) : [];
      const point = map.queryRenderedFeatures(near, { layers: ['points'] })[0];
      if (!point && rings[0]) {
        setQuery({ terminal: String(rings[0].properties['terminal']), area: null }, {});
        return;
      }
      if (point) {
        setQuery({ terminal: String(point.properties['id']), area: null }, {});
        return;
      }
      const cell = map.queryRenderedFeatures(near, { layers: ['cells'] })[0];
      if (cell) {
        const row = cellsNow.current.get(String(cell.properties['cell']));
        if (row) zoomTo(map, row.lat, row.lon);
        return;
      }
      const area = map.queryRenderedFeatures(near, { layers: ['areas'] })[0];
      setQuery({ terminal: null, area: area ? String(area.properties['area']) : null }, area ? {} : { replace: true });
    };
    const onMove = (event: { point: { x: number; y: number } }) => {
      const hit = map.queryRenderedFeatures([event.point.x, event.point.y], { layers: ['points', 'cells', 'areas'] })[0];
      map.getCanvas().style.cursor = hit ? 'pointer' : '';
      const row = hit?.layer.id === 'cells' ? cellsNow.current.get(String(hit.properties['cell'])) : undefined;
      setTip(row ? { x: event.point.x, y: event.point.y, counts: row.counts, count: row.count } : null);
    };
    const onOut = () => setTip(null);
    map.on('click', onClick);
    map.on('mousemove', onMove);
    map.on('mouseout', onOut);
    return () => {
      map.off('click', onClick);
      map.off('mousemove', onMove);
      map.off('mouseout', onOut);
    };
  }, [map]);
  const cellsNow = useRef<ReadonlyMap<string, Seen['cells'][number]>>(new Map());
  cellsNow.current = useMemo(() => new Map((drawn?.cells ?? []).map((cell) => [cell.key, cell])), [drawn]);

  const mark = useCallback(
    (lat: number | null, lon: number | null) => {
      if (!map) return;
      void import('../map/canvas').then(({ setData }) =>
        setData(map, 'chosen', { type: 'FeatureCollection', features: lat === null || lon === null ? [] : [{ type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: [lon, lat] } }] }),
      );
    },
    [map],
  );
  useEffect(() => {
    if (!chosen) mark(null, null);
  }, [chosen, mark]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && (chosen || chosenArea) && !document.querySelector('dialog[open]')) setQuery({ terminal: null, area: null });
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [chosen, chosenArea]);

  const seen = shown?.seen ?? null;
  const toggle = (key: AnswerKey) => {
    const next = new Set(keys);
    if (keys.size === KEYS.length) {
      next.clear();
      next.add(key);
    } else if (next.has(key)) next.delete(key);
    else next.add(key);
    setQuery({ show: next.size === 0 || next.size === KEYS.length ? null : KEYS.filter((each) => next.has(each)).join(',') });
  };
  const drawnCount = drawn ? drawn.points.length + drawn.cells.reduce((sum, cell) => sum + cell.count, 0) : 0;
  const summary = seen ? t('map.in_view', { n: drawnCount, total: number(seen.total, prefer) }) : '';

  return (
    <div class={`map-page${chosen || chosenArea ? ' with-side' : ''}${prefer.globe ? ' as-globe' : ''}`}>
      <h1 class="unseen">{t('map.title')}</h1>
      <MapHolder
        of={used}
        waiting={!problem}
        below={table && drawn ? <MapTable seen={drawn} onZoom={(lat, lon) => map && zoomTo(map, lat, lon)} onClose={() => setQuery({ table: null })} /> : null}
      >
        <MapLegend title={t('map.legend')} summary={summary}>
          <ul class="plain" aria-label={t('map.filter_help')}>
            {[...MARKS].reverse().map((mark) => (
              <li>
                <LegendRow
                  mark={<MarkIcon of={mark.key} size={16} />}
                  words={t(`answer.${mark.key}`)}
                  figure={seen && (keys.size === KEYS.length || keys.has(mark.key)) ? number(seen.counts[mark.key], prefer) : '–'}
                  pressed={keys.has(mark.key)}
                  title={t(`means.${mark.key}`)}
                  onPress={() => toggle(mark.key)}
                />
              </li>
            ))}
          </ul>
          {keys.size < KEYS.length ? (
            <button type="button" class="button link" onClick={() => setQuery({ show: null })}>
              {t('map.show_all')}
            </button>
          ) : null}
          <div class="map-layers">
            <label class="check">
              <input type="checkbox" checked={areasOn} onChange={(event) => setAreasOn(event.currentTarget.checked)} />
              <span>
                {t('map.areas')} {areas.count ? <span class="quiet">({number(areas.count, prefer)})</span> : null}
              </span>
            </label>
            <label class="check">
              <input type="checkbox" checked={names} onChange={(event) => setNames(event.currentTarget.checked)} />
              <span>{t('map.names')}</span>
            </label>
            {mayCases ? (
              <label class="check">
                <input type="checkbox" checked={signalsOn} onChange={(event) => setQuery({ signals: event.currentTarget.checked ? '1' : null })} />
                <span>
                  <Swatch colour={hue(used.dark, 3)} shape="ring" /> {t('map.signals')} {signalsOn ? <span class="quiet">({number(signals.rows.length, prefer)})</span> : null}
                </span>
              </label>
            ) : null}
            {signalsOn ? (
              <p class="quiet map-note">
                {signals.cut ? `${t('map.signals_cut', { n: number(500, prefer) })} ` : ''}
                <a href="/signals">{t('nav.signals')}</a> · <a href="/cases">{t('nav.cases')}</a>
              </p>
            ) : null}
          </div>
          <p class="quiet map-note">{t('map.not_decided')}</p>
        </MapLegend>

        <MapTools of={used}>
          <button type="button" class="button" aria-pressed={table} aria-label={t('map.as_table')} onClick={() => setQuery({ table: table ? null : '1' })}>
            <Icon name="table" />
            <span class="only-wide">{t('map.as_table')}</span>
          </button>
        </MapTools>

        {tip ? (
          <div class="map-tip" style={{ left: `${tip.x}px`, top: `${tip.y}px` }}>
            <p class="strong">{t('map.cell', { n: tip.count })}</p>
            {KEYS.map((key, k) =>
              tip.counts[k] ? (
                <p>
                  <MarkIcon of={key} size={12} /> {t(`answer.${key}`)}: {number(tip.counts[k], prefer)} ({percent(tip.counts[k]!, tip.count, prefer)})
                </p>
              ) : null,
            )}
          </div>
        ) : null}

        {wrongTime !== null ? <WrongTime text={wrongTime} /> : problem ?? used.problem ? (
          <div class="map-problem">
            <ProblemNote problem={(problem ?? used.problem)!} retry={() => void read(true)} />
          </div>
        ) : null}
        {seen && seen.total === 0 && at !== null ? (
          <div class="map-box map-empty">
            <p class="strong">{t('map.none_then')}</p>
            <button type="button" class="button" onClick={() => setQuery({ at: null })}>
              <Icon name="clock" />
              {t('map.right_time')}
            </button>
          </div>
        ) : seen && seen.total === 0 ? (
          <div class="map-box map-empty">
            <p class="strong">{t('map.empty')}</p>
            <p>{t('map.empty_help')}</p>
          </div>
        ) : seen && drawnCount === 0 ? (
          <div class="map-box map-empty">
            <p class="strong">{t('map.nothing')}</p>
            <p>{t('map.nothing_help')}</p>
          </div>
        ) : null}

        <MapFoot>
          <TimeBar at={at} demo={demo} newest={status.data ? status.data.newest_observed_at : maySeeStatus && !status.problem ? undefined : null} marks={areas.changes} onChange={(value) => setQuery({ at: value })} />
        </MapFoot>
      </MapHolder>
      {chosen || chosenArea ? (
        <SidePanel
          terminal={chosen}
          area={chosenArea}
          at={at}
          onPlace={mark}
          onFly={(lat, lon) => map?.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 7) })}
          onClose={() => setQuery({ terminal: null, area: null })}
        />
      ) : null}
    </div>
  );
}

function zoomTo(map: LiveMap, lat: number, lon: number): void {
  map.easeTo({ center: [lon, lat], zoom: Math.min(16, map.getZoom() + 2) });
}

