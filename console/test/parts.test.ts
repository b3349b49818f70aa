import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { address, Problem } from '../src/api/client';
import { ago, country, distance, inputValue, position, shortDigest, speed, time } from '../src/format';
import { only, readAnswer } from '../src/map/answers';
import { coastsOf, decode, unpack, type Packed } from '../src/map/basemap';
import { partsOf, ringName, ringRadius } from '../src/map/icons';
import { boxAround, EVERYWHERE, formatLook, inBox, parseLook } from '../src/map/place';
import { spanOf } from '../src/map/timebar';
import { pointsOf, unwrapped } from '../src/map/track';
import { answer, KEYS, MARKS } from '../src/marks';
import { tokenIn } from '../src/pages/login';
import { changesOf } from '../src/pages/terminal';
import { match } from '../src/router';
import { parseSettings } from '../src/settings';

const utc = { language: 'en', clock: 'utc', units: 'metric' } as const;

describe('format', () => {
  it('says instants by the clock chosen', () => {
    expect(time('2026-02-10T06:09:45Z', utc)).toBe('2026-02-10 06:09:45 UTC');
    expect(time('2026-02-10T00:00:00Z', utc, 'minute')).toBe('2026-02-10 00:00 UTC');
    expect(time('2026-02-10T06:09:45.123456789Z', utc, 'day')).toBe('2026-02-10');
    expect(time(null, utc)).toBe('');
    expect(time('not a time', utc)).toBe('not a time');
  });
  it('says how long ago', () => {
    const now = Date.parse('2026-02-10T06:00:00Z');
    expect(ago('2026-02-10T05:58:00Z', now, utc)).toBe('2 minutes ago');
    expect(ago('2026-02-12T06:00:00Z', now, { ...utc, language: 'de' })).toBe('übermorgen');
  });
  it('says places, distances and speeds', () => {
    expect(position(50.41704, -29.93148)).toBe('50.41704° N, 29.93148° W');
    expect(position(-0.5, 179.99999, 2)).toBe('0.50° S, 180.00° E');
    expect(position(null, 1)).toBe('');
    expect(distance(1_500, utc)).toBe('1.5 km');
    expect(distance(18_520, { ...utc, units: 'nautical' })).toBe('10 NM');
    expect(speed(10, utc)).toBe('36 km/h');
    expect(country('UA', { language: 'de' })).toBe('Ukraine');
    expect(country('nonsense', utc)).toBe('nonsense');
    expect(shortDigest(`sha256:${'a'.repeat(64)}`)).toBe('aaaaaaaaaaaa…');
    expect(inputValue(Date.UTC(2026, 1, 10, 6, 9))).toBe('2026-02-10T06:09');
  });
});

describe('router', () => {
  it('matches paths, and decodes what stands in them', () => {
    expect(match('/terminals/:id', '/terminals/ut%2F1%20x')).toEqual({ id: 'ut/1 x' });
    expect(match('/terminals/:id', '/terminals')).toBeNull();
    expect(match('/terminals', '/terminals/')).toEqual({});
    expect(match('/terminals/:id', '/terminals/%E0%A4%A')).toBeNull();
  });
  it('builds addresses', () => {
    expect(address('/v1/map', { outcome: ['deny', 'review'], at: null, zoom: 0, q: '' })).toBe('/v1/map?outcome=deny&outcome=review&zoom=0');
  });
  it('finds the token of a login link', () => {
    expect(tokenIn('http://127.0.0.1:8320/login#token=abc_DEF-123')).toBe('abc_DEF-123');
    expect(tokenIn('#token=a%2Bb')).toBe('a+b');
    expect(tokenIn('abcdefgh1234')).toBe('abcdefgh1234');
    expect(tokenIn('<script>')).toBeNull();
    expect(tokenIn('')).toBeNull();
  });
  it('keeps what a problem says', () => {
    expect(new Problem({ title: 'T', status: 404, detail: 'no such' }).message).toBe('no such');
    expect(new Problem({ title: 'T', status: 500 }).message).toBe('T');
  });
  it('takes only settings that there are', () => {
    expect(parseSettings({ language: 'xx', clock: 'local', units: 1, theme: 'dark', globe: 'yes' })).toMatchObject({ clock: 'local', units: 'metric', theme: 'dark', globe: false });
    expect(parseSettings(null).clock).toBe('utc');
  });
});

