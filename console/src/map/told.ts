/** What of a map's data changed since it was told last, so that only tiles with something new in them are made anew. */
import type { Feature } from 'geojson';

export interface Change<F extends Feature = Feature> {
  readonly remove: string[];
  readonly add: F[];
}

/** Features by their name, each as text; null if a name is there twice. */
export function named(features: readonly Feature[], by: string): ReadonlyMap<string, string> | null {
  const found = new Map(features.map((each) => [String(each.properties?.[by]), JSON.stringify([each.geometry, each.properties])]));
  return found.size === features.length ? found : null;
}

/** What is different from what was told before. */
export function changed<F extends Feature>(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>, features: readonly F[], by: string): Change<F> {
  return {
    remove: [...before.keys()].filter((name) => !now.has(name)),
    add: features.filter((each) => before.get(String(each.properties?.[by])) !== now.get(String(each.properties?.[by]))),
  };
}
