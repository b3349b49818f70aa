/** What a reader prefers: language, clock, units, colours. Kept in this browser only. */
import { createStore, useStore } from './store';

export type Language = 'en' | 'de' | 'uk';
export const LANGUAGES: readonly Language[] = ['en', 'de', 'uk'];

export interface Settings {
  readonly language: Language;
  readonly clock: 'utc' | 'local';
  readonly units: 'metric' | 'nautical';
  readonly theme: 'system' | 'light' | 'dark';
  readonly globe: boolean;
}

const KEY = 'groundrule.settings';

/** Read a value kept in this browser; storage may be switched off, and anything may stand in it. */
export function recall<T>(key: string, parse: (value: unknown) => T | null): T | null {
  try {
    const text = window.localStorage.getItem(key);
    return text === null ? null : parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export function remember(key: string, value: unknown): void {
  try {
    window.localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage the choice holds until the page is closed.
  }
}

function oneOf<T extends string>(value: unknown, choices: readonly T[], otherwise: T): T {
  return choices.includes(value as T) ? (value as T) : otherwise;
}

function preferredLanguage(): Language {
  for (const each of typeof navigator === 'undefined' ? [] : navigator.languages) {
    const found = LANGUAGES.find((language) => each.toLowerCase().startsWith(language));
    if (found) return found;
  }
  return 'en';
}

export function parseSettings(value: unknown): Settings {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  return {
    language: oneOf(given['language'], LANGUAGES, preferredLanguage()),
    clock: oneOf(given['clock'], ['utc', 'local'] as const, 'utc'),
    units: oneOf(given['units'], ['metric', 'nautical'] as const, 'metric'),
    theme: oneOf(given['theme'], ['system', 'light', 'dark'] as const, 'system'),
    globe: given['globe'] === true,
  };
}

export const settings = createStore<Settings>(parseSettings(typeof window === 'undefined' ? null : recall(KEY, (value) => value)));

export function change(part: Partial<Settings>): void {
  const next = { ...settings.get(), ...part };
  settings.set(next);
  remember(KEY, next);
}

export const useSettings = (): Settings => useStore(settings);

export function isDark(theme: Settings['theme']): boolean {
  return theme === 'dark' || (theme === 'system' && window.matchMedia('(prefers-color-scheme: dark)').matches);
}

/** Set the colours on the root, at once and whenever the system's change. */
export function applyTheme(): () => void {
  const media = window.matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    document.documentElement.dataset['theme'] = isDark(settings.get().theme) ? 'dark' : 'light';
    document.documentElement.lang = settings.get().language;
  };
  apply();
  media.addEventListener('change', apply);
  const stop = settings.subscribe(apply);
  return () => {
    media.removeEventListener('change', apply);
    stop();
  };
}
