/** Only what changed is told to the map, and what comes of it is the same. */
import { describe, expect, it } from 'vitest';
import { cellFeatures, pointFeatures, type CellRow, type PointRow } from '../src/map/answers';
import { changed, named } from '../src/map/told';

const compact = new Intl.NumberFormat('en', { notation: 'compact' });
const cell = (key: string, lon: number, count: number): CellRow => ({ key, lon, lat: 5, count, counts: [count, 0, 0, 0, 0, 0, 0], box: [0, 0, 8, 8] });
const point = (id: string, lon: number): PointRow => ({ id, lon, lat: 5, key: 'serve' });

describe('what is told to the map', () => {
  it('is nothing where nothing changed, and a ring stays where it is while those in it move a little', () => {
    const before = cellFeatures([cell('a', 4, 10), cell('b', 4.5, 3)], compact).features;
    const now = cellFeatures([cell('b', 4.51, 3), cell('a', 4.01, 10)], compact).features;
    expect(changed(named(before, 'cell')!, named(now, 'cell')!, now, 'cell')).toEqual({ remove: [], add: [] });
  });

  it('is what came, what went and what is different', () => {
    const before = pointFeatures([point('stays', 1), point('moves', 2), point('goes', 3)]).features;
    const now = pointFeatures([point('stays', 1), point('moves', 2.5), point('comes', 4)]).features;
    const change = changed(named(before, 'id')!, named(now, 'id')!, now, 'id');
    expect(change.remove).toEqual(['goes']);
    expect(change.add.map((each) => each.properties!['id'])).toEqual(['moves', 'comes']);
    // As the map applies it: what it then has is what is there now.
    const held = new Map(before.map((each) => [each.properties!['id'] as string, each]));
    for (const id of change.remove) held.delete(id);
    for (const each of change.add) held.set(each.properties!['id'] as string, each);
    expect(named([...held.values()], 'id')).toEqual(named(now, 'id'));
  });

  it('is everything where two have one name', () => {
    expect(named(pointFeatures([point('a', 1), point('a', 2)]).features, 'id')).toBeNull();
  });
});
