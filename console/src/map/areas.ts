/** Areas of the rulebook on the map, in the versions that hold at an instant. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { getJson } from '../api/client';
import { useJson } from '../api/resource';
import type { AreaFeature, Page } from '../api/types';
import type { LiveMap } from './canvas';
import { isShape } from './overlay';

export interface AreaRow {
  id: string;
  kind: string;
  name: string;
  country?: string | null;
  valid_from: string | null;
  valid_until: string | null;
  versions?: number;
  source?: string;
  licence?: string;
  point_of_view?: string | null;
  service?: string;
  bounds?: number[];
}

const LIMIT = 500;
/** The world's countries are in the basemap; drawing 250 outlines over it shows nothing new. */
const NOT_DRAWN = new Set(['country', 'land']);

interface Features {
  features: AreaFeature[];
}

const instant = (value: unknown): number | null => {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? null : ms;
};

/** Load the areas that are drawn, all versions; show those that hold. Returns their number and the instants at which they change. */
export function useAreas(map: LiveMap | null, on: boolean, at: string | null): { count: number; changes: readonly number[] } {
  const kinds = useJson<Page<AreaRow>>('/v1/areas', { limit: LIMIT });
  const [features, setFeatures] = useState<readonly AreaFeature[]>([]);
  const wanted = useMemo(() => [...new Set((kinds.data?.items ?? []).map((area) => area.kind))].filter((kind) => !NOT_DRAWN.has(kind)).sort(), [kinds.data]);
  useEffect(() => {
    const abort = new AbortController();
    void Promise.all(wanted.map((kind) => getJson<Features>('/ogc/collections/areas/items', { kind, simplify: 0.002, limit: LIMIT }, abort.signal)))
      .then((found) => setFeatures(found.flatMap((each) => each.features).filter(isShape)))
      .catch(() => undefined);
    return () => abort.abort();
  }, [wanted.join(' ')]);

  const changes = useMemo(() => {
    const found = new Set<number>();
    for (const each of features) {
      for (const name of ['valid_from', 'valid_until']) {
        const ms = instant(each.properties[name]);
        if (ms !== null) found.add(ms);
      }
    }
    return [...found].sort((a, b) => a - b);
  }, [features]);

  const held = useMemo(() => {
    const now = at === null ? Date.now() : Date.parse(at);
    return features.filter((each) => {
      const from = instant(each.properties['valid_from']);
      const until = instant(each.properties['valid_until']);
      return (from === null || from <= now) && (until === null || now < until);
    });
  }, [features, at]);

  useEffect(() => {
    if (!map) return;
    void import('./canvas').then(({ setData }) =>
      setData(map, 'areas', {
        type: 'FeatureCollection',
        features: on
          ? held.map((each, i) => ({ type: 'Feature', geometry: each.geometry, properties: { fid: i, area: each.properties['id'] ?? each.id ?? '', kind: each.properties['kind'] ?? '' } }))
          : [],
      }),
    );
  }, [map, held, on]);
  return { count: held.length, changes };
}
