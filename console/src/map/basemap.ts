/** The shipped basemap: land, coasts, borders and places of names, from thousandths of a degree back to GeoJSON. */
import type { Feature, FeatureCollection, LineString, MultiLineString, Polygon, Position } from 'geojson';

export interface Packed {
  readonly attribution: string;
  readonly scale: number;
  readonly land: readonly (readonly (readonly number[])[])[];
  readonly borders: readonly (readonly number[])[];
  readonly limits: readonly (readonly number[])[];
  readonly labels: readonly (readonly [string, number, number, number])[];
}

export interface Basemap {
  readonly land: FeatureCollection<Polygon>;
  readonly coasts: Feature<MultiLineString>;
  readonly borders: FeatureCollection<LineString>;
  readonly limits: FeatureCollection<LineString>;
  readonly labels: Packed['labels'];
}

export function unpack(values: readonly number[], scale: number): Position[] {
  const found: Position[] = [];
  let x = 0;
  let y = 0;
  for (let i = 0; i + 1 < values.length; i += 2) {
    x += values[i]!;
    y += values[i + 1]!;
    found.push([x / scale, y / scale]);
  }
  return found;
}

/** The stretches of a ring that are coast: not where polygons are cut at 180° and closed over the pole. */
export function coastsOf(ring: readonly Position[]): Position[][] {
  const found: Position[][] = [];
  let run: Position[] = [];
  const seam = (a: Position, b: Position) => (Math.abs(a[0]!) >= 179.99 && Math.abs(b[0]!) >= 179.99) || (a[1]! <= -89.9 && b[1]! <= -89.9);
  for (let i = 1; i < ring.length; i++) {
    const a = ring[i - 1]!;
    const b = ring[i]!;
    if (seam(a, b)) {
      if (run.length > 1) found.push(run);
      run = [];
    } else {
      if (!run.length) run.push(a);
      run.push(b);
    }
  }
  if (run.length > 1) found.push(run);
  return found;
}

function lines(packed: readonly (readonly number[])[], scale: number): FeatureCollection<LineString> {
  return {
    type: 'FeatureCollection',
    features: packed.map((line) => ({ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: unpack(line, scale) } })),
  };
}

export function decode(packed: Packed): Basemap {
  const polygons = packed.land.map((rings) => rings.map((ring) => unpack(ring, packed.scale)));
  return {
    land: {
      type: 'FeatureCollection',
      features: polygons.map((coordinates) => ({ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates } })),
    },
    coasts: { type: 'Feature', properties: {}, geometry: { type: 'MultiLineString', coordinates: polygons.flatMap((rings) => rings.flatMap(coastsOf)) } },
    borders: lines(packed.borders, packed.scale),
    limits: lines(packed.limits, packed.scale),
    labels: packed.labels,
  };
}

let loading: Promise<Basemap> | null = null;

export function loadBasemap(): Promise<Basemap> {
  loading ??= fetch('/basemap/world.json')
    .then(async (response) => {
      if (!response.ok) throw new Error(`basemap: HTTP ${response.status}`);
      return decode((await response.json()) as Packed);
    })
    .catch((error: unknown) => {
      loading = null;
      throw error;
    });
  return loading;
}
