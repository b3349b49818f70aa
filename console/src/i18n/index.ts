/** Words of the console. A sentence is found by its key; `{name}` stands for a value; `key.one`, `key.few` … for the form of a number. */
import en from './en.json';
import { settings, useSettings, type Language } from '../settings';
import { createStore, useStore } from '../store';

type Stem<K> = K extends `${infer S}.${'one' | 'few' | 'many' | 'other'}` ? S : never;
export type Key = keyof typeof en | Stem<keyof typeof en>;
export type Values = Readonly<Record<string, string | number>>;
type Words = Readonly<Record<string, string>>;

const loaded = createStore<Partial<Record<Language, Words>>>({ en });

const LOADERS: Record<Exclude<Language, 'en'>, () => Promise<{ default: Words }>> = {
  de: () => import('./de.json'),
  uk: () => import('./uk.json'),
};

/** Fetch the words of a language once; English is always there. */
export async function loadLanguage(language: Language): Promise<void> {
  if (language === 'en' || loaded.get()[language]) return;
  const words = (await LOADERS[language]()).default;
  loaded.set({ ...loaded.get(), [language]: words });
}

/** Say a sentence in a language. A key without words in it is said in English: better than a key. */
export function say(words: Words, language: Language, key: string, values: Values = {}): string {
  let text = words[key] ?? (en as Words)[key];
  if (text === undefined && typeof values['n'] === 'number') {
    const form = new Intl.PluralRules(language).select(values['n']);
    text = words[`${key}.${form}`] ?? words[`${key}.other`] ?? (en as Words)[`${key}.other`];
  }
  if (text === undefined) return key;
  return text.replace(/\{([a-z_]+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? value.toLocaleString(language) : value;
  });
}

export type Translate = (key: Key, values?: Values) => string;

export function translate(language: Language): Translate {
  const words = loaded.get()[language] ?? en;
  return (key, values) => say(words, language, key, values);
}

/** The words for the language chosen; the page is drawn again when they arrive. */
export function useWords(): Translate {
  const { language } = useSettings();
  const all = useStore(loaded);
  const words = all[language] ?? en;
  return (key, values) => say(words, language, key, values);
}

/** A word for a code of the service, if there is one; else the code with its underscores as spaces. */
export function codeWord(t: Translate, group: string, code: string): string {
  // `other` at the end of a key would be the form of a number.
  const key = `${group}.${code}${/^(zero|one|two|few|many|other)$/.test(code) ? '_' : ''}`;
  const found = t(key as Key);
  return found === key ? code.replaceAll('_', ' ') : found;
}

export function currentLanguage(): Language {
  return settings.get().language;
}
