/** What the service says is in view, as features to draw, counts for the legend and rows for the table. */
import type { Feature, FeatureCollection, Point } from 'geojson';
import type { MapAnswer } from '../api/types';
import { answer, KEYS, type AnswerKey } from '../marks';
import { ringName } from './icons';

export interface CellRow {
  /** Which cell: it keeps its place when the map is moved. */
  readonly key: string;
  readonly lat: number;
  readonly lon: number;
  readonly count: number;
  readonly counts: readonly number[];
  readonly box: readonly [number, number, number, number] | null;
}

export interface PointRow {
  readonly id: string;
  readonly lat: number;
  readonly lon: number;
  readonly key: AnswerKey;
}

export interface Seen {
  readonly total: number;
  readonly inView: number;
  readonly counts: Readonly<Record<AnswerKey, number>>;
  readonly cells: readonly CellRow[];
  readonly points: readonly PointRow[];
}

const none = (): Record<AnswerKey, number> => Object.fromEntries(KEYS.map((key) => [key, 0])) as Record<AnswerKey, number>;

export function readAnswer(given: MapAnswer): Seen {
  const counts = none();
  const cells: CellRow[] = [];
  const points: PointRow[] = [];
  if (given.mode === 'cells' && given.cells) {
    const c = given.cells;
    for (let i = 0; i < c.lon.length; i++) {
      const row = KEYS.map((key) => (c as Partial<Record<AnswerKey, number[]>>)[key]?.[i] ?? 0);
      for (const [k, key] of KEYS.entries()) counts[key] += row[k]!;
      const west = c.west?.[i];
      const south = c.south?.[i];
      const east = c.east?.[i];
      const north = c.north?.[i];
      const box = west === undefined || south === undefined || east === undefined || north === undefined ? null : ([west, south, east, north] as const);
      const key = box ? `${box[0].toFixed(5)} ${box[1].toFixed(5)} ${box[2].toFixed(5)}` : `${c.lon[i]} ${c.lat[i]}`;
      cells.push({ key, lon: c.lon[i]!, lat: c.lat[i]!, count: c.count[i]!, counts: row, box });
    }
  } else if (given.points) {
    const p = given.points;
    for (let i = 0; i < p.id.length; i++) {
      const key = answer(p.outcome[i]!, p.state[i]);
      counts[key] += 1;
      points.push({ id: p.id[i]!, lon: p.lon[i]!, lat: p.lat[i]!, key });
    }
  }
  return { total: given.total, inView: given.in_view, counts, cells, points };
}

/** Keep only some answers; cells in which nothing is left go. */
export function only(seen: Seen, keys: ReadonlySet<AnswerKey>): Seen {
  if (keys.size === KEYS.length) return seen;
  const cells = seen.cells
    .map((cell) => {
      const counts = cell.counts.map((n, k) => (keys.has(KEYS[k]!) ? n : 0));
      return { ...cell, counts, count: counts.reduce((sum, n) => sum + n, 0) };
    })
    .filter((cell) => cell.count > 0);
  return { ...seen, cells, points: seen.points.filter((point) => keys.has(point.key)) };
}

/** Where a ring is drawn: to a thirty-second of its cell, so that it stays what it is while those in it move a little. */
function place(cell: CellRow): [number, number] {
  const step = cell.box ? (cell.box[2] - cell.box[0]) / 32 : 0;
  const near = (value: number) => (step > 0 ? Math.round(value / step) * step : value);
  return [near(cell.lon), Math.max(-90, Math.min(90, near(cell.lat)))];
}

export function cellFeatures(cells: readonly CellRow[], compact: Intl.NumberFormat): FeatureCollection<Point> {
  // Drawn in this order, larger ones on top; a key to sort by would be a call to the graphics library for each.
  const features: Feature<Point>[] = [...cells].sort((a, b) => a.count - b.count).map((cell) => ({
    type: 'Feature',
    geometry: { type: 'Point', coordinates: place(cell) },
    properties: { cell: cell.key, image: ringName(cell.counts, cell.count < 1000 ? String(cell.count) : compact.format(cell.count)) },
  }));
  return { type: 'FeatureCollection', features };
}

export function pointFeatures(points: readonly PointRow[]): FeatureCollection<Point> {
  const features: Feature<Point>[] = points.map((point) => ({
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [point.lon, point.lat] },
    properties: { id: point.id, key: point.key, order: KEYS.indexOf(point.key) },
  }));
  return { type: 'FeatureCollection', features };
}
