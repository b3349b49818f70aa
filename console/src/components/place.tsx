/** Points in words: the country, and how far from which city. For reading, never for deciding. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { useJson } from '../api/resource';
import { country, distance, position } from '../format';
import { useWords, type Translate } from '../i18n';
import { useSettings, type Settings } from '../settings';
import { areaName } from './areas';

export interface PlaceAnswer {
  readonly lat: number;
  readonly lon: number;
  readonly areas: readonly { readonly id: string; readonly name: string; readonly kind: string; readonly country: string | null }[];
  readonly near: { readonly name: string; readonly country: string; readonly distance_km: number; readonly bearing_deg: number } | null;
}

const MOST = 200;
const WINDS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'] as const;
/** Nearer than this a place is the city's own [km]. */
const AT_KM = 8;

/** The wind of a direction [degree clockwise from north]. */
export const windOf = (bearing: number): (typeof WINDS)[number] => WINDS[Math.round((((bearing % 360) + 360) % 360) / 45) % 8]!;

/** Ask what points are called, `latitude,longitude` each; what is not known yet is not in the answer. */
export function usePlaces(points: readonly string[]): ReadonlyMap<string, PlaceAnswer> {
  const asked = useMemo(() => [...new Set(points.filter(Boolean))].slice(0, MOST), [points.join(' ')]);
  const found = useJson<PlaceAnswer[]>(asked.length ? '/v1/places' : null, { point: asked });
  return useMemo(() => new Map((found.data ?? []).map((each, i) => [asked[i]!, each] as const)), [found.data, asked]);
}

/** `Ukraine, 40 km SE of Kharkiv`; on the high seas only what is near. */
export function placeWords(of: PlaceAnswer, t: Translate, prefer: Settings): string {
  const held = of.areas.filter((area) => area.kind === 'country' || area.kind === 'sea');
  const where = [...new Set((held.length ? held : of.areas).map((area) => areaName(area, prefer.language)))].join(', ');
  const near = of.near;
  if (!near) return where || t('place.high_seas');
  // The name of another country is said, so that a city beyond a border is not taken for one on this side.
  const abroad = held.some((area) => area.country === near.country) ? '' : ` (${country(near.country, prefer)})`;
  const city = near.distance_km < AT_KM ? t('place.at', { city: near.name }) : t('place.near', { km: distance(near.distance_km * 1_000, prefer), wind: t(`wind.${windOf(near.bearing_deg)}`), city: `${near.name}${abroad}` });
  return `${where || t('place.no_country')}, ${city}`;
}

export function PlaceWords({ of, otherwise }: { of: PlaceAnswer | undefined; otherwise: string }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [lat, lon] = otherwise.split(',').map(Number);
  return <>{of ? placeWords(of, t, prefer) : position(lat, lon, 1)}</>;
}