describe('answers', () => {
  it('say the state where it says more than the outcome, and never hide a denial', () => {
    expect(answer('restrict', 'never_served')).toBe('never_served');
    expect(answer('deny', 'degraded')).toBe('deny');
    expect(answer('serve', 'normal')).toBe('serve');
    expect(answer('serve', undefined)).toBe('serve');
  });
  it('have colours and shapes of their own', () => {
    for (const of of ['colour', 'dark', 'shape'] as const) expect(new Set(MARKS.map((mark) => mark[of])).size).toBe(MARKS.length);
  });
  it('stand out from both grounds at least 1.9 to 1, and by their edge', () => {
    const luminance = (hex: string) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0);
    const contrast = (a: string, b: string) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number]; return (x + 0.05) / (y + 0.05); };
    for (const mark of MARKS) {
      expect(contrast(mark.colour, '#ffffff'), mark.key).toBeGreaterThan(1.9);
      expect(contrast(mark.dark, '#182128'), mark.key).toBeGreaterThan(4.5);
    }
  });
  it('are counted, sifted and drawn from cells', () => {
    const zero = [0, 0];
    const seen = readAnswer({ version: 1, at: null, total: 12, in_view: 11, mode: 'cells', cells: { lon: [1, 2], lat: [3, 4], count: [10, 1], serve: [9, 0], restrict: zero, review: zero, deny: [1, 1], never_served: zero, degraded: zero, pending_registration: zero, west: [0, 0], south: [0, 0], east: [5, 5], north: [5, 5] } });
    expect(seen.counts).toMatchObject({ serve: 9, deny: 2, review: 0 });
    expect(seen.cells[0]?.box).toEqual([0, 0, 5, 5]);
    const denied = only(seen, new Set(['deny']));
    expect(denied.cells.map((cell) => cell.count)).toEqual([1, 1]);
    expect(only(seen, new Set(['serve'])).cells).toHaveLength(1);
    expect(only(seen, new Set(KEYS))).toBe(seen);
  });
  it('are read from points', () => {
    const seen = readAnswer({ version: 1, at: null, total: 2, in_view: 2, mode: 'points', points: { id: ['a', 'b'], lon: [1, 2], lat: [3, 4], outcome: ['restrict', 'deny'], state: ['never_served', 'normal'] } });
    expect(seen.points.map((point) => point.key)).toEqual(['never_served', 'deny']);
  });
  it('give a ring whole parts, and one to each answer that is there', () => {
    expect(partsOf([100_000, 1, 0])).toEqual([23, 1, 0]);
    expect(partsOf([0, 0])).toEqual([0, 0]);
    for (const counts of [[1, 1, 1, 1, 1, 1, 1], [1000, 1, 1, 1, 1, 1, 1], [5, 7, 0, 0, 0, 0, 9]]) expect(partsOf(counts).reduce((a, b) => a + b)).toBe(24);
    expect(ringRadius(1)).toBeLessThan(ringRadius(1_000));
    expect(ringName([3, 0, 0, 0, 0, 0, 1], '4')).toBe(`ring|${ringRadius(4)}|18.0.0.0.0.0.6|4`);
  });
  it('fold decisions to the moments of change, newest first', () => {
    const row = (at: string, outcome: 'serve' | 'deny') => ({ observed_at: at, decided_at: at, outcome, state: 'normal', rule: outcome, reason: 'r' });
    const rows = [row('2026-01-04T00:00:00Z', 'serve'), row('2026-01-03T00:00:00Z', 'deny'), row('2026-01-02T00:00:00Z', 'deny'), row('2026-01-01T00:00:00Z', 'serve')];
    const found = changesOf(rows, (key) => key, (each) => `#${each.observed_at}`, '2026-01-02T12:00:00Z');
    expect(found.map((each) => [each.at, each.mark, each.current])).toEqual([['2026-01-04T00:00:00Z', 'serve', false], ['2026-01-02T00:00:00Z', 'deny', true], ['2026-01-01T00:00:00Z', 'serve', false]]);
  });
});

