/** Where the map looks, as part of the address, and what it asks the service for. */

export interface Look {
  readonly lat: number;
  readonly lon: number;
  readonly zoom: number;
}

export const WORLD: Look = { lat: 28, lon: -8, zoom: 1.3 };
/** A globe shows half of the world at once, and so may stand nearer. */
export const GLOBE: Look = { lat: 30, lon: 22, zoom: 2.2 };

/** `50.4,30.5,6` of the address; null for anything else. */
export function parseLook(text: string | null): Look | null {
  const parts = (text ?? '').split(',').map(Number);
  if (parts.length !== 3 || !parts.every(Number.isFinite)) return null;
  const [lat, lon, zoom] = parts as [number, number, number];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 360 && zoom >= 0 && zoom <= 22 ? { lat, lon, zoom } : null;
}

export function formatLook(look: Look): string {
  const digits = look.zoom < 5 ? 2 : look.zoom < 10 ? 3 : 5;
  return `${look.lat.toFixed(digits)},${look.lon.toFixed(digits)},${look.zoom.toFixed(2)}`;
}

export interface Box {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

export const EVERYWHERE: Box = { west: -180, south: -90, east: 180, north: 90 };

const wrap = (lon: number) => ((((lon + 180) % 360) + 360) % 360) - 180;

/** What to ask for: a little more than is seen, so that a small move needs no new answer; west beyond east crosses 180°. */
export function boxAround(seen: Box, zoom: number): Box {
  const width = seen.east - seen.west;
  if (zoom < 2.5 || width >= 300) return EVERYWHERE;
  const dx = width * 0.15;
  const dy = (seen.north - seen.south) * 0.15;
  const round = (value: number, up: boolean) => (up ? Math.ceil(value * 1e4) : Math.floor(value * 1e4)) / 1e4;
  return {
    west: round(wrap(seen.west - dx), false),
    south: Math.max(-90, round(seen.south - dy, false)),
    east: round(wrap(seen.east + dx), true),
    north: Math.min(90, round(seen.north + dy, true)),
  };
}

/** Whether a place lies in a box that may cross 180°. */
export function inBox(lon: number, lat: number, box: Box): boolean {
  if (lat < box.south || lat > box.north) return false;
  return box.west <= box.east ? lon >= box.west && lon <= box.east : lon >= box.west || lon <= box.east;
}
