/** How something grew, drawn as one line; the figures stand in words beside it. */
import type { JSX } from 'preact';
import { number, time } from '../format';
import { useSettings } from '../settings';

export interface Point {
  readonly at: number;
  readonly value: number;
}

/** Corners of a staircase in a box of 100 by 100, y downwards; growth of a log happens in steps. */
export function stairs(points: readonly Point[]): [number, number][] {
  if (!points.length) return [];
  const from = points[0]!.at;
  const width = Math.max(1, points[points.length - 1]!.at - from);
  const most = Math.max(1, ...points.map((each) => each.value));
  const made: [number, number][] = [];
  let before: number | null = null;
  for (const point of points) {
    const x = (100 * (point.at - from)) / width;
    const y = 100 - (100 * point.value) / most;
    if (before !== null) made.push([x, before]);
    made.push([x, y]);
    before = y;
  }
  if (made.length === 1) made.push([100, made[0]![1]]);
  return made;
}

export function GrowthChart({ label, points }: { label: string; points: readonly Point[] }): JSX.Element {
  const prefer = useSettings();
  const corners = stairs(points);
  const path = corners.map(([x, y], i) => `${i ? 'L' : 'M'}${x.toFixed(3)} ${y.toFixed(3)}`).join('');
  const most = Math.max(0, ...points.map((each) => each.value));
  const first = points[0];
  const last = points[points.length - 1];
  const words = first && last ? `${label}: ${number(first.value, prefer)} (${time(first.at, prefer, 'minute')}) – ${number(last.value, prefer)} (${time(last.at, prefer, 'minute')})` : label;
  return (
    <div class="chart-box">
      <div class="chart-y" aria-hidden="true">
        <span>{number(most, prefer)}</span>
        <span>0</span>
      </div>
      <svg class="chart" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={words}>
        <line class="axis" x1="0" y1="100" x2="100" y2="100" />
        <line class="axis" x1="0" y1="50" x2="100" y2="50" />
        <line class="axis" x1="0" y1="0" x2="100" y2="0" />
        {path ? <path class="fill" d={`${path}L100 100L0 100Z`} /> : null}
        {path ? <path class="line" d={path} /> : null}
      </svg>
      <div class="chart-x" aria-hidden="true">
        <span>{first ? time(first.at, prefer, 'minute') : ''}</span>
        <span>{last ? time(last.at, prefer, 'minute') : ''}</span>
      </div>
    </div>
  );
}