describe('map', () => {
  it('keeps the view in the address', () => {
    const look = { lat: 50.123, lon: 30.5, zoom: 6.25 };
    expect(parseLook(formatLook(look))).toEqual(look);
    for (const text of [null, '', '1,2', 'a,b,c', '91,0,1', '0,0,99', '1,2,3,4']) expect(parseLook(text)).toBeNull();
  });
  it('asks for a box that may cross 180°, and for all where all is seen', () => {
    expect(boxAround({ west: -200, south: -80, east: 200, north: 80 }, 1)).toBe(EVERYWHERE);
    const box = boxAround({ west: 170, south: -10, east: 190, north: 10 }, 5);
    expect(box.west).toBeGreaterThan(box.east);
    expect([inBox(179, 0, box), inBox(-179, 0, box), inBox(0, 0, box), inBox(179, 50, box)]).toEqual([true, true, false, false]);
  });
  it('spans the slider over whole steps', () => {
    const [from, until] = spanOf(Date.UTC(2026, 1, 10, 6, 9, 45), null, 'day');
    expect([until - from, until % 60_000]).toEqual([86_400_000, 0]);
    expect(spanOf(1_000_000_000, 5, 'hour')[0]).toBe(0);
  });
  it('draws no line around the world where a track crosses 180°', () => {
    const point = (lon: number) => ({ observed_at: '', lat: 0, lon });
    expect(unwrapped([point(179), point(-179), point(178)]).map(([x]) => x)).toEqual([179, 181, 178]);
    expect(pointsOf({ observed_at: ['a', 'b'], lat: [1, null], lon: [2, null] })).toHaveLength(1);
  });
  it('unpacks differences', () => expect(unpack([1000, 2000, -500, 250], 1000)).toEqual([[1, 2], [0.5, 2.25]]));
  it('draws no coast along 180° or around the pole', () => {
    const ring = [[179, 0], [180, 1], [180, 2], [179, 3], [179, 0]];
    expect(coastsOf(ring)).toEqual([[[179, 0], [180, 1]], [[180, 2], [179, 3], [179, 0]]]);
  });
});

describe('the shipped basemap', () => {
  const text = readFileSync(new URL('../public/basemap/world.json', import.meta.url), 'utf8');
  const packed = JSON.parse(text) as Packed & { licence: string };
  const base = decode(packed);
  it('is small, credited and under its own licence', () => {
    expect(text.length).toBeLessThan(1_500_000);
    expect(packed.attribution).toContain('OpenStreetMap');
    expect(packed.licence).toBe('ODbL-1.0');
  });
  it('lies on the Earth, and no edge of it crosses the map: it is cut at 180°', () => {
    for (const feature of base.land.features) {
      for (const ring of feature.geometry.coordinates) {
        for (const [i, [x, y]] of ring.entries()) {
          expect(Math.abs(x!)).toBeLessThanOrEqual(180);
          expect(Math.abs(y!)).toBeLessThanOrEqual(90);
          // Only the closing line along the pole is longer than any coast.
          if (i && y! > -89.9 && ring[i - 1]![1]! > -89.9 && Math.abs(x! - ring[i - 1]![0]!) > 20) throw new Error(`an edge of ${x! - ring[i - 1]![0]!}° at ${x}, ${y}`);
        }
      }
    }
  });
  it('names every country once', () => {
    expect(new Set(packed.labels.map(([code]) => code)).size).toBe(packed.labels.length);
    expect(packed.labels.length).toBeGreaterThan(240);
  });
});
