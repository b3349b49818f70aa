/** What binds whoever is served, in words: the service says it as `name=value`. */
import { distance, duration, number } from '../format';
import { codeWord, type Key, type Translate } from '../i18n';
import type { Settings } from '../settings';

export function obligationWords(given: string, t: Translate, prefer: Settings): string {
  const cut = given.indexOf('=');
  const [name, value] = cut < 0 ? [given, ''] : [given.slice(0, cut), given.slice(cut + 1)];
  const figure = value === '' ? NaN : Number(value);
  if (Number.isFinite(figure)) {
    const said = name.endsWith('_m') ? distance(figure, prefer) : name.endsWith('_s') && !name.endsWith('bit_s') ? duration(figure, prefer) : number(figure, prefer, 2);
    const key = `obligation.${name}` as Key;
    const words = t(key, { value: said });
    if (words !== key) return words;
  }
  const whole = `${name}_${value}`;
  const words = codeWord(t, 'obligation', whole);
  // A code without words of its own is shown as it stands, with its value set off.
  return words === whole.replaceAll('_', ' ') ? `${name.replaceAll('_', ' ')}${value ? `: ${value.replaceAll('_', ' ')}` : ''}` : words;
}
