/** Layers that one page alone draws over the map: satellites and tracks, a verification, interference. */
import type { Feature, FeatureCollection, LineString, Point, Polygon, Position } from 'geojson';
import type { GeoJSONSource, LayerSpecification } from 'maplibre-gl';
import type { LiveMap } from './canvas';

/** A layer without its source, which all layers of a source share. */
type Sourceless<L> = L extends { source: string } ? Omit<L, 'source'> : never;
export type Layer = Sourceless<LayerSpecification>;

export const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] };

/** Add a source and its layers, in this order from the ground up. */
export function addLayers(map: LiveMap, source: string, layers: readonly Layer[]): void {
  if (map.getSource(source)) return;
  map.addSource(source, { type: 'geojson', data: NOTHING, buffer: 16 });
  for (const layer of layers) map.addLayer({ ...layer, source } as LayerSpecification);
}

/** Show features. */
export function put(map: LiveMap, source: string, features: readonly Feature[]): void {
  const found = map.getSource(source) as GeoJSONSource | undefined;
  void found?.setData({ type: 'FeatureCollection', features: [...features] });
}

export function pointAt(lon: number, lat: number, properties: Feature['properties'] = {}): Feature<Point> {
  return { type: 'Feature', properties, geometry: { type: 'Point', coordinates: [lon, lat] } };
}

export function lineOf(coordinates: Position[], properties: Feature['properties'] = {}): Feature<LineString> {
  return { type: 'Feature', properties, geometry: { type: 'LineString', coordinates } };
}

export function ringOf(coordinates: Position[], properties: Feature['properties'] = {}): Feature<Polygon> {
  return { type: 'Feature', properties, geometry: { type: 'Polygon', coordinates: [coordinates] } };
}

/** Whether a feature of the service is an area that can be drawn; of one that is not, the whole map would complain. */
export function isShape(feature: { readonly geometry?: { readonly type?: unknown } | null }): boolean {
  return feature.geometry?.type === 'Polygon' || feature.geometry?.type === 'MultiPolygon';
}

const RAD = Math.PI / 180;
const EARTH_KM = 6371;

/** The place so far from another in a direction, on a sphere; its longitude is near to the first. */
export function away(lon: number, lat: number, azimuth: number, km: number): Position {
  const angle = km / EARTH_KM;
  const sine = Math.sin(lat * RAD) * Math.cos(angle) + Math.cos(lat * RAD) * Math.sin(angle) * Math.cos(azimuth * RAD);
  const turn = Math.atan2(Math.sin(azimuth * RAD) * Math.sin(angle) * Math.cos(lat * RAD), Math.cos(angle) - Math.sin(lat * RAD) * sine);
  return [lon + turn / RAD, Math.asin(Math.max(-1, Math.min(1, sine))) / RAD];
}

/** A line without jumps at 180°. */
export function unbroken(line: readonly Position[]): Position[] {
  let before: number | null = null;
  return line.map(([x, y]) => {
    let lon = x!;
    if (before !== null) lon += 360 * Math.round((before - lon) / 360);
    before = lon;
    return [lon, y!];
  });
}

/** From where a satellite stands at or above an elevation: a ring about the point below it, on a sphere. */
export function footprint(lon: number, lat: number, heightKm: number, maskDeg: number): Position[] {
  const angle = Math.acos((EARTH_KM * Math.cos(maskDeg * RAD)) / (EARTH_KM + heightKm)) - maskDeg * RAD;
  if (!(angle > 0)) return [];
  const found: Position[] = [];
  for (let k = 0; k <= 120; k++) found.push(away(lon, lat, 3 * k, angle * EARTH_KM));
  return unbroken(found);
}

/** The shorter way between two places, over the map's edge if that is shorter. */
export function between(a: Position, b: Position): Position[] {
  return unbroken([a, b]);
}

/** Colours that can be told apart with colour-blind eyes too (Okabe and Ito), on light ground and on dark. */
export function hues(dark: boolean): readonly string[] {
  return dark
    ? ['#56b4e9', '#e69f00', '#2fc9a0', '#f0a3cf', '#f0e442', '#ff8a5c', '#b9c7d1', '#9fb4ff']
    : ['#0072b2', '#b35c00', '#007a58', '#a8437f', '#5b5b00', '#c8370e', '#4a5a66', '#3d4fc4'];
}
export const hue = (dark: boolean, place: number): string => hues(dark)[place % hues(dark).length]!;
