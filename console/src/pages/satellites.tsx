/** Satellites: where they are, what their elements are worth, and which of them a place sees. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useInterval, useJson } from '../api/resource';
import type { Constellation, Constellations, Positions, SatelliteTrack, Sightings } from '../api/sky';
import type { TerminalAnswer } from '../api/types';
import { Facts, Icon, Loading, ProblemNote, Tag, Time } from '../components/basic';
import { placeWords, usePlaces } from '../components/place';
import { ageWords, shortName } from '../components/sky';
import { Table } from '../components/table';
import { distance, number, position } from '../format';
import { useWords } from '../i18n';
import type { LiveMap } from '../map/canvas';
import { addLayers, between, footprint, hue, lineOf, pointAt, put, ringOf } from '../map/overlay';
import { MapFoot, MapHolder, MapTools, WrongTime } from '../map/holder';
import { LegendRow, MapLegend } from '../map/legend';
import { formatLook, GLOBE, parseLook, WORLD } from '../map/place';
import { TimeBar } from '../map/timebar';
import { useMap } from '../map/use_map';
import { instantIn, setQuery, usePlace } from '../router';
import { useSession } from '../session';
import { useSettings } from '../settings';

const POLL_MS = 15_000;
const LINES = 60;
const MASK = 25;

/** `46.48,30.73` of the address; null for anything else. */
export function placeOf(text: string | null): { lat: number; lon: number } | null {
  const parts = (text ?? '').split(',').map((each) => (each.trim() === '' ? NaN : Number(each)));
  if (parts.length !== 2 || !parts.every(Number.isFinite)) return null;
  const [lat, lon] = parts as [number, number];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}

/** Whether a click may choose a satellite: seen from afar they lie so close that it would hardly ever mean the place below. */
export function picksOne(zoom: number, satellites: number): boolean {
  return satellites <= 80 || zoom >= 3;
}

/** A longitude as a place has it, whichever copy of the world was clicked on. */
export const turned = (lon: number): number => ((((lon + 180) % 360) + 360) % 360) - 180;

/** When to look instead, if no satellite has a position at the time asked: the newest epoch there is. */
export function newestEpoch(all: readonly Constellation[]): string | null {
  return all.reduce<string | null>((most, each) => (most === null || each.newest_epoch > most ? each.newest_epoch : most), null);
}

