/** The globe, divided as finely as can be seen and no finer. */
import type { Map as LiveMap } from 'maplibre-gl';

/** How often a side of a tile is divided on the sphere: so often at zoom 0, half as often at each next one, never less than the last. */
interface Division {
  getGranularityForZoomLevel(zoom: number): number;
}
type Kind = 'fill' | 'line' | 'tile' | 'stencil';
type Divisions = Partial<Record<Kind, Division>>;

/** Sides of 5.6° or less bend by less than half a pixel at the zooms at which they are drawn. MapLibre divides twice as often, and for
 * pictures, of which there are none here, more: four times the triangles, which without a graphics card are most of a frame. */
const ENOUGH: Readonly<Record<Kind, readonly [number, number]>> = { fill: [64, 2], line: [128, 0], tile: [64, 2], stencil: [64, 1] };

function divide(map: LiveMap): void {
  const settings = (map as unknown as { style?: { projection?: { subdivisionGranularity?: Divisions } } }).style?.projection?.subdivisionGranularity;
  for (const [kind, [first, least]] of Object.entries(ENOUGH) as [Kind, readonly [number, number]][]) {
    const found = settings?.[kind];
    // The flat map is not divided at all, and stays so; of another version of MapLibre nothing is assumed.
    if (!found || typeof found.getGranularityForZoomLevel !== 'function' || found.getGranularityForZoomLevel(0) <= first) continue;
    // It has to be of its own class, by whose name it is handed to the workers.
    settings[kind] = new (found.constructor as new (first: number, least: number) => Division)(first, least);
  }
}

/** Show a map as a globe, or flat. */
export function showGlobe(map: LiveMap, globe: boolean): void {
  map.setProjection({ type: globe ? 'globe' : 'mercator' });
  divide(map);
  // On the flat map the sea is the page behind it, which costs no frame anything; around a globe there is none.
  map.setLayoutProperty('sea', 'visibility', globe ? 'visible' : 'none');
}

/** Divide the globe of a map that is being made, before its first tile, and when it becomes one on the way from street to world. */
export function watchGlobe(map: LiveMap): void {
  map.on('style.load', () => divide(map));
  map.on('projectiontransition', () => divide(map));
}
