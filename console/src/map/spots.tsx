/** A small map of terminals in a page: those of an answer that were listed, drawn by their answer. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Loading } from '../components/basic';
import { useWords } from '../i18n';
import { navigate } from '../router';
import { isDark, useSettings } from '../settings';
import { pointFeatures, type PointRow } from './answers';
import type { LiveMap } from './canvas';

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
  const t = useWords();
  const prefer = useSettings();
  const holder = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<LiveMap | null>(null);
  const [cannot, setCannot] = useState(false);
  const dark = isDark(prefer.theme);
  useEffect(() => {
    let gone = false;
    let made: LiveMap | null = null;
    void import('./canvas').then(async (canvas) => {
      if (gone || !holder.current) return;
      if (!canvas.canDraw()) {
        setCannot(true);
        return;
      }
      made = await canvas.createMap({ container: holder.current, look: { lat: 25, lon: 10, zoom: 0.8 }, dark, globe: false, language: prefer.language, label, names: true });
      if (gone) {
        made.remove();
        return;
      }
      // In a page that scrolls the wheel belongs to the page.
      made.scrollZoom.disable();
      made.on('click', (event) => {
        const near: [[number, number], [number, number]] = [[event.point.x - 5, event.point.y - 5], [event.point.x + 5, event.point.y + 5]];
        const found = made?.queryRenderedFeatures(near, { layers: ['points'] })[0];
        if (found) navigate(`/terminals/${encodeURIComponent(String(found.properties['id']))}`);
      });
      setMap(made);
    });
    return () => {
      gone = true;
      setMap(null);
      made?.remove();
    };
  }, [dark, prefer.language]);
  useEffect(() => {
    if (!map) return;
    void import('./canvas').then(({ setData }) => setData(map, 'points', pointFeatures(points)));
    const box = around(points);
    if (box) map.fitBounds(box, { padding: 40, maxZoom: 6, animate: false });
  }, [map, points]);
  if (cannot) return <p class="note warn">{t('map.no_webgl')}</p>;
  return (
    <div class="track-map spot-map">
      <div class="track-holder" ref={holder} />
      {map ? null : <Loading />}
      <div class="track-credit">{t('map.attribution')}</div>
    </div>
  );
}