export default function SatellitesPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const at = instantIn(query, 'at');
  const wrongTime = at === null ? query.get('at') : null;
  const hidden = useMemo(() => new Set((query.get('hide') ?? '').split(',').filter(Boolean)), [query.get('hide')]);
  const terminal = query.get('terminal');
  const asked = placeOf(query.get('place'));
  const [mask, setMask] = useState(() => {
    const given = Number(query.get('mask') ?? MASK);
    return given >= 0 && given <= 90 ? given : MASK;
  });
  const chosen = /^\d{1,9}$/.test(query.get('satellite') ?? '') ? Number(query.get('satellite')) : null;
  const session = useSession();
  const demo = session.kind === 'in' && session.session.home.demo;

  const known = useJson<TerminalAnswer>(terminal && !asked ? `/v1/terminals/${encodeURIComponent(terminal)}` : null);
  const place = asked ?? (known.data && known.data.lat !== null && known.data.lon !== null ? { lat: known.data.lat, lon: known.data.lon } : null);
  const point = place ? `${place.lat.toFixed(4)},${place.lon.toFixed(4)}` : '';
  const named = usePlaces(point ? [point] : []).get(point);
  const now = useJson<Constellations>('/v1/satellites');
  const then = useJson<Constellations>(at === null ? null : '/v1/satellites', { at });
  const status = at === null ? now : then;
  const positions = useJson<Positions>('/v1/satellites/positions', { at, limit: 20_000 });
  const seen = useJson<Sightings>(place ? '/v1/satellites/visible' : null, place ? { lat: place.lat, lon: place.lon, mask, at, limit: 500 } : {});
  const track = useJson<SatelliteTrack>(chosen === null ? null : `/v1/satellites/${chosen}/track`, { at, minutes: 110 });
  useInterval(() => {
    positions.reload();
    if (place) seen.reload();
  }, at === null ? POLL_MS : null);

  const rows = status.data?.constellations ?? [];
  const order = useMemo(() => new Map((now.data?.constellations ?? rows).map((each, i) => [each.id, i] as const)), [now.data, status.data]);
  const usable = rows.reduce((sum, each) => sum + each.usable, 0);
  const everUsable = (now.data?.constellations ?? []).some((each) => each.usable > 0);
  const newest = newestEpoch(now.data?.constellations ?? []);

  const used = useMap({
    look: () => parseLook(new URLSearchParams(window.location.search).get('look')) ?? (place ? { ...place, zoom: 3 } : prefer.globe ? GLOBE : WORLD),
    label: t('satellites.map_label'), globe: prefer.globe,
  });
  const { map, dark, problem } = used;
  const [ready, setReady] = useState<LiveMap | null>(null);
  const [single, setSingle] = useState(false);
  const countNow = useRef(0);
  countNow.current = positions.data?.satellite.length ?? 0;
  useEffect(() => {
    if (ready) setSingle(picksOne(ready.getZoom(), countNow.current));
  }, [ready, positions.data]);
  // Where no elements serve for the present, the page opens at a time at which they do.
  const instead = known.data?.observed_at ?? newest;
  useEffect(() => {
    if (at === null && wrongTime === null && now.data && !everUsable && instead && !(terminal && !asked && known.loading)) setQuery({ at: instead });
  }, [at, now.data, everUsable, instead, known.loading]);
  useEffect(() => {
    if (!map) {
      setReady(null);
      return;
    }
    const ink = dark ? '#ffd166' : '#12384f';
    const halo = dark ? '#0b1318' : '#ffffff';
    addLayers(map, 'footprint', [
      { id: 'footprint', type: 'fill', paint: { 'fill-color': ink, 'fill-opacity': 0.08 } },
      { id: 'footprint-edge', type: 'line', paint: { 'line-color': ink, 'line-width': 1, 'line-dasharray': [3, 2] } },
    ]);
    addLayers(map, 'orbit', [{ id: 'orbit', type: 'line', paint: { 'line-color': ink, 'line-width': 1.6, 'line-opacity': 0.8 } }]);
    addLayers(map, 'sights', [{ id: 'sights', type: 'line', paint: { 'line-color': ['get', 'colour'], 'line-width': 1.2, 'line-opacity': 0.75 } }]);
    addLayers(map, 'satellites', [
      {
        id: 'satellites', type: 'circle',
        paint: {
          'circle-color': ['get', 'colour'], 'circle-stroke-color': halo, 'circle-stroke-width': ['interpolate', ['linear'], ['zoom'], 1, 0.4, 4, 1],
          'circle-radius': ['interpolate', ['linear'], ['zoom'], 0, ['case', ['get', 'seen'], 3.4, 1.7], 3, ['case', ['get', 'seen'], 5, 2.8], 6, ['case', ['get', 'seen'], 7, 5]],
        },
      },
    ]);
    addLayers(map, 'here', [
      { id: 'here', type: 'circle', paint: { 'circle-radius': 6, 'circle-color': ink, 'circle-stroke-width': 2.5, 'circle-stroke-color': halo } },
    ]);
    setReady(map);
  }, [map]);

  useEffect(() => {
    if (!ready) return undefined;
    const moved = () => {
      const centre = ready.getCenter();
      setQuery({ look: formatLook({ lat: centre.lat, lon: turned(centre.lng), zoom: ready.getZoom() }) });
    };
    const zoomed = () => setSingle(picksOne(ready.getZoom(), countNow.current));
    const under = ({ x, y }: { x: number; y: number }) => (picksOne(ready.getZoom(), countNow.current) ? ready.queryRenderedFeatures([[x - 5, y - 5], [x + 5, y + 5]], { layers: ['satellites'] })[0] : undefined);
    const clicked = (event: { point: { x: number; y: number }; lngLat: { lng: number; lat: number } }) => {
      const hit = under(event.point);
      if (hit) setQuery({ satellite: String(hit.properties['satellite']) }, {});
      else setQuery({ place: `${event.lngLat.lat.toFixed(4)},${turned(event.lngLat.lng).toFixed(4)}`, terminal: null, satellite: null }, {});
    };
    const over = (event: { point: { x: number; y: number } }) => {
      ready.getCanvas().style.cursor = under(event.point) ? 'pointer' : 'crosshair';
    };
    zoomed();
    ready.on('moveend', moved);
    ready.on('zoomend', zoomed);
    ready.on('click', clicked);
    ready.on('mousemove', over);
    return () => {
      ready.off('moveend', moved);
      ready.off('zoomend', zoomed);
      ready.off('click', clicked);
      ready.off('mousemove', over);
    };
  }, [ready]);

  const inSight = useMemo(() => new Set((seen.data?.satellites ?? []).map((each) => each.satellite)), [seen.data]);
  useEffect(() => {
    if (!ready) return;
    const found = positions.data;
    const features = [];
    if (found)
      for (let i = 0; i < found.satellite.length; i++) {
        const name = found.constellations[found.constellation[i]!]!;
        if (hidden.has(name)) continue;
        const number_ = found.satellite[i]!;
        features.push(pointAt(found.lon[i]!, found.lat[i]!, { satellite: number_, colour: hue(dark, order.get(name) ?? 7), seen: inSight.has(number_) || number_ === chosen }));
      }
    put(ready, 'satellites', features);
  }, [ready, positions.data, hidden, inSight, order, chosen]);
  useEffect(() => {
    if (!ready) return;
    put(ready, 'here', place ? [pointAt(place.lon, place.lat)] : []);
    put(ready, 'sights', place ? (seen.data?.satellites ?? []).filter((each) => !hidden.has(each.constellation)).slice(0, LINES).map((each) => lineOf(between([place.lon, place.lat], [each.lon, each.lat]), { colour: hue(dark, order.get(each.constellation) ?? 7) })) : []);
  }, [ready, place?.lat, place?.lon, seen.data, hidden, order]);
  const shown = useMemo(() => {
    const found = positions.data;
    const i = found && chosen !== null ? found.satellite.indexOf(chosen) : -1;
    return found && i >= 0 ? { name: found.name[i]!, constellation: found.constellations[found.constellation[i]!]!, lon: found.lon[i]!, lat: found.lat[i]!, height: found.height_km[i]!, age: found.age_h[i]! } : null;
  }, [positions.data, chosen]);
  useEffect(() => {
    if (!ready) return;
    put(ready, 'orbit', track.data ? [lineOf(track.data.lon.map((lon, i) => [lon, track.data!.lat[i]!]))] : []);
    const ring = shown ? footprint(shown.lon, shown.lat, shown.height, mask) : [];
    // A ring that goes around a pole is no area on a flat map: its edge alone is drawn.
    const closed = ring.length > 0 && Math.abs(ring[0]![0]! - ring[ring.length - 1]![0]!) < 1;
    put(ready, 'footprint', ring.length ? [closed ? ringOf(ring) : lineOf(ring)] : []);
  }, [ready, track.data, shown, mask]);

  const timer = useRef(0);
  const toMask = (value: number) => {
    setMask(value);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setQuery({ mask: value === MASK ? null : String(value) }), 250);
  };
  const toggle = (id: string) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setQuery({ hide: [...next].join(',') || null });
  };
  const side = place !== null || chosen !== null;

  return (
    <div class={`map-page${side ? ' with-side' : ''}${prefer.globe ? ' as-globe' : ''}`}>
      <h1 class="unseen">{t('nav.satellites')}</h1>
      <MapHolder of={used}>
        <MapLegend
          title={t('satellites.constellations')}
          summary={status.data ? t('satellites.total', { n: number(usable, prefer), all: number(rows.reduce((sum, each) => sum + each.satellites, 0), prefer) }) : null}
        >
          <ul class="plain" aria-label={t('satellites.show_help')}>
            {rows.map((each) => (
              <li>
                <LegendRow
                  mark={
                    <svg class="mark" width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
                      <circle cx="7" cy="7" r="5" fill={hue(dark, order.get(each.id) ?? 7)} />
                    </svg>
                  }
                  words={each.id}
                  figure={number(each.usable, prefer)}
                  pressed={!hidden.has(each.id)}
                  onPress={() => toggle(each.id)}
                />
                <p class="map-note sky-note">
                  {t(each.median_age_days < 0 ? 'satellites.younger' : 'satellites.age', { age: ageWords(Math.abs(each.median_age_days), t, prefer) })}
                  {each.stale ? ` · ${t('satellites.stale', { n: number(each.stale, prefer) })}` : ''}
                  {each.failed + each.future ? ` · ${t('satellites.none', { n: number(each.failed + each.future, prefer) })}` : ''}
                  {each.generated ? <Tag tone="warn">{t('satellites.generated')}</Tag> : null}
                </p>
                {each.incomplete ? <p class="map-note sky-note warn-text">{t('satellites.incomplete')}</p> : null}
              </li>
            ))}
          </ul>
          <p class="quiet map-note">{t(single ? 'satellites.click' : 'satellites.click_far')}</p>
          {now.data && !everUsable && newest ? <p class="map-note warn-text">{t('satellites.not_now')}</p> : null}
        </MapLegend>
        <MapTools of={used} />
        {wrongTime !== null ? (
          <WrongTime text={wrongTime} />
        ) : problem ?? positions.problem ?? status.problem ?? known.problem ? (
          <div class="map-problem">
            <ProblemNote problem={(problem ?? positions.problem ?? status.problem ?? known.problem)!} retry={positions.reload} />
          </div>
        ) : null}
        {status.data && status.data.elements === 0 ? (
          <div class="map-box map-empty">
            <p class="strong">{t('satellites.empty')}</p>
            <p>{t('satellites.empty_help')}</p>
            <p>
              <code>groundrule orbits import FILE</code>
            </p>
          </div>
        ) : status.data && usable === 0 ? (
          <div class="map-box map-empty">
            <p class="strong">{t('satellites.too_old')}</p>
            <p>{t('satellites.too_old_help')}</p>
            {newest ? (
              <button type="button" class="button primary" onClick={() => setQuery({ at: newest })}>
                <Icon name="clock" />
                {t('satellites.to_epoch')}
              </button>
            ) : null}
          </div>
        ) : null}
        <MapFoot>
          <TimeBar
            at={at}
            demo={demo}
            live={everUsable || !now.data}
            newest={now.data ? (everUsable ? now.data.at : (newest ?? now.data.at)) : now.problem ? null : undefined}
            marks={[]}
            onChange={(value) => setQuery({ at: value ?? (everUsable ? null : newest) })}
          />
        </MapFoot>
      </MapHolder>
      {side ? (
        <aside class="map-side" aria-label={t('satellites.side')}>
          <button type="button" class="icon-button side-close" aria-label={t('common.close')} onClick={() => setQuery({ place: null, terminal: null, satellite: null })}>
            <Icon name="close" />
          </button>
          {chosen !== null ? (
            <>
              <p class="quiet">{t('satellites.satellite', { n: String(chosen) })}</p>
              <h2 class="side-title">{shown ? shortName(shown.name) : String(chosen)}</h2>
              {shown ? (
                <Facts
                  of={[
                    [t('satellites.constellation'), shown.constellation],
                    [t('satellites.below'), position(shown.lat, shown.lon, 2)],
                    [t('satellites.height'), distance(shown.height * 1_000, prefer)],
                    [t('satellites.elements_age'), ageWords(shown.age / 24, t, prefer)],
                  ]}
                />
              ) : track.problem ? (
                <ProblemNote problem={track.problem} />
              ) : null}
              <p class="quiet">{t('satellites.footprint', { n: mask })}</p>
            </>
          ) : null}
          {place ? (
            <>
              <p class="quiet">{terminal ? t('satellites.above_terminal') : t('satellites.above_place')}</p>
              <h2 class="side-title">{terminal ? <a href={`/terminals/${encodeURIComponent(terminal)}`}>{terminal}</a> : position(place.lat, place.lon, 3)}</h2>
              {named ? (
                <p class="quiet">
                  {terminal ? `${position(place.lat, place.lon, 3)} · ` : ''}
                  {placeWords(named, t, prefer)}
                </p>
              ) : null}
              <p>
                <a href={`/map?look=${place.lat.toFixed(3)},${place.lon.toFixed(3)},6${at ? `&at=${encodeURIComponent(at)}` : ''}`}>{t('satellites.terminals_here')}</a>
              </p>
              <label class="mask">
                <span>{t('satellites.mask', { n: mask })}</span>
                <input type="range" min={0} max={80} step={1} value={mask} onInput={(event) => toMask(Number(event.currentTarget.value))} />
              </label>
              {seen.problem ? <ProblemNote problem={seen.problem} retry={seen.reload} /> : null}
              {seen.data ? (
                <>
                  <p class="sentence">{t('satellites.seen', { n: seen.data.total })}</p>
                  <p class="quiet">
                    <Time at={seen.data.at} />
                    {seen.data.constellations.length > 1 ? ` · ${seen.data.constellations.map((each) => `${each.constellation} ${number(each.seen, prefer)}`).join(', ')}` : ''}
                  </p>
                  {seen.data.satellites.some((each) => each.generated) ? <Tag tone="warn">{t('satellites.generated')}</Tag> : null}
                  {seen.data.satellites.length ? (
                    <Table
                      caption={t('satellites.seen_table')}
                      rows={seen.data.satellites.slice(0, 100)}
                      keyOf={(row) => String(row.satellite)}
                      current={(row) => row.satellite === chosen}
                      columns={[
                        { head: t('satellites.name'), names: true, cell: (row) => <button type="button" class="button link" title={row.name} onClick={() => setQuery({ satellite: String(row.satellite) }, {})}>{shortName(row.name) || row.satellite}</button> },
                        { head: t('satellites.elevation'), figure: true, cell: (row) => `${number(row.elevation_deg, prefer)}°` },
                        { head: t('satellites.azimuth'), figure: true, cell: (row) => `${number(row.azimuth_deg, prefer)}°` },
                        { head: t('satellites.range'), figure: true, cell: (row) => distance(row.range_km * 1_000, prefer) },
                      ]}
                    />
                  ) : null}
                  <p class="quiet map-note">{t('satellites.geometry')}</p>
                </>
              ) : seen.problem ? null : (
                <Loading />
              )}
            </>
          ) : null}
        </aside>
      ) : null}
    </div>
  );
}
