/** A small map of terminals in a page: those of an answer that were listed, drawn by their answer. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { navigate } from '../router';
import { pointFeatures, type PointRow } from './answers';
import { SmallMap } from './holder';
import { useMap } from './use_map';

/** The least box that holds all points; null for none. */
export function around(points: readonly PointRow[]): [[number, number], [number, number]] | null {
  if (!points.length) return null;
  const box: [[number, number], [number, number]] = [[180, 90], [-180, -90]];
  for (const { lon, lat } of points) {
    box[0] = [Math.min(box[0][0], lon), Math.min(box[0][1], lat)];
    box[1] = [Math.max(box[1][0], lon), Math.max(box[1][1], lat)];
  }
  return box;
}

export function SpotMap({ points, label }: { points: readonly PointRow[]; label: string }): JSX.Element {
  const used = useMap({ look: () => ({ lat: 25, lon: 10, zoom: 0.8 }), label, wheel: false });
  const { map } = used;
  useEffect(() => {
    if (!map) return undefined;
    const clicked = (event: { point: { x: number; y: number } }) => {
      const near: [[number, number], [number, number]] = [[event.point.x - 5, event.point.y - 5], [event.point.x + 5, event.point.y + 5]];
      const found = map.queryRenderedFeatures(near, { layers: ['points'] })[0];
      if (found) navigate(`/terminals/${encodeURIComponent(String(found.properties['id']))}`);
    };
    map.on('click', clicked);
    return () => void map.off('click', clicked);
  }, [map]);
  useEffect(() => {
    if (!map) return;
    void import('./canvas').then(({ setData }) => setData(map, 'points', pointFeatures(points)));
    const box = around(points);
    if (box) map.fitBounds(box, { padding: 40, maxZoom: 6, animate: false });
  }, [map, points]);
  return <SmallMap of={used} kind="spot-map" />;
}
