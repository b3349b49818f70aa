/** How answers look, everywhere: colour, shape and order. The same as on maps of the command line and in dossiers.
 *
 * Colours follow the palette of Okabe and Ito, which people with the common kinds of colour blindness can tell apart; every answer has
 * a shape of its own as well, and stands in words beside it.
 */
export type AnswerKey = 'serve' | 'restrict' | 'pending_registration' | 'degraded' | 'never_served' | 'review' | 'deny';
export type Shape = 'circle' | 'diamond' | 'plus' | 'down' | 'cross' | 'up' | 'square';

export interface Mark {
  readonly key: AnswerKey;
  readonly colour: string;
  readonly dark: string;
  readonly shape: Shape;
}

/** In the order in which they are drawn; later ones lie on top. */
export const MARKS: readonly Mark[] = [
  { key: 'serve', colour: '#0072b2', dark: '#4da3da', shape: 'circle' },
  { key: 'restrict', colour: '#e69f00', dark: '#f0b429', shape: 'diamond' },
  { key: 'pending_registration', colour: '#009e73', dark: '#2cc79b', shape: 'plus' },
  { key: 'degraded', colour: '#56b4e9', dark: '#8cd0f5', shape: 'down' },
  { key: 'never_served', colour: '#6b6b6b', dark: '#a8a8a8', shape: 'cross' },
  { key: 'review', colour: '#cc79a7', dark: '#e29bc4', shape: 'up' },
  { key: 'deny', colour: '#c8102e', dark: '#ff5a52', shape: 'square' },
];

export const KEYS: readonly AnswerKey[] = MARKS.map((mark) => mark.key);

export function markOf(key: string): Mark {
  return MARKS.find((mark) => mark.key === key) ?? MARKS[0]!;
}

/** The key of an answer: the service state where it says more than the outcome, else the outcome. */
export function answer(outcome: string, state: string | null | undefined): AnswerKey {
  const key = outcome === 'deny' || !state || state === 'normal' ? outcome : state;
  return (KEYS as readonly string[]).includes(key) ? (key as AnswerKey) : (outcome as AnswerKey);
}

/** Outline of a shape in a box from -10 to 10, as an SVG path. */
export const PATHS: Readonly<Record<Shape, string>> = {
  circle: 'M8 0A8 8 0 1 1-8 0A8 8 0 1 1 8 0Z',
  diamond: 'M0-10L10 0L0 10L-10 0Z',
  plus: 'M-3.2-9H3.2V-3.2H9V3.2H3.2V9H-3.2V3.2H-9V-3.2H-3.2Z',
  down: 'M-9.5-7.5H9.5L0 9.5Z',
  cross: 'M-5.6-9L0-3.4L5.6-9L9-5.6L3.4 0L9 5.6L5.6 9L0 3.4L-5.6 9L-9 5.6L-3.4 0L-9-5.6Z',
  up: 'M-9.5 7.5H9.5L0-9.5Z',
  square: 'M-8-8H8V8H-8Z',
};
