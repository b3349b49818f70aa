/** Keeps a map that moves from stuttering where it is drawn slowly, as without a graphics card: fewer pixels while it moves, all at rest. */
import type { Map as LiveMap } from 'maplibre-gl';

/** Shares of the screen's pixels along each side, from the finest; each next one halves their number. */
export const STEPS = [1, 0.7, 0.5] as const;
/** A frame that takes longer is slow [ms]: below 30 a second. */
const SLOW_MS = 34;
/** One that takes no longer is quick: finer ones might be bearable. */
const QUICK_MS = 14;
/** So many more slow frames than others lead to fewer pixels, so many quick ones in a row to more. */
const SLOW_FRAMES = 3;
const QUICK_FRAMES = 90;
/** A longer one says that something else was in the way [ms]. */
const ODD_MS = 1_500;
/** So long after a movement all pixels are drawn [ms]; a hand that moves again sooner waits for nothing. */
const REST_MS = 400;

/** Which step a map that moves is drawn at, learned from how long its frames take. */
export class Pace {
  #step = 0;
  #slow = 0;
  #quick = 0;

  get share(): number {
    return STEPS[this.#step]!;
  }

  /** A frame was drawn so long after the one before [ms]; tells whether the step changed. */
  frame(ms: number): boolean {
    if (ms > ODD_MS) return false;
    this.#slow = ms > SLOW_MS ? this.#slow + 1 : Math.max(0, this.#slow - 1);
    this.#quick = ms <= QUICK_MS ? this.#quick + 1 : 0;
    const before = this.#step;
    if (this.#slow >= SLOW_FRAMES) this.#step = Math.min(STEPS.length - 1, before + 1);
    else if (this.#quick >= QUICK_FRAMES) this.#step = Math.max(0, before - 1);
    if (this.#step !== before || this.#slow >= SLOW_FRAMES) this.#slow = this.#quick = 0;
    return this.#step !== before;
  }
}

/** Watch a map until it is removed. */
export function keepPace(map: LiveMap): void {
  const pace = new Pace();
  let last = 0;
  let switching = false;
  let rest = 0;
  const draw = (share: number) => {
    const ratio = window.devicePixelRatio * share;
    if (map.getPixelRatio() === ratio) return;
    switching = true;
    map.setPixelRatio(ratio);
    // What is drawn goes when its size changes; without this an empty frame would be seen.
    map.redraw();
    switching = false;
  };
  map.on('render', () => {
    if (switching) return;
    const now = performance.now();
    if (!map.isMoving()) {
      last = 0;
      return;
    }
    if (last) pace.frame(now - last);
    last = now;
    // Not while a frame is being drawn.
    if (map.getPixelRatio() !== window.devicePixelRatio * pace.share) queueMicrotask(() => map.isMoving() && draw(pace.share));
  });
  map.on('movestart', () => {
    if (switching) return;
    last = 0;
    window.clearTimeout(rest);
  });
  map.on('moveend', () => {
    if (switching) return;
    window.clearTimeout(rest);
    rest = window.setTimeout(() => map.isMoving() || draw(1), REST_MS);
  });
  map.on('remove', () => window.clearTimeout(rest));
}
