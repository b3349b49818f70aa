/** Times, numbers, distances and places as people read them. Everything that arrives is UTC, metres and degrees. */
import type { Settings } from './settings';

type Prefer = Pick<Settings, 'language' | 'clock' | 'units'>;

/** Instant as text, with its clock: `2026-02-10 06:09:45 UTC`. Empty for what is no instant. */
export function time(value: string | number | null | undefined, prefer: Prefer, detail: 'second' | 'minute' | 'day' = 'second'): string {
  if (value === null || value === undefined || value === '') return '';
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return String(value);
  const utc = prefer.clock === 'utc';
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: utc ? 'UTC' : undefined,
    year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
    timeZoneName: utc ? undefined : 'shortOffset',
  } as Intl.DateTimeFormatOptions).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  const day = `${part('year')}-${part('month')}-${part('day')}`;
  if (detail === 'day') return day;
  const clock = `${part('hour')}:${part('minute')}${detail === 'second' ? `:${part('second')}` : ''}`;
  return `${day} ${clock} ${utc ? 'UTC' : part('timeZoneName').replace('GMT', 'UTC')}`;
}

/** How long ago, or how far ahead, in words. */
export function ago(value: string | number, now: number, prefer: Prefer): string {
  const seconds = (new Date(value).getTime() - now) / 1000;
  if (Number.isNaN(seconds)) return '';
  const words = new Intl.RelativeTimeFormat(prefer.language, { numeric: 'auto' });
  const size = Math.abs(seconds);
  if (size < 60) return words.format(Math.round(seconds), 'second');
  if (size < 3_600) return words.format(Math.round(seconds / 60), 'minute');
  if (size < 86_400) return words.format(Math.round(seconds / 3_600), 'hour');
  if (size < 60 * 86_400) return words.format(Math.round(seconds / 86_400), 'day');
  if (size < 730 * 86_400) return words.format(Math.round(seconds / (30.44 * 86_400)), 'month');
  return words.format(Math.round(seconds / (365.25 * 86_400)), 'year');
}

export function number(value: number | null | undefined, prefer: Prefer, digits = 0): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return value.toLocaleString(prefer.language, { maximumFractionDigits: digits });
}

export function percent(part: number, whole: number, prefer: Prefer): string {
  if (!whole) return '–';
  const share = part / whole;
  return share.toLocaleString(prefer.language, { style: 'percent', maximumFractionDigits: share < 0.1 ? 1 : 0 });
}

export function distance(metres: number, prefer: Prefer): string {
  if (prefer.units === 'nautical') return `${number(metres / 1_852, prefer, metres < 18_520 ? 2 : 0)} NM`;
  return metres < 1_000 ? `${number(metres, prefer)} m` : `${number(metres / 1_000, prefer, metres < 100_000 ? 1 : 0)} km`;
}

/** A height: feet where units are nautical, as in the air. */
export function height(metres: number, prefer: Prefer): string {
  return prefer.units === 'nautical' ? `${number(metres / 0.3048, prefer)} ft` : `${number(metres, prefer)} m`;
}

export function speed(metresPerSecond: number, prefer: Prefer): string {
  const value = inSpeedUnit(metresPerSecond * 3.6, prefer);
  return `${number(value, prefer, value < 10 ? 1 : 0)} ${speedUnit(prefer)}`;
}

const KM_IN_NM = 1.852;

/** The unit that a reader types and reads speeds in. */
export const speedUnit = (prefer: Prefer): string => (prefer.units === 'nautical' ? 'kn' : 'km/h');

/** Kilometres per hour in the reader's unit, and back. */
export const inSpeedUnit = (kmh: number, prefer: Prefer): number => (prefer.units === 'nautical' ? Math.round((kmh / KM_IN_NM) * 10) / 10 : kmh);
export const ofSpeedUnit = (value: number, prefer: Prefer): number => (prefer.units === 'nautical' ? Math.round(value * KM_IN_NM * 100) / 100 : value);

/** `50.41704° N, 29.93148° E`: latitude first, five digits, about a metre. */
export function position(lat: number | null | undefined, lon: number | null | undefined, digits = 5): string {
  if (lat === null || lat === undefined || lon === null || lon === undefined || Number.isNaN(lat) || Number.isNaN(lon)) return '';
  return `${Math.abs(lat).toFixed(digits)}° ${lat < 0 ? 'S' : 'N'}, ${Math.abs(lon).toFixed(digits)}° ${lon < 0 ? 'W' : 'E'}`;
}

/** Name of a country in the reader's language; the code where the browser knows none. */
export function country(code: string, prefer: Pick<Prefer, 'language'>): string {
  try {
    return new Intl.DisplayNames([prefer.language], { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** The first digits of a digest; the whole stands in a title or behind a copy button. */
export function shortDigest(value: string): string {
  const hex = value.replace(/^sha256:/, '');
  return hex.length > 16 ? `${hex.slice(0, 12)}…` : hex;
}

/** Bytes of an instant for an input of kind datetime-local, in UTC. */
export function inputValue(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}

/** How long something lasts, in the largest unit that says it without a fraction: `1 hour`, `90 seconds`. */
export function duration(seconds: number, prefer: Prefer): string {
  const units = [['day', 86_400], ['hour', 3_600], ['minute', 60]] as const;
  const [unit, size] = units.find(([, each]) => seconds >= each && seconds % each === 0) ?? (['second', 1] as const);
  return new Intl.NumberFormat(prefer.language, { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 1 }).format(seconds / size);
}

/** The end of an interval, without its day where that is the day it began. */
export function endOf(from: string, until: string): string {
  return from.slice(0, 10) === until.slice(0, 10) ? until.slice(11) : until;
}
