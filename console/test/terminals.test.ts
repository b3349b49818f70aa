import { describe, expect, it } from 'vitest';
import { findAreas, namedAreas } from '../src/components/areas';
import { kindWords } from '../src/components/kind';
import { obligationWords } from '../src/components/obligation';
import { placeWords, windOf, type PlaceAnswer } from '../src/components/place';
import { duration, height, inSpeedUnit, ofSpeedUnit, speed } from '../src/format';
import { translate } from '../src/i18n';
import { askedOf, speedOf } from '../src/pages/terminals';
import type { Settings } from '../src/settings';

const t = translate('en');
const prefer = { language: 'en', clock: 'utc', units: 'metric', theme: 'light', globe: false } as Settings;
const nautical = { ...prefer, units: 'nautical' } as Settings;

describe('areas by name', () => {
  const rows = [
    { id: 'country:UA', kind: 'country', name: 'Ukraine' }, { id: 'country:DE', kind: 'country', name: 'Germany' },
    { id: 'country:GN', kind: 'country', name: 'Guinea' }, { id: 'country:GW', kind: 'country', name: 'Guinea-Bissau' },
    { id: 'country:CI', kind: 'country', name: 'Ivory Coast' }, { id: 'land', kind: 'land', name: 'Land' },
    { id: 'front-strip', kind: 'zone', name: 'Strip at the front (invented)' },
  ];
  const ids = (text: string, language: 'en' | 'de' | 'uk' = 'en') => findAreas(text, namedAreas(rows, language)).map((each) => each.id);
  it('are found in each language, by id, and without capitals or accents', () => {
    for (const name of ['Ukraine', ' ukraine ', 'Україна', 'УКРАЇНА', 'украіна', 'country:UA', 'COUNTRY:ua']) expect(ids(name), name).toEqual(['country:UA']);
    expect(ids('Deutschland')).toEqual(['country:DE']);
    expect(ids('cote d’ivoire'.replace('cote', 'CÔTE'))).toEqual(['country:CI']);
  });
  it('are found by the beginning of a name, then by any part; an exact name is meant alone', () => {
    expect(ids('germ')).toEqual(['country:DE']);
    expect(ids('guinea')).toEqual(['country:GN']);
    expect(ids('guin').sort()).toEqual(['country:GN', 'country:GW']);
    expect(ids('front')).toEqual(['front-strip']);
    expect(ids('invented')).toEqual(['front-strip']);
  });
  it('are not found by nonsense, and land is no area to look in', () => {
    for (const name of ['', '   ', 'atlantis', '<script>']) expect(ids(name), name).toEqual([]);
    expect(ids('land')).not.toContain('land');
  });
  it('are listed in the language of the reader', () => {
    expect(namedAreas(rows, 'de').map((each) => each.name)).toContain('Deutschland');
    expect(namedAreas(rows, 'uk').map((each) => each.name)).toContain('Україна');
  });
});

describe('what is asked for', () => {
  it('stands in the address, and nothing else is taken from it', () => {
    const asked = askedOf(new URLSearchParams('q=x&outcome=deny&faster=100&slower=-3&cursor=abc&plan='));
    expect(asked).toMatchObject({ q: 'x', outcome: 'deny', faster: '100', slower: null, plan: null });
    expect(Object.keys(asked)).not.toContain('cursor');
    for (const wrong of [null, '', ' ', '-1', 'fast', 'NaN', 'Infinity', '1e9']) expect(speedOf(wrong), String(wrong)).toBeNull();
    expect(speedOf('87.5')).toBe('87.5');
  });
  it('is typed in the unit that is read', () => {
    expect([inSpeedUnit(100, prefer), inSpeedUnit(185.2, nautical), ofSpeedUnit(100, nautical)]).toEqual([100, 100, 185.2]);
    expect([speed(41.1, prefer), speed(0.3, prefer), speed(51.444, nautical), height(640.4, prefer), height(304.8, nautical)]).toEqual(['148 km/h', '1.1 km/h', '100 kn', '640 m', '1,000 ft']);
  });
});

describe('words', () => {
  it('say as what a terminal is registered, and no more', () => {
    expect(kindWords({ plan: 'roam', purpose: 'civil', programmes: [], protected_class: null }, t)).toBe('Roam');
    expect(kindWords({ plan: null, purpose: 'military', programmes: ['rail', 'own_code'], protected_class: 'hospital' }, t)).toBe('no plan · rail · own code · hospital · military');
  });
  it('say what binds', () => {
    const said = ['max_down_mbit_s=1', 'retry_move_m=5000', 'retry_wait_s=3600', 'emergency_attempt=permitted', 'own_duty=some_thing', 'bare', '=', 'x=<b>'].map((each) => obligationWords(each, t, prefer));
    expect(said).toEqual(['at most 1 Mbit/s down', 'or after moving 5 km', 'try again after 1 hour', 'emergency calls may be tried', 'own duty: some thing', 'bare', '', 'x: <b>']);
    expect([duration(90, prefer), duration(86_400, prefer), duration(0, prefer), duration(120, { ...prefer, language: 'de' })]).toEqual(['90 seconds', '1 day', '0 seconds', '2 Minuten']);
  });
  it('say where a point is', () => {
    const place: PlaceAnswer = { lat: 49.6, lon: 36.6, areas: [{ id: 'country:UA', name: 'Ukraine', kind: 'country', country: 'UA' }], near: { name: 'Kharkiv', country: 'UA', distance_km: 51.3, bearing_deg: 139 } };
    expect(placeWords(place, t, prefer)).toBe('Ukraine, 51.3 km SE of Kharkiv');
    expect(placeWords({ ...place, near: { ...place.near!, distance_km: 3 } }, t, prefer)).toBe('Ukraine, at Kharkiv');
    expect(placeWords({ ...place, areas: [], near: null }, t, prefer)).toBe('High seas');
    expect(placeWords({ ...place, areas: [] }, t, prefer)).toBe('in no country, 51.3 km SE of Kharkiv (Ukraine)');
    expect([0, 22, 23, 90, 359, -45, 720].map(windOf)).toEqual(['n', 'n', 'ne', 'e', 'n', 'nw', 'n']);
  });
});
