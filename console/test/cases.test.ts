import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CAN, meansOf } from '../src/cases/acts';
import { aroundOf, spotsOf } from '../src/cases/map';
import { askedOf, caseOf, FALSE_ALARMS, KINDS, STATES, type Behaviour, type SignalRow } from '../src/cases/types';
import { boundWords, decidedWords, foundName, foundValue, foundWords, groupWords, kindsWords, rateWords, span, strengthWords, weightLevel, worthOf, worthWords } from '../src/cases/words';
import { translate } from '../src/i18n';
import { counting } from '../src/map/signals';
import { byKind, momentsOf } from '../src/pages/case';
import { stepTo } from '../src/pages/cases';
import type { Settings } from '../src/settings';

const t = translate('en');
const prefer = { language: 'en', clock: 'utc', units: 'metric', theme: 'light', globe: false } as Settings;
const nautical = { ...prefer, units: 'nautical' } as Settings;
const source = (path: string) => readFileSync(new URL(`../../src/groundrule/${path}`, import.meta.url), 'utf8');
const words = (language: string) => JSON.parse(readFileSync(new URL(`../src/i18n/${language}.json`, import.meta.url), 'utf8')) as Record<string, string>;

const signal = (more: Partial<SignalRow>): SignalRow => ({
  id: '0123456789abcdef0123', kind: 'convoy', cause: 'company', terminal: 'ut-1', group: null, raised_at: '2026-03-02T10:00:00Z', from_at: '2026-03-02T09:50:00Z',
  until_at: '2026-03-02T11:00:00Z', strength: 0.6, basis: 'rule_of_thumb', lat: 5, lon: 6, found: [], observations: [], ...more,
});

