/** A MapLibre map over the shipped basemap that knows the console's pictures. */
import * as maplibregl from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { KEYS, type AnswerKey } from '../marks';
import { country } from '../format';
import type { Language } from '../settings';
import { loadBasemap, type Basemap } from './basemap';
import { watchGlobe } from './globe';
import { coloursFor, markImage, nameImage, RATIO, ringImage } from './icons';
import { keepPace } from './pace';
import type { Look } from './place';
import { LAYERS_OF, styleOf } from './style';
import { changed, named } from './told';

// MapLibre works out the address of its worker at run time, where no bundler sees it.
maplibregl.setWorkerUrl(workerUrl);

export { showGlobe } from './globe';
export type LiveMap = maplibregl.Map;
const MOST_PICTURES = 4_000;

export interface MapOptions {
  readonly container: HTMLElement;
  readonly look: Look;
  readonly dark: boolean;
  readonly globe: boolean;
  readonly language: Language;
  readonly label: string;
  readonly names: boolean;
}

export function canDraw(): boolean {
  try {
    const probe = document.createElement('canvas');
    return probe.getContext('webgl2') !== null;
  } catch {
    return false;
  }
}

/** Follow the size of what holds the map. A picture goes when its size changes: the next is drawn at once, so that none is seen torn or empty. */
function followSize(map: LiveMap): void {
  const holder = map.getContainer();
  let size = [holder.clientWidth, holder.clientHeight];
  const watch = new ResizeObserver(() => {
    const now = [holder.clientWidth, holder.clientHeight];
    if ((now[0] === size[0] && now[1] === size[1]) || !now[0] || !now[1]) return;
    size = now;
    map.resize();
    map.redraw();
  });
  watch.observe(holder);
  map.on('remove', () => watch.disconnect());
}

/** Names of countries as points with pictures, in a language. */
function nameFeatures(base: Basemap, language: Language) {
  return {
    type: 'FeatureCollection' as const,
    features: base.labels.map(([code, lon, lat, rank]) => ({
      type: 'Feature' as const,
      geometry: { type: 'Point' as const, coordinates: [lon, lat] },
      properties: { rank, image: `name|${rank}|${country(code, { language })}` },
    })),
  };
}

/** Sources of which only what changed is told, and the property that names a feature of theirs. */
const TOLD_BY: Readonly<Record<string, string>> = { cells: 'cell', points: 'id' };
/** What each map was told last of such a source: each feature as text, by its name. */
const told = new WeakMap<LiveMap, Map<string, ReadonlyMap<string, string>>>();

export function setData(map: LiveMap, source: string, data: GeoJSON.GeoJSON): void {
  const found = map.getSource(source) as maplibregl.GeoJSONSource | undefined;
  if (!found) return;
  const features = data.type === 'FeatureCollection' ? data.features : null;
  const visibility = features?.length === 0 ? 'none' : 'visible';
  const layers = (LAYERS_OF[source] ?? []).filter((layer) => map.getLayoutProperty(layer, 'visibility') !== visibility);
  const by = TOLD_BY[source];
  const now = by && features ? named(features, by) : null;
  let of = told.get(map);
  if (!of) told.set(map, (of = new Map()));
  const before = of.get(source);
  if (by && features && now && before?.size) {
    // A tile is made anew only where something of it changed: after a small move that is the edge, and often nothing.
    const change = changed(before, now, features, by);
    if (change.add.length > features.length * 0.8) void found.setData(data);
    else if (change.add.length || change.remove.length) void found.updateData(change);
  } else if (visibility === 'visible' || layers.length) void found.setData(data);
  if (now) of.set(source, now);
  else of.delete(source);
  for (const layer of layers) map.setLayoutProperty(layer, 'visibility', visibility);
}

/** Make the map; it is handed over once its style and pictures are there. */
export async function createMap(options: MapOptions): Promise<LiveMap> {
  const base = await loadBasemap();
  const map = new maplibregl.Map({
    container: options.container,
    style: styleOf(base, options.dark, options.globe),
    center: [options.look.lon, options.look.lat],
    zoom: options.look.zoom,
    maxZoom: 17,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    trackResize: false,
    fadeDuration: 0,
    // Screenshots of tests read the picture back; for people the copy of each frame would be for nothing.
    canvasContextAttributes: { preserveDrawingBuffer: navigator.webdriver },
    locale: { 'Map.Title': options.label },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  keepPace(map);
  watchGlobe(map);
  followSize(map);
  const colours = coloursFor(options.dark);
  let pictures: string[] = [];
  map.setMissingStyleImageResolver((id) => {
    if (map.hasImage(id)) return;
    const [kind, second = '', ...rest] = id.split('|');
    let image: ImageData | null = null;
    if (kind === 'mark' && (KEYS as readonly string[]).includes(second)) image = markImage(second as AnswerKey, colours);
    else if (kind === 'ring') image = ringImage(id, colours);
    else if (kind === 'name') image = nameImage(rest.join('|'), Number(second), colours);
    if (!image) return;
    map.addImage(id, image, { pixelRatio: RATIO });
    if (kind === 'ring') pictures.push(id);
  });
  map.on('moveend', () => {
    // Rings of places that are long out of sight would pile up in graphics memory.
    if (pictures.length < MOST_PICTURES) return;
    for (const id of pictures.slice(0, MOST_PICTURES / 2)) if (map.hasImage(id)) map.removeImage(id);
    pictures = pictures.slice(MOST_PICTURES / 2);
  });
  await new Promise<void>((resolve) => {
    if (map.isStyleLoaded()) resolve();
    else map.once('style.load', () => resolve());
  });
  setData(map, 'names', nameFeatures(base, options.language));
  map.setLayoutProperty('names', 'visibility', options.names ? 'visible' : 'none');
  return map;
}
