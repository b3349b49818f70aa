import { describe, expect, it } from 'vitest';
import type { Drawing } from '../src/api/sky';
import { away, between, footprint, hues, unbroken } from '../src/map/overlay';
import { endOf } from '../src/format';
import { boxOfCells, isOn, middleOf, sliderOf } from '../src/pages/interference';
import { newestEpoch, picksOne, placeOf, turned } from '../src/pages/satellites';
import { boxOf, couldHaveSeen, gradeOf, sizeOf } from '../src/pages/verification';

describe('places on the map of satellites', () => {
  it('are read from the address and nothing else is', () => {
    expect(placeOf('46.48,30.73')).toEqual({ lat: 46.48, lon: 30.73 });
    expect(placeOf('-90, 180')).toEqual({ lat: -90, lon: 180 });
    for (const wrong of [null, '', ',', '1', '1,', '1,2,3', '91,0', '0,181', 'NaN,0', 'Infinity,0', '1e400,0', '<b>,1']) expect(placeOf(wrong), String(wrong)).toBeNull();
  });
  it('stay what they are in any copy of the world', () => {
    expect([turned(190), turned(-190), turned(540), turned(30.5)]).toEqual([-170, 170, -180, 30.5]);
  });
  it('are what a click means while satellites lie close', () => {
    expect([picksOne(1.3, 1584), picksOne(3, 1584), picksOne(1.3, 66)]).toEqual([false, true, true]);
  });
  it('know the newest elements', () => {
    expect(newestEpoch([])).toBeNull();
    expect(newestEpoch([{ newest_epoch: '2026-06-03T05:00:00Z' }, { newest_epoch: '2026-06-05T05:00:00Z' }] as never)).toBe('2026-06-05T05:00:00Z');
  });
});

describe('lines over the map', () => {
  it('do not run around the world', () => {
    expect(unbroken([[179, 0], [-179, 0], [-178, 1]])).toEqual([[179, 0], [181, 0], [182, 1]]);
    expect(between([-179, 10], [178, 10])).toEqual([[-179, 10], [-182, 10]]);
  });
  it('reach as far as they say', () => {
    const [lon, lat] = away(10, 50, 0, 111.19);
    expect(lon).toBeCloseTo(10, 6);
    expect(lat).toBeCloseTo(51, 2);
  });
  it('show from where a satellite stands above an elevation', () => {
    // At 550 km and 25 degrees the ring has a radius of some 8.5 degrees.
    const ring = footprint(30, 0, 550, 25);
    expect(Math.max(...ring.map(([, y]) => y!))).toBeGreaterThan(8);
    expect(Math.max(...ring.map(([, y]) => y!))).toBeLessThan(9);
    expect(ring[0]![0]).toBeCloseTo(ring[ring.length - 1]![0]!, 6);
    expect(footprint(30, 0, 550, 90)).toEqual([]);
    // Around a pole it goes once around the world.
    const polar = footprint(0, 89, 550, 25);
    expect(Math.abs(polar[polar.length - 1]![0]! - polar[0]![0]!)).toBeCloseTo(360, 3);
  });
  it('have colours for both themes, all different', () => {
    for (const dark of [true, false]) expect(new Set(hues(dark)).size).toBe(8);
  });
});

