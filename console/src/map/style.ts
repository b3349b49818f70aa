/** How the map looks, without anything that would have to be fetched from elsewhere. */
import type { FeatureCollection, Position } from 'geojson';
import type { ExpressionSpecification, StyleSpecification } from 'maplibre-gl';
import type { Basemap } from './basemap';

const EMPTY = { type: 'FeatureCollection' as const, features: [] };

export interface Palette {
  readonly sea: string;
  readonly land: string;
  readonly coast: string;
  readonly border: string;
  readonly limit: string;
  readonly area: string;
  readonly chosen: string;
}

export function palette(dark: boolean): Palette {
  return dark
    ? { sea: '#111d25', land: '#27333b', coast: '#46545e', border: '#5d5a52', limit: '#2b3d49', area: '#c9a6ff', chosen: '#ffd166' }
    : { sea: '#dce8ef', land: '#fbfaf6', coast: '#a4b3bd', border: '#b7ad9e', limit: '#b4c8d5', area: '#6a3fb5', chosen: '#12384f' };
}

/** Layers of what comes and goes: a source with nothing in it costs time in each frame as long as a layer draws it. */
export const LAYERS_OF: Readonly<Record<string, readonly string[]>> = {
  areas: ['areas', 'areas-edge'], cells: ['cells'], points: ['points'], track: ['track'], chosen: ['chosen'],
};
const HIDDEN = { visibility: 'none' as const };
/** Islands of less than some three pixels are seen without their coast. */
const SEEN: ExpressionSpecification = ['>=', ['get', 's'], ['step', ['zoom'], 1.2, 2, 0.6, 3, 0.3, 4, 0.12, 5, 0.05, 6, 0]];

/** How far a line goes from west to east or from south to north, whichever is more [degree]. */
function extent(line: readonly Position[]): number {
  const span = (of: 0 | 1) => line.reduce((most, each) => Math.max(most, each[of]!), -Infinity) - line.reduce((least, each) => Math.min(least, each[of]!), Infinity);
  return Math.max(span(0), span(1));
}

function oneOf(base: Basemap): FeatureCollection {
  const coasts = base.coasts.geometry.coordinates.map((coordinates) => ({ type: 'Feature' as const, geometry: { type: 'LineString' as const, coordinates }, properties: { s: extent(coordinates) } }));
  const parts = { land: base.land.features, limits: base.limits.features, coasts, borders: base.borders.features };
  return { type: 'FeatureCollection', features: Object.entries(parts).flatMap(([k, all]) => all.map((each) => ({ ...each, properties: { ...each.properties, k } }))) };
}

export function styleOf(base: Basemap, dark: boolean, globe: boolean): StyleSpecification {
  const c = palette(dark);
  return {
    version: 8,
    projection: { type: globe ? 'globe' : 'mercator' },
    sky: { 'atmosphere-blend': 0 },
    sources: {
      // One source: what clips tiles is drawn once for each source, and on the globe that is most of a frame. The buffer is as wide as
      // a line needs, for all of it is drawn twice; lines may be off by as much as is hardly seen, for far fewer parts.
      base: { type: 'geojson', data: oneOf(base), tolerance: 1.3, buffer: 8, attribution: '' },
      names: { type: 'geojson', data: EMPTY, buffer: 8 },
      areas: { type: 'geojson', data: EMPTY, promoteId: 'fid' },
      cells: { type: 'geojson', data: EMPTY, buffer: 8, promoteId: 'cell' },
      points: { type: 'geojson', data: EMPTY, buffer: 8, promoteId: 'id' },
      track: { type: 'geojson', data: EMPTY },
      chosen: { type: 'geojson', data: EMPTY },
    },
    layers: [
      { id: 'sea', type: 'background', layout: { visibility: globe ? 'visible' : 'none' }, paint: { 'background-color': c.sea } },
      { id: 'land', type: 'fill', source: 'base', filter: ['==', ['get', 'k'], 'land'], paint: { 'fill-color': c.land, 'fill-antialias': false } },
      { id: 'limits', type: 'line', source: 'base', filter: ['==', ['get', 'k'], 'limits'], minzoom: 3.5, paint: { 'line-color': c.limit, 'line-width': ['interpolate', ['linear'], ['zoom'], 3.5, 0.6, 7, 1.2], 'line-dasharray': [3, 2] } },
      { id: 'coasts', type: 'line', source: 'base', layout: { 'line-miter-limit': 4 }, filter: ['all', ['==', ['get', 'k'], 'coasts'], SEEN], paint: { 'line-color': c.coast, 'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.4, 6, 1] } },
      { id: 'borders', type: 'line', source: 'base', filter: ['==', ['get', 'k'], 'borders'], paint: { 'line-color': c.border, 'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.5, 6, 1.3] } },
      { id: 'areas', type: 'fill', source: 'areas', layout: HIDDEN, paint: { 'fill-color': c.area, 'fill-opacity': ['case', ['==', ['get', 'kind'], 'country'], 0.02, 0.16] } },
      { id: 'areas-edge', type: 'line', source: 'areas', layout: HIDDEN, paint: { 'line-color': c.area, 'line-width': ['case', ['==', ['get', 'kind'], 'country'], 0.8, 1.8] } },
      {
        id: 'names', type: 'symbol', source: 'names',
        layout: { 'icon-image': ['get', 'image'], 'icon-padding': 6, 'symbol-sort-key': ['get', 'rank'] },
        filter: ['<=', ['get', 'rank'], ['step', ['zoom'], 0, 2.2, 1, 3, 2, 4, 3, 5, 4, 6, 5]],
      },
      { id: 'track', type: 'line', source: 'track', layout: HIDDEN, filter: ['==', ['geometry-type'], 'LineString'], paint: { 'line-color': c.chosen, 'line-width': 2, 'line-opacity': 0.75 } },
      { id: 'cells', type: 'symbol', source: 'cells', layout: { visibility: 'none', 'icon-image': ['get', 'image'], 'icon-allow-overlap': true, 'symbol-z-order': 'source' } },
      {
        id: 'points', type: 'symbol', source: 'points',
        layout: {
          visibility: 'none', 'icon-image': ['concat', 'mark|', ['get', 'key']], 'icon-allow-overlap': true, 'icon-ignore-placement': true, 'symbol-sort-key': ['get', 'order'],
          'icon-size': ['interpolate', ['linear'], ['zoom'], 1, 0.62, 6, 0.85, 11, 1.1],
        },
      },
      { id: 'chosen', type: 'circle', source: 'chosen', layout: HIDDEN, paint: { 'circle-radius': 11, 'circle-color': 'rgba(0,0,0,0)', 'circle-stroke-width': 3, 'circle-stroke-color': c.chosen } },
    ],
  };
}
