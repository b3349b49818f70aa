/** A map in a page: made once it can be drawn, made anew when its colours or the language of its names change, with the view kept. */
import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../api/client';
import { isDark, useSettings } from '../settings';
import type { LiveMap } from './canvas';
import type { Look } from './place';

export interface UsedMap {
  readonly holder: RefObject<HTMLDivElement | null>;
  readonly map: LiveMap | null;
  /** Whether it has been drawn whole once: until then parts of it may be empty. */
  readonly painted: boolean;
  readonly dark: boolean;
  readonly cannotDraw: boolean;
  readonly problem: Problem | null;
}

/** `when` is false as long as there is nothing to show; without `wheel` the wheel belongs to the page that scrolls. */
export function useMap({ look, label, globe = false, wheel = true, when = true }: { look: () => Look; label: string; globe?: boolean; wheel?: boolean; when?: boolean }): UsedMap {
  const prefer = useSettings();
  const holder = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<LiveMap | null>(null);
  const [painted, setPainted] = useState(false);
  const [cannotDraw, setCannotDraw] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const last = useRef<Look | null>(null);
  const dark = isDark(prefer.theme);
  useEffect(() => {
    if (!when) return undefined;
    let gone = false;
    let made: LiveMap | null = null;
    void import('./canvas').then(async (canvas) => {
      if (gone || !holder.current) return;
      if (!canvas.canDraw()) {
        setCannotDraw(true);
        return;
      }
      try {
        made = await canvas.createMap({ container: holder.current, look: last.current ?? look(), dark, globe, language: prefer.language, label, names: true });
      } catch (error) {
        setProblem(new Problem({ title: String(error), status: 0 }));
        return;
      }
      if (gone) {
        made.remove();
        return;
      }
      if (!wheel) made.scrollZoom.disable();
      made.once('idle', () => gone || setPainted(true));
      setMap(made);
      // For end-to-end tests: they ask the map what it has drawn.
      (window as unknown as { groundruleMap?: LiveMap }).groundruleMap = made;
    });
    return () => {
      gone = true;
      if (made) {
        const centre = made.getCenter();
        last.current = { lat: centre.lat, lon: centre.lng, zoom: made.getZoom() };
      }
      setMap(null);
      setPainted(false);
      made?.remove();
      // A map that was being made while its page went away leaves its parts in the holder.
      holder.current?.replaceChildren();
    };
  }, [dark, prefer.language, when]);
  useEffect(() => {
    if (map) void import('./canvas').then(({ showGlobe }) => showGlobe(map, globe));
  }, [map, globe]);
  return { holder, map, painted, dark, cannotDraw, problem };
}