describe('a verification drawn', () => {
  const drawing = {
    claim: { lon: 22.57, lat: 51.25, sigma_m: 5 },
    places: [{ lon: 35.71, lat: 47.25, weight: 1, major_95_m: 180, ellipse: [[35.709, 47.249], [35.711, 47.251]] }],
    satellites: [{ satellite: 1, name: 'x', used: true, why: null, grade: 'C raw', age_h: 1, range_km: 900, track: [[40, 50], [41, 51]], circle: [[0, 0], [80, 80]] }],
    feasible: null,
  } as unknown as Drawing;
  it('shows everything, or what is near', () => {
    expect(boxOf(drawing, 'whole')).toEqual([[22.57, 47.25], [41, 51.25]]);
    expect(boxOf(drawing, 'near')).toEqual([[35.709, 47.249], [35.711, 47.251]]);
    expect(boxOf({ ...drawing, claim: { lon: 35.74, lat: 47.25, sigma_m: 5 } }, 'near')![1][0]).toBe(35.74);
    expect(boxOf({ claim: null, places: [], satellites: [], feasible: null }, 'whole')).toBeNull();
  });
  it('says with what chance a lie would have shown, and nothing is certain', () => {
    const t = (key: string, values: Record<string, string> = {}) => `${key.split('.')[1]} ${Object.values(values).join(' ')}`.trim();
    const prefer = { language: 'en', units: 'metric', clock: 'utc' } as never;
    const said = (seen: Record<string, number | null>) => couldHaveSeen(seen, t as never, prefer);
    expect(said({ '1_km': 1, '5_km': 1, '100_km': 1 })).toEqual(['chance_from 1 km nearly']);
    expect(said({ '10_km': 0.9999, '1_km': 0.12, '5_km': 0.7 })).toEqual(['chance 1 km 12%', 'chance 5 km 70%', 'chance_from 10 km nearly']);
    expect(said({ '1_km': 1, '5_km': 0.5, '10_km': null })).toEqual(['chance 1 km nearly', 'chance 5 km 50%']);
    expect(said({ '<b>': 1 })).toEqual([]);
    expect([sizeOf('0.5_km'), sizeOf('200_m'), sizeOf('x_km'), sizeOf('')]).toEqual([500, 200, null, null]);
  });
  it('names orbits by letter and word', () => {
    const t = (key: string) => ({ 'grade.raw': 'public elements', 'grade.none': 'none' })[key] ?? key;
    expect(gradeOf('C raw', t as never)).toBe('C: public elements');
    expect(gradeOf('none', t as never)).toBe('none');
  });
});

describe('disturbed cells', () => {
  const cell = (from: string, until: string) => ({ h3_cell: '832d33fffffffff', kind: 'jump', from, until, terminals: 41, share: 0.8 });
  const one = cell('2026-06-03T04:10:00Z', '2026-06-03T04:31:00Z');
  it('are there from when they were known until they end, and all of them at any time', () => {
    expect(isOn(one, null)).toBe(true);
    expect([Date.parse(one.from) - 1, Date.parse(one.from), Date.parse(one.until) - 1, Date.parse(one.until)].map((at) => isOn(one, at))).toEqual([false, true, true, false]);
  });
  it('span what the slider offers', () => {
    expect(sliderOf([])).toBeNull();
    const [from, until] = sliderOf([one, cell('2026-06-03T05:00:00Z', '2026-06-03T06:10:00Z')])!;
    expect(from).toBeLessThan(Date.parse(one.from));
    expect(until).toBeGreaterThan(Date.parse('2026-06-03T06:10:00Z'));
    expect([from % 15_000, until % 15_000]).toEqual([0, 0]);
  });
  it('end on the day they began, or say which', () => {
    expect(endOf('2026-02-10 06:20 UTC', '2026-02-10 06:35 UTC')).toBe('06:35 UTC');
    expect(endOf('2026-02-10 23:50 UTC', '2026-02-11 00:05 UTC')).toBe('2026-02-11 00:05 UTC');
  });
  it('have a middle, also beside 180°', () => {
    const box = (west: number, east: number) => ({ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [[[west, 10], [east, 10], [east, 20], [west, 20], [west, 10]]] } }) as never;
    expect([middleOf(box(30, 40)), middleOf(box(179, 183))]).toEqual(['15.000,35.000', '15.000,-179.000']);
  });
  it('are shown whole', () => {
    const at = (coordinates: unknown) => ({ type: 'Feature', properties: {}, geometry: { type: 'MultiPolygon', coordinates } }) as never;
    expect(boxOfCells([])).toBeNull();
    expect(boxOfCells([at([[[[1, 2], [3, 4]]], [[[-5, 0], [0, 9]]]])])).toEqual([[-5, 0], [3, 9]]);
  });
});
