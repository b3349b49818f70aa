/** Areas by name. */
import { country } from '../format';
import type { Language } from '../settings';

/** `Ukraine` for `country:UA`, `Ukraine (sea)` style ids stay as they are where nothing better is known. */
export function areaName(area: { id: string; name?: string } | string, language: Language): string {
  const id = typeof area === 'string' ? area : area.id;
  const found = /^country:([A-Z]{2})$/.exec(id);
  if (found?.[1]) return country(found[1], { language });
  return (typeof area === 'string' ? undefined : area.name) ?? id;
}
