/** Lengths of time in words, and stretches of text. */
import type { Settings } from '../settings';

/** `3 days`, `2 hours`, `45 seconds`: the largest unit that is filled, in the reader's language. Seconds in. */
export function span(seconds: number | null | undefined, prefer: Pick<Settings, 'language'>): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  const size = Math.abs(seconds);
  const [value, unit] = size >= 2 * 86_400 ? [size / 86_400, 'day'] : size >= 2 * 3_600 ? [size / 3_600, 'hour'] : size >= 120 ? [size / 60, 'minute'] : [size, 'second'];
  return new Intl.NumberFormat(prefer.language, { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 0 }).format(value);
}

export interface Stretch {
  readonly text: string;
  /** Numbers of the marks that cover it. */
  readonly marks: readonly number[];
  readonly aside: boolean;
}

/** Cut a text where marks and asides begin and end. Offsets count code points, half-open, as the service's do. */
export function cut(text: string, marks: readonly (readonly [number, number])[], asides: readonly (readonly [number, number])[] = []): Stretch[] {
  const points = Array.from(text);
  const bounds = new Set([0, points.length]);
  for (const [start, end] of [...marks, ...asides]) {
    for (const at of [start, end]) if (at > 0 && at < points.length) bounds.add(at);
  }
  const sorted = [...bounds].sort((a, b) => a - b);
  const made: Stretch[] = [];
  for (let i = 0; i + 1 < sorted.length; i++) {
    const start = sorted[i]!;
    const end = sorted[i + 1]!;
    const covers = ([from, until]: readonly [number, number]) => from <= start && end <= until;
    made.push({ text: points.slice(start, end).join(''), marks: marks.flatMap((mark, n) => (covers(mark) ? [n] : [])), aside: asides.some(covers) });
  }
  return made;
}
