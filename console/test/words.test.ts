import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { say } from '../src/i18n';
import type { Language } from '../src/settings';

const SRC = new URL('../src', import.meta.url).pathname;
const read = (language: string) => readFileSync(join(SRC, 'i18n', `${language}.json`), 'utf8');
const words = (language: string) => JSON.parse(read(language)) as Record<string, string>;
const stem = (key: string) => key.replace(/\.(zero|one|two|few|many|other)$/, '.#');
const en = words('en');

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : [path];
  });
}

describe.each(['de', 'uk'])('words in %s', (language) => {
  const own = words(language);
  it('have the keys of English, apart from the forms of numbers', () => {
    expect([...new Set(Object.keys(own).map(stem))].sort()).toEqual([...new Set(Object.keys(en).map(stem))].sort());
  });
  it('have every form of a number that the language asks for', () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const key of new Set(Object.keys(own).filter((each) => stem(each) !== each).map((each) => each.replace(/\.\w+$/, '')))) {
      expect(Object.keys(own).filter((each) => each.startsWith(`${key}.`)).sort()).toEqual(forms.map((form) => `${key}.${form}`).sort());
    }
  });
  it('name the same values', () => {
    const names = (text: string) => (text.match(/\{[a-z_]+\}/g) ?? []).sort();
    for (const [key, text] of Object.entries(own)) expect([key, names(text)]).toEqual([key, names(en[key] ?? en[key.replace(/\.\w+$/, '.other')] ?? '')]);
  });
  it('are no empty texts and no copies of whole English sentences', () => {
    for (const [key, text] of Object.entries(own)) {
      expect(text.trim(), key).toBe(text);
      expect(text, key).not.toBe('');
      if (text.split(' ').length > 3) expect(text, key).not.toBe(en[key]);
    }
  });
});

it.each(['en', 'de', 'uk'])('no key stands twice in %s', (language) => {
  const keys = [...read(language).matchAll(/^ {2}"([^"]+)":/gm)].map((found) => found[1]);
  expect(keys.length).toBe(new Set(keys).size);
  expect(keys.length).toBe(Object.keys(words(language)).length);
});

it('says numbers by the rules of the language', () => {
  const said = (language: Language, n: number) => say(words(language), language, 'common.rows', { n });
  expect([said('en', 1), said('en', 2), said('en', 1234)]).toEqual(['1 row', '2 rows', '1,234 rows']);
  expect([said('uk', 1), said('uk', 3), said('uk', 11)]).toEqual(['1 рядок', '3 рядки', '11 рядків']);
  expect(say({}, 'de', 'app.name')).toBe('Groundrule');
  expect(say(en, 'en', 'no.such.key')).toBe('no.such.key');
  expect(say(en, 'en', 'map.only', { what: '{n} <b>' })).toBe('Only {n} <b>');
});

it('says of an oversight report what the report itself says', () => {
  for (const language of ['en', 'de', 'uk']) {
    const text = readFileSync(join(SRC, '..', '..', 'src', 'groundrule', 'evidence', 'render', 'words', `oversight_${language}.toml`), 'utf8');
    for (const [section, group, least] of [['questions', 'question', 30], ['figures', 'figure', 30], ['events', 'oversight_event', 3]] as const) {
      const part = text.slice(text.indexOf(`[${section}]`)).split(/\n\[/)[0]!;
      const said = [...part.matchAll(/^([a-z_]+) = (".*")$/gm)].map((found) => [found[1]!, JSON.parse(found[2]!) as string] as const);
      expect(said.length).toBeGreaterThan(least);
      for (const [key, sentence] of said) expect(words(language)[`${group}.${key}`] ?? words(language)[`${group}.${key}_`], `${language} ${key}`).toBe(sentence);
    }
  }
});

it('says of a reason what the service says', () => {
  for (const language of ['en', 'de', 'uk']) {
    const text = readFileSync(join(SRC, '..', '..', 'src', 'groundrule', 'evidence', 'render', 'words', `${language}.toml`), 'utf8');
    const part = text.slice(text.indexOf('\n[reasons]') + 1).split(/\n\[/)[0]!;
    const said = new Map<string, string>([...part.matchAll(/^"?([a-z_0-9:]+)"? = (".*")$/gm)].map((found) => [`reason.${found[1]}`, JSON.parse(found[2]!) as string] as const));
    const own = Object.entries(words(language)).filter(([key]) => key.startsWith('reason.'));
    expect(own.length).toBeGreaterThan(40);
    for (const [key, sentence] of own) expect(sentence, `${language} ${key}`).toBe(said.get(key));
  }
});

describe('sources', () => {
  const texts = sources(SRC).filter((path) => /\.tsx?$/.test(path)).map((path) => [path, readFileSync(path, 'utf8')] as const);
  it('put no outside text into the page as HTML, and hold no inline style or script', () => {
    for (const [path, text] of texts) expect(text, path).not.toMatch(/dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|style="|javascript:/);
    expect(readFileSync(join(SRC, '..', 'index.html'), 'utf8')).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son\w+=/);
  });
  it('use only keys that there are', () => {
    const known = new Set([...Object.keys(en), ...Object.keys(en).map((key) => key.replace(/\.(one|few|many|other)$/, ''))]);
    for (const [path, text] of texts) for (const found of text.matchAll(/\bt\('([a-z_]+\.[a-z0-9_.]+)'/g)) expect(known.has(found[1]!), `${path}: ${found[1]}`).toBe(true);
  });
  it('ask nobody but the own service: addresses elsewhere are links for people', () => {
    for (const [path, text] of texts) {
      const outside = [...text.matchAll(/https?:\/\/[^\s'"`)]+/g)].map((found) => found[0]);
      expect(outside.filter((each) => each !== 'https://www.openstreetmap.org/copyright'), path).toEqual([]);
    }
  });
  it('lock packages by digest and name no host', () => {
    const lock = readFileSync(join(SRC, '..', 'package-lock.json'), 'utf8');
    expect(lock).not.toMatch(/"resolved"|https?:/);
    const packages = Object.entries((JSON.parse(lock) as { packages: Record<string, { integrity?: string }> }).packages).filter(([name]) => name !== '');
    expect(packages.filter(([, each]) => !each.integrity?.startsWith('sha512-'))).toEqual([]);
  });
});