describe('what the console knows of cases is what the service says', () => {
  const states = source('detect/case_states.py');
  const inQuotes = (text: string) => [...text.matchAll(/"([a-z_]+)"/g)].map((found) => found[1]!);
  it('kinds and causes', () => {
    const causes = /SIGNAL_CAUSES = \{([^}]*)\}/.exec(source('records.py'))![1]!;
    const pairs = [...causes.matchAll(/"([a-z_]+)": "([a-z_]+)"/g)];
    expect(pairs.map((found) => found[1])).toEqual([...KINDS]);
    for (const language of ['en', 'de', 'uk']) {
      const own = words(language);
      for (const [, kind, cause] of pairs) for (const key of [`signal.${kind}`, `signal_rests.${kind}`, `signal_else.${kind}`, `cause.${cause}`]) expect(own[key], `${language} ${key}`).toBeTruthy();
    }
  });
  it('states, acts and what can be done in a state', () => {
    expect(inQuotes(/^STATES.*$/m.exec(states)![0])).toEqual([...STATES]);
    const allowed = /_ALLOWED: Final = \{([^}]*)\}/.exec(states)![1]!;
    const table = Object.fromEntries([...allowed.matchAll(/"([a-z]+)": \(([^)]*)\)/g)].map((found) => [found[1]!, inQuotes(found[2]!)]));
    expect(table).toEqual(CAN);
  });
  it('reasons of a dismissal, and which are false alarms', () => {
    const codes = [.../DISMISSALS: Final = \{([^}]*)\}/.exec(states)![1]!.matchAll(/"([a-z_]+)": "([^"]*)"/g)].map((found) => [found[1]!, found[2]!] as const);
    expect(codes.length).toBeGreaterThan(5);
    for (const [code, sentence] of codes) {
      expect(words('en')[`dismissal_means.${code}`]).toBe(sentence);
      for (const language of ['de', 'uk']) expect(words(language)[`dismissal_means.${code}`], `${language} ${code}`).toBeTruthy();
    }
    expect(inQuotes(/^FALSE_ALARMS.*$/m.exec(states)![0])).toEqual(FALSE_ALARMS);
    expect(meansOf('something_new', 'As the service says.', t)).toBe('As the service says.');
  });
  it('has a word for every number that a detector finds', () => {
    const folder = new URL('../../src/groundrule/detect/', import.meta.url);
    const names = new Set<string>();
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.py') && name !== 'signals.py')) {
      for (const found of source(`detect/${file}`).matchAll(/\("([a-z][a-z_ ]+)", [^"\n]*?, "(?:km\/h|min|m|s|d|1|)"\)/g)) names.add(found[1]!);
    }
    expect(names.size).toBeGreaterThan(20);
    for (const tie of ['account', 'party', 'contact', 'payer', 'dealer']) for (const name of [`from its ${tie}`, `risky of its ${tie}'s others`, `all of its ${tie}'s others`]) names.add(name);
    for (const name of names) expect(words('en')[`found.${name.replace(/[^a-z0-9]+/g, '_')}`], name).toBeTruthy();
  });
});

describe('words of signals', () => {
  it('accuse nobody, in any language', () => {
    for (const [language, wrong] of [['en', /guilt|criminal|offender|culprit|fraud|illegal|straw man|straw men/i], ['de', /schuldig|kriminell|täter|betrug|illegal|strohmänn|strohleute/i], ['uk', /винн|злочин|шахра|незаконн/i]] as const) {
      const own = Object.entries(words(language)).filter(([key]) => /^(signal|signals|cases|case_act|case_state|weight|strength|behaviours|rate|worth)[._]/.test(key));
      expect(own.length).toBeGreaterThan(150);
      for (const [key, text] of own) {
        // Innocents are named, and that nobody is accused is said.
        if (key.startsWith('signal_else.') || key === 'cases.intro' || key === 'behaviours.intro' || key === 'behaviours.note') continue;
        expect(text, `${language} ${key}`).not.toMatch(wrong);
      }
    }
  });
  it('begin with a capital once', () => {
    expect(kindsWords(t, ['drone_flight', 'border_crossing'])).toBe("Flight like a drone's, border crossed");
    expect(kindsWords(t, ['something_new'])).toBe('Something new');
  });
  it('have values in the units of the reader', () => {
    const value = (name: string, number: number, unit: string, kind = 'convoy', as = prefer) => foundValue(kind, { name, value: number, unit }, t, as);
    expect(value('speed', 141.5, 'km/h')).toBe('142 km/h');
    expect(value('speed', 185.2, 'km/h', 'convoy', nautical)).toBe('100 kn');
    expect(value('apart', 41_250, 'm')).toBe('41.3 km');
    expect(value('time inside', 45, 's')).toBe('45 seconds');
    expect(value('time served', 12, 'min')).toBe('12 minutes');
    expect(value('time asleep', 93.4, 'd')).toBe('93 days');
    expect(value('straightness', 0.985, '1')).toBe('99%');
    expect(value('from its account', 0.12, '')).toBe('12%');
    expect(value('returns', 4, '1')).toBe('4');
    expect(value('at a front', 1, '', 'used_elsewhere')).toBe('yes');
    expect(value('at a front', 0, '', 'used_elsewhere')).toBe('no');
    expect(value('at a front', 3, '', 'straw_registration')).toBe('3');
    expect(value('something', 2.5, 'parsec')).toBe('2.5 parsec');
    expect([90, 5_400, 100_000, 864_000].map((each) => span(each, prefer))).toEqual(['90 seconds', '90 minutes', '28 hours', '10 days']);
    expect(foundWords(signal({ found: [{ name: 'terminals together', value: 14, unit: '' }, { name: 'new thing', value: 2, unit: '' }] }), t, prefer)).toBe('terminals together: 14; new thing: 2');
    expect(foundWords(signal({ found: [{ name: 'limit', value: 160, unit: 'km/h' }, { name: 'away', value: 0, unit: 'm' }] }), t, prefer)).toBe('limit: 160 km/h');
    expect(foundName('<b>', t)).toBe('<b>');
  });
  it('name what a signal belongs to', () => {
    expect(groupWords('account:ACC-1', t, prefer)).toBe('account ACC-1');
    expect(groupWords('border:PL-UA', t, prefer)).toBe('border PL-UA');
    expect(groupWords('convoy:29540000:ut:7', t, prefer)).toBe('driving together since 2026-03-01 21:20 UTC, first ut:7');
    expect(groupWords('convoy:x', t, prefer)).toBe('convoy:x');
    expect(groupWords('orbit:7', t, prefer)).toBe('orbit:7');
    expect(groupWords('place:{name}', t, prefer)).toBe('place {name}');
  });
  it('say how strong it is and how much a case weighs', () => {
    expect([0.95, 0.8, 0.6, 0.3].map((strength) => strengthWords(t, { strength, basis: 'rule_of_thumb' }, prefer))).toEqual(['strong', 'strong', 'medium', 'weak']);
    expect(strengthWords(t, { strength: 0.87, basis: 'calibrated' }, prefer)).toBe('87%');
    expect([0.95, 0.7, 0.4, 0.1].map(weightLevel)).toEqual(['very_much', 'much', 'some', 'little']);
  });
});

describe('how often a signal is wrong', () => {
  const measured = { false_alarms: 2, terminal_days: 30_045, per_day: 6.7e-5, upper95: 2.1e-4, on: 'tracks', recall: 0.94, posterior: 0.31 };
  const behaviour: Behaviour = { kind: 'convoy', cause: 'company', lasting_s: 3_600, basis: 'rule_of_thumb', measured, confirmed: 0, false_alarms: 0, undecided: 3 };
  it('never promises more than was measured', () => {
    for (const posterior of [0, 1e-5, 0.002, 0.0319, 0.1, 0.3, 0.5799, 0.94, 0.951, 0.999, 1]) {
      const { n, of } = worthOf(posterior);
      expect(n / of).toBeLessThanOrEqual(posterior + 1e-9);
      expect(n).toBeLessThan(of);
    }
    expect(worthOf(0.7)).toEqual({ n: 7, of: 10 });
    expect(worthOf(0.03)).toEqual({ n: 3, of: 100 });
    expect(worthOf(0.99)).toEqual({ n: 99, of: 100 });
    expect(worthOf(0.0001)).toEqual({ n: 0, of: 1_000 });
  });
  it('is said with its base rate, its count and its bound', () => {
    expect(worthWords(0.7, 1e-4, t, prefer)).toBe('If one terminal in 10,000 is misused so on a day, of 10 such signals at least 7 would be right.');
    expect(worthWords(0.0001, 1e-4, t, prefer)).toContain('perhaps none');
    expect(worthWords(null, 1e-4, t, prefer)).toBeNull();
    expect(worthWords(0.5, 0, t, prefer)).toBeNull();
    expect(rateWords(measured, t, prefer)).toBe('2 false in 30,045 days of terminals that did nothing of the kind: with 95 % confidence no more than one in 4,700 days of a terminal.');
    expect(rateWords(null, t, prefer)).toContain('Not measured');
    for (const upper95 of [3e-7, 2.1e-4, 0.0333, 0.99]) {
      const days = Number(/one in ([\d,.]+)/.exec(boundWords({ upper95 }, t, prefer))![1]!.replaceAll(',', ''));
      expect(days).toBeLessThanOrEqual(1 / upper95 + 1e-6);
      expect(days).toBeGreaterThan(0.89 / upper95);
    }
    expect(boundWords({ upper95: 2.34 }, t, prefer)).toBe('up to 2.4 a day for each terminal');
  });
  it('counts what persons decided', () => {
    expect(decidedWords(behaviour, t, prefer)).toContain('nothing about it yet (terminals that wait: 3)');
    expect(decidedWords({ ...behaviour, confirmed: 5, false_alarms: 2 }, t, prefer)).toBe('Persons here confirmed it for 5 terminals and found it false for 2; 3 are undecided.');
  });
});

describe('lists of cases', () => {
  it('ask for what the address says, and for nothing that is not there', () => {
    const asked = (text: string) => askedOf(new URLSearchParams(text));
    expect(asked('')).toEqual({ state: [], kind: null, terminal: null, assignee: null, hidden: null });
    expect(asked('state=all').state).toEqual(STATES);
    expect(asked('state=dismissed&kind=convoy&hidden=1')).toMatchObject({ state: ['dismissed'], kind: 'convoy', hidden: true });
    expect(asked('state=lost&kind=<b>&hidden=yes')).toMatchObject({ state: [], kind: null, hidden: null });
  });
  it('are gone through step by step', () => {
    const ids = ['a', 'b', 'c'];
    expect([stepTo(ids, null, 1), stepTo(ids, null, -1), stepTo(ids, 'a', 1), stepTo(ids, 'c', 1), stepTo(ids, 'a', -1), stepTo(ids, 'gone', 1), stepTo([], 'a', 1)]).toEqual(['a', 'c', 'b', 'c', 'a', 'a', null]);
  });
  it('are found by each of their signals, but for bad data', () => {
    expect(caseOf(signal({}))).toBe('/cases/case-0123456789abcdef');
    expect(caseOf(signal({ cause: 'data' }))).toBeNull();
  });
});

describe('one case', () => {
  const at = (minute: number) => `2026-03-02T10:${String(minute).padStart(2, '0')}:00Z`;
  const rows = [signal({ id: 'a', raised_at: at(0) }), signal({ id: 'b', terminal: 'ut-2', raised_at: at(1) }), signal({ id: 'c', kind: 'over_speed', raised_at: at(2) }), signal({ id: 'd', raised_at: at(5) })];
  it('tells what happened in order, and folds what is the same', () => {
    const acts = [{ id: 'x', at: at(3), by: 'ada', what: 'dismiss' as const, to: null, reason: 'innocent', covers: 3 }];
    const moments = momentsOf({ signals: rows, acts }, t, prefer, (act) => act.by);
    expect(moments.map((each) => each.at)).toEqual([at(0), at(2), at(3), at(5)]);
    expect(moments[0]!.title).toBe('2 × many terminals moving together');
    expect(moments[2]!.detail).toBe('nothing is wrong with it · covers 3 signals');
    expect(moments[3]!.detail).toBe('ut-1');
    expect(byKind(rows).map(([kind, of]) => [kind, of.length])).toEqual([['convoy', 3], ['over_speed', 1]]);
  });
  it('is drawn where its observations were, each place once', () => {
    const seen = { at: at(0), terminal: null, lat: 1, lon: 2 };
    const spots = spotsOf([signal({ observations: [seen, seen, { ...seen, terminal: 'ut-9' }] }), signal({ terminal: 'ut-3' }), signal({ terminal: 'ut-4', lat: null, lon: null })]);
    expect(spots).toEqual([{ terminal: 'ut-1', lat: 1, lon: 2 }, { terminal: 'ut-9', lat: 1, lon: 2 }, { terminal: 'ut-3', lat: 5, lon: 6 }]);
    expect(aroundOf(rows)).toEqual({ from: '2026-03-02T09:40:00.000Z', until: '2026-03-02T10:15:00.000Z' });
  });
});

describe('signals on the map', () => {
  const rows = [signal({ id: 'new', raised_at: '2026-03-02T10:30:00Z', until_at: '2026-03-02T11:30:00Z' }), signal({ id: 'old' }), signal({ id: 'nowhere', terminal: 'ut-2', lat: null }), signal({ id: 'past', terminal: 'ut-3', until_at: '2026-03-02T10:10:00Z' })];
  const ids = (ms: number | null) => counting(rows, ms).map((each) => each.id);
  it('are those that count then, once for each terminal and kind', () => {
    expect(ids(Date.parse('2026-03-02T10:40:00Z'))).toEqual(['new']);
    expect(ids(Date.parse('2026-03-02T10:05:00Z'))).toEqual(['old', 'past']);
    expect(ids(null)).toEqual(['new']);
    expect(ids(Date.parse('2026-03-03T00:00:00Z'))).toEqual([]);
    expect(counting([], null)).toEqual([]);
  });
});
