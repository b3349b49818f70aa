/** Signals and cases in plain words. What was seen and how often that is wrong; never what somebody did. */
import { distance, number, percent, speed, time } from '../format';
import { codeWord, type Key, type Translate } from '../i18n';
import type { Settings } from '../settings';
import type { Behaviour, Found, Measured, SignalRow } from './types';

export const kindWord = (t: Translate, kind: string): string => codeWord(t, 'signal', kind);

/** `Flight like a drone's, border crossed`. */
export const kindsWords = (t: Translate, kinds: readonly string[]): string => capital(kinds.map((each) => kindWord(t, each)).join(', '));

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** How much a case weighs, 0 to 1. */
export function weightLevel(weight: number): 'little' | 'some' | 'much' | 'very_much' {
  return weight >= 0.9 ? 'very_much' : weight >= 0.7 ? 'much' : weight >= 0.4 ? 'some' : 'little';
}
export const weightWord = (t: Translate, weight: number): string => t(`weight.${weightLevel(weight)}`);

/** `strong`, or a probability where it is one. */
export function strengthWords(t: Translate, of: Pick<SignalRow, 'strength' | 'basis'>, prefer: Settings): string {
  if (of.basis === 'calibrated') return t('strength.calibrated', { share: percent(of.strength, 1, prefer) });
  return t(`strength.${of.strength >= 0.8 ? 'strong' : of.strength >= 0.5 ? 'medium' : 'weak'}`);
}

/** How long something took, rounded for reading: `3.5 hours`. */
export function span(seconds: number, prefer: Settings): string {
  const size = Math.abs(seconds);
  const [unit, length] = size < 120 ? (['second', 1] as const) : size < 7_200 ? (['minute', 60] as const) : size < 172_800 ? (['hour', 3_600] as const) : (['day', 86_400] as const);
  return new Intl.NumberFormat(prefer.language, { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: size / length < 10 ? 1 : 0 }).format(seconds / length);
}

/** Numbers that are shares of one, and that come without a unit. */
const SHARES = /^(straightness|from its )/;

/** The value of what was found, in the reader's units. */
export function foundValue(kind: string, { name, value, unit }: Found, t: Translate, prefer: Settings): string {
  if (kind === 'used_elsewhere' && name === 'at a front') return t(value ? 'common.yes' : 'common.no');
  if (SHARES.test(name)) return percent(value, 1, prefer);
  switch (unit) {
    case 'm':
      return distance(value, prefer);
    case 'km/h':
      return speed(value / 3.6, prefer);
    case 's':
      return span(value, prefer);
    case 'min':
      return span(value * 60, prefer);
    case 'd':
      return span(value * 86_400, prefer);
    case '':
    case '1':
      return number(value, prefer, 2);
    default:
      return `${number(value, prefer, 2)} ${unit}`;
  }
}

/** The name of what was found: `apart`, `time inside`; the service's own word where the console has none. */
export function foundName(name: string, t: Translate): string {
  const key = `found.${name.toLowerCase().replace(/[^a-z0-9]+/g, '_')}`;
  const words = t(key as Key);
  return words === key ? name.replaceAll('_', ' ') : words;
}

export function foundWords(signal: Pick<SignalRow, 'kind' | 'found'>, t: Translate, prefer: Settings): string {
  // A detector of motion says how far it was from its rest also where that is nothing to say.
  const said = signal.found.filter((each) => !(each.name === 'away' && each.value === 0));
  return said.map((each) => `${foundName(each.name, t)}: ${foundValue(signal.kind, each, t, prefer)}`).join('; ');
}

/** `account:ACC-1`, `place:48.1,37.2`, `convoy:29000000:ut-1`, `border:PL-UA` in words. */
export function groupWords(group: string, t: Translate, prefer: Settings): string {
  const [kind = '', ...rest] = group.split(':');
  const name = rest.join(':');
  if (kind === 'convoy') {
    const minute = Number(rest[0]);
    if (rest.length > 1 && Number.isFinite(minute)) return t('group.convoy', { at: time(minute * 60_000, prefer, 'minute'), first: rest.slice(1).join(':') });
  }
  const key = `group.${kind}_` as Key;
  const words = t(key, { name });
  return words === key ? group : words;
}

/** Of how many signals how many are right, at least: small whole numbers that a person can hold in mind. */
export function worthOf(posterior: number): { readonly n: number; readonly of: number } {
  const whole = (of: number) => ({ n: Math.min(of - 1, Math.floor(posterior * of + 1e-9)), of });
  if (posterior >= 0.95) return whole(100);
  return posterior >= 0.1 ? whole(10) : posterior >= 0.01 ? whole(100) : whole(1_000);
}

/** What a signal is worth at a base rate, in words. */
export function worthWords(posterior: number | null, baseRate: number, t: Translate, prefer: Settings): string | null {
  if (posterior === null || !(baseRate > 0)) return null;
  const { n, of } = worthOf(posterior);
  const base = number(1 / baseRate, prefer);
  return n ? t('worth.at_least', { n: number(n, prefer), of: number(of, prefer), base }) : t('worth.hardly', { of: number(of, prefer), base });
}

const floorOfTwoDigits = (value: number): number => {
  const step = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Math.floor(value / step + 1e-9) * step;
};

/** What can be claimed of false alarms, with 95 % confidence. */
export function boundWords(of: Pick<Measured, 'upper95'>, t: Translate, prefer: Settings, short = false): string {
  const days = 1 / of.upper95;
  return days >= 1 ? t(short ? 'rate.short' : 'rate.one_in', { days: number(floorOfTwoDigits(days), prefer, 1) }) : t('rate.per_day', { n: number(Math.ceil(of.upper95 * 10) / 10, prefer, 1) });
}

/** What was counted, and what can be claimed. */
export function rateWords(of: Measured | null, t: Translate, prefer: Settings): string {
  if (!of) return t('rate.not_measured');
  return t('rate.counted', { n: number(of.false_alarms, prefer), days: number(of.terminal_days, prefer), bound: boundWords(of, t, prefer) });
}

/** What persons decided about cases with this kind of signal. */
export function decidedWords(of: Behaviour, t: Translate, prefer: Settings): string {
  if (!of.confirmed && !of.false_alarms) return t('rate.none_decided', { n: number(of.undecided, prefer) });
  return t('rate.decided', { right: number(of.confirmed, prefer), wrong: number(of.false_alarms, prefer), undecided: number(of.undecided, prefer) });
}
