/** Where one terminal was: a small map, and the first and last place in words. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useJson } from '../api/resource';
import type { TrackAnswer, TrackPoint } from '../api/types';
import { Facts, Time } from '../components/basic';
import { position } from '../format';
import { useWords } from '../i18n';
import { answer } from '../marks';
import { pointFeatures } from './answers';
import { SmallMap } from './holder';
import { useMap } from './use_map';

/** Points of a track, whether the service gave rows or columns; those without a place are left out. */
export function pointsOf(given: TrackAnswer): TrackPoint[] {
  const rows: TrackPoint[] =
    given.items ??
    (given.observed_at ?? []).map((observed_at, i) => ({
      observed_at,
      lat: given.lat?.[i] ?? null,
      lon: given.lon?.[i] ?? null,
      ...(given.outcome?.[i] ? { outcome: given.outcome[i] } : {}),
      ...(given.state?.[i] ? { state: given.state[i] } : {}),
    }));
  return rows.filter((row) => row.lat !== null && row.lon !== null);
}

/** A line that does not run around the world where the terminal crosses 180°. */
export function unwrapped(points: readonly TrackPoint[]): [number, number][] {
  let before: number | null = null;
  return points.map((point) => {
    let lon = point.lon!;
    if (before !== null) lon += 360 * Math.round((before - lon) / 360);
    before = lon;
    return [lon, point.lat!];
  });
}

export function TrackMap({ path, lat, lon }: { path: string; lat: number | null; lon: number | null }): JSX.Element {
  const t = useWords();
  const track = useJson<TrackAnswer>(path);
  const points = track.data ? pointsOf(track.data) : [];
  const has = lat !== null && lon !== null;
  const used = useMap({ look: () => ({ lat: lat ?? 0, lon: lon ?? 0, zoom: 5.5 }), label: t('terminal.track_label'), wheel: false, when: has });
  const { map } = used;
  useEffect(() => {
    if (!map) return;
    const rows = points.map((point, i) => ({ id: String(i), lat: point.lat!, lon: point.lon!, key: answer(point.outcome ?? 'serve', point.state) }));
    const line = unwrapped(points);
    void import('./canvas').then(({ setData }) => {
      setData(map, 'points', pointFeatures(rows.slice(-1)));
      setData(map, 'track', line.length > 1 ? { type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: line } } : { type: 'FeatureCollection', features: [] });
      setData(map, 'chosen', lat === null || lon === null ? { type: 'FeatureCollection', features: [] } : { type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: [lon, lat] } });
      if (line.length > 1) {
        // Where radio places a terminal may be far from where it says that it is: both are shown.
        const near = lon === null ? [] : [lon + 360 * Math.round((line[0]![0] - lon) / 360)];
        const lons = [...line.map(([x]) => x), ...near];
        const lats = [...line.map(([, y]) => y), ...(lat === null ? [] : [lat])];
        map.fitBounds([[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], { padding: 40, maxZoom: 6.5, animate: false });
      }
    });
  }, [map, track.data, lat, lon]);
  if (!has) return <p class="quiet">{t('terminal.unknown_place')}</p>;
  const first = points[0];
  const last = points[points.length - 1];
  return (
    <>
      <SmallMap of={used} />
      {first && last ? (
        <Facts
          of={[
            [<Time at={first.observed_at} detail="minute" />, position(first.lat, first.lon, 4)],
            [<Time at={last.observed_at} detail="minute" />, position(last.lat, last.lon, 4)],
          ]}
        />
      ) : null}
    </>
  );
}
