/** Areas by name. */
import type { JSX } from 'preact';
import { useId, useMemo } from 'preact/hooks';
import { useJson } from '../api/resource';
import type { Page } from '../api/types';
import { country } from '../format';
import { useWords } from '../i18n';
import { LANGUAGES, useSettings, type Language } from '../settings';

/** `Ukraine` for `country:UA`; of others their own name, or their id where nothing better is known. */
export function areaName(area: { id: string; name?: string } | string, language: Language): string {
  const id = typeof area === 'string' ? area : area.id;
  const found = /^country:([A-Z]{2})$/.exec(id);
  if (found?.[1]) return country(found[1], { language });
  return (typeof area === 'string' ? undefined : area.name) ?? id;
}

export interface NamedArea {
  readonly id: string;
  /** In the language of the reader. */
  readonly name: string;
  /** All names that it is found by. */
  readonly names: readonly string[];
}

/** Areas with the names that people know them by; what is no more than land is left out. */
export function namedAreas(rows: readonly { id: string; name: string; kind: string }[], language: Language): NamedArea[] {
  return rows
    .filter((row) => row.kind !== 'land')
    .map((row) => ({ id: row.id, name: areaName(row, language), names: [...new Set([row.name, ...LANGUAGES.map((each) => areaName(row, each))])] }))
    .sort((a, b) => a.name.localeCompare(b.name, language));
}

/** As it is compared: without accents, capitals and the spaces around. */
const plain = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trim();

/** The areas that a reader means: of that id or name, else those whose name begins so, else those in whose name it stands. */
export function findAreas(text: string, areas: readonly NamedArea[]): readonly NamedArea[] {
  const wanted = plain(text);
  if (!wanted) return [];
  const ways: ((area: NamedArea) => boolean)[] = [
    (area) => plain(area.id) === wanted,
    (area) => area.names.some((name) => plain(name) === wanted),
    (area) => area.names.some((name) => plain(name).startsWith(wanted)),
    (area) => area.names.some((name) => plain(name).includes(wanted)) || plain(area.id).includes(wanted),
  ];
  for (const fits of ways) {
    const found = areas.filter(fits);
    if (found.length) return found;
  }
  return [];
}

/** The areas of the home by name; null while they are asked for. */
export function useNamedAreas(): readonly NamedArea[] | null {
  const { language } = useSettings();
  const found = useJson<Page<{ id: string; name: string; kind: string }>>('/v1/areas', { limit: 1_000 });
  return useMemo(() => (found.data ? namedAreas(found.data.items, language) : found.problem ? [] : null), [found.data, found.problem, language]);
}

const MOST = 8;

/** A field for an area by its name, with names to choose from; `meant` are those that what was typed might mean, once it was asked for. */
export function AreaField({ label, value, areas, meant, onValue, onChoose }: {
  label: string;
  value: string;
  areas: readonly NamedArea[] | null;
  meant: readonly NamedArea[] | null;
  onValue: (text: string) => void;
  onChoose: (id: string) => void;
}): JSX.Element {
  const t = useWords();
  const id = useId();
  return (
    <div class="field area-field">
      <label for={id}>{label}</label>
      <input
        id={id}
        name="area"
        type="text"
        list={`${id}-names`}
        value={value}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={meant ? 'true' : undefined}
        aria-describedby={meant ? `${id}-meant` : undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      <datalist id={`${id}-names`}>
        {(areas ?? []).map((each) => (
          <option value={each.name}>{each.id}</option>
        ))}
      </datalist>
      {meant ? (
        <div class="field-wrong" id={`${id}-meant`} role="alert">
          {meant.length ? (
            <span>
              {t('areas.which')}{' '}
              {meant.slice(0, MOST).map((each) => (
                <button type="button" class="button link" onClick={() => onChoose(each.id)}>
                  {each.name}
                </button>
              ))}
              {meant.length > MOST ? ' …' : ''}
            </span>
          ) : (
            <span>{t('areas.none_so', { name: value.trim() })}</span>
          )}
        </div>
      ) : null}
    </div>
  );
}
