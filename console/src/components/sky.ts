/** Words about satellites that several pages say. */
import { number } from '../format';
import type { Translate } from '../i18n';
import type { Settings } from '../settings';

/** How old elements are, or how far ahead: hours up to two days, then days. */
export function ageWords(days: number, t: Translate, prefer: Settings): string {
  const size = Math.abs(days);
  const said = size < 2 ? t('satellites.hours', { n: number(size * 24, prefer, size < 0.4 ? 1 : 0) }) : t('satellites.days', { n: number(size, prefer, 1) });
  return days < 0 ? t('satellites.ahead', { age: said }) : said;
}

/** A name without the word that says that it was generated, which stands beside as a tag. */
export const shortName = (name: string): string => name.replace(' (generated)', '');
