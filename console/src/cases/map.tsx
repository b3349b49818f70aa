/** Where the signals of a case were: the observations that they rest on, and the tracks of its terminals around them. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { getJson } from '../api/client';
import type { TrackAnswer } from '../api/types';
import { useWords } from '../i18n';
import type { LiveMap } from '../map/canvas';
import { SmallMap } from '../map/holder';
import { Swatch } from '../map/legend';
import { addLayers, hue, lineOf, pointAt, put } from '../map/overlay';
import { pointsOf, unwrapped } from '../map/track';
import { useMap } from '../map/use_map';
import type { CaseShown, SignalRow } from './types';

/** Terminals that get a colour and a track of their own; the others share one. */
const MOST_TRACKS = 5;
const AROUND_MS = 10 * 60_000;
const MOST_POINTS = 1_000;

export interface Spot {
  readonly terminal: string;
  readonly lat: number;
  readonly lon: number;
}

/** Every place that the signals rest on, each once. */
export function spotsOf(signals: readonly SignalRow[]): Spot[] {
  const found = new Map<string, Spot>();
  const add = (terminal: string, lat: number | null, lon: number | null) => {
    if (lat === null || lon === null) return;
    found.set(`${terminal} ${lat.toFixed(5)} ${lon.toFixed(5)}`, { terminal, lat, lon });
  };
  for (const signal of signals) {
    for (const seen of signal.observations) add(seen.terminal ?? signal.terminal, seen.lat, seen.lon);
    if (!signal.observations.some((seen) => seen.lat !== null)) add(signal.terminal, signal.lat, signal.lon);
  }
  return [...found.values()].slice(0, MOST_POINTS);
}

/** The stretch of time around what was seen, as the tracks are asked for. */
export function aroundOf(signals: readonly SignalRow[]): { from: string; until: string } {
  const times = signals.flatMap((signal) => [signal.from_at, signal.raised_at, ...signal.observations.map((seen) => seen.at)]).map((at) => Date.parse(at));
  return { from: new Date(Math.min(...times) - AROUND_MS).toISOString(), until: new Date(Math.max(...times) + AROUND_MS).toISOString() };
}

export function CaseMap({ of }: { of: CaseShown }): JSX.Element {
  const t = useWords();
  const spots = useMemo(() => spotsOf(of.signals), [of]);
  const named = useMemo(() => [...new Set(spots.map((spot) => spot.terminal))], [spots]);
  const [tracks, setTracks] = useState<ReadonlyMap<string, [number, number][]>>(new Map());
  useEffect(() => {
    const abort = new AbortController();
    const span = aroundOf(of.signals);
    void Promise.all(
      named.slice(0, MOST_TRACKS).map((terminal) =>
        // A terminal without a stored track is still a case; the map then shows the observations alone.
        getJson<TrackAnswer>(`/v1/terminals/${encodeURIComponent(terminal)}/track`, { ...span, limit: 500 }, abort.signal).then((track) => [terminal, unwrapped(pointsOf(track))] as const, () => [terminal, []] as const),
      ),
    ).then((found) => abort.signal.aborted || setTracks(new Map(found.map(([terminal, line]) => [terminal, [...line]]))));
    return () => abort.abort();
  }, [named]);
  const used = useMap({ look: () => ({ lat: of.lat ?? spots[0]?.lat ?? 0, lon: of.lon ?? spots[0]?.lon ?? 0, zoom: 6 }), label: t('cases.map_label'), wheel: false, when: spots.length > 0 });
  const { map, dark } = used;
  const [ready, setReady] = useState<LiveMap | null>(null);
  const colourOf = (terminal: string) => hue(dark, Math.min(MOST_TRACKS, named.indexOf(terminal)));
  useEffect(() => {
    if (!map) {
      setReady(null);
      return;
    }
    const halo = dark ? '#0b1318' : '#ffffff';
    addLayers(map, 'case-tracks', [{ id: 'case-tracks', type: 'line', layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': ['get', 'colour'], 'line-width': 2, 'line-opacity': 0.75 } }]);
    addLayers(map, 'case-spots', [{ id: 'case-spots', type: 'circle', paint: { 'circle-radius': 5.5, 'circle-color': ['get', 'colour'], 'circle-stroke-color': halo, 'circle-stroke-width': 2 } }]);
    put(map, 'case-tracks', [...tracks].flatMap(([terminal, line]) => (line.length > 1 ? [lineOf(line, { colour: colourOf(terminal) })] : [])));
    put(map, 'case-spots', spots.map((spot) => pointAt(spot.lon, spot.lat, { colour: colourOf(spot.terminal) })));
    setReady(map);
  }, [map, spots, tracks]);
  useEffect(() => {
    if (!ready || !spots.length) return;
    const lon = spots.map((spot) => spot.lon);
    const lat = spots.map((spot) => spot.lat);
    ready.fitBounds([[Math.min(...lon), Math.max(-85, Math.min(...lat))], [Math.max(...lon), Math.min(85, Math.max(...lat))]], { padding: 50, maxZoom: 11, animate: false });
  }, [ready, spots]);
  if (!spots.length) return <p class="quiet">{t('cases.no_place')}</p>;
  return (
    <>
      {/* The map's own buttons stand in its corner. */}
      <SmallMap of={used} ready={ready !== null} tools={<></>} />
      <ul class="plain drawn-legend" aria-label={t('map.legend')}>
        {named.slice(0, MOST_TRACKS).map((terminal, i) => (
          <li>
            <Swatch colour={hue(dark, i)} shape="dot" /> {terminal}
          </li>
        ))}
        {named.length > MOST_TRACKS ? (
          <li>
            <Swatch colour={hue(dark, MOST_TRACKS)} shape="dot" /> {t('cases.and_more', { n: named.length - MOST_TRACKS })}
          </li>
        ) : null}
        {[...tracks.values()].some((line) => line.length > 1) ? (
          <li>
            <Swatch colour={hue(dark, 0)} shape="line" /> {t('cases.legend_track')}
          </li>
        ) : null}
      </ul>
    </>
  );
}
