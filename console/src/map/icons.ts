/** Pictures that the map draws: marks of answers, rings of shares, names of countries. Drawn here, so that no glyphs are fetched. */
import { KEYS, MARKS, PATHS, type AnswerKey } from '../marks';

/** Pixels of a picture for each of the page; each map tile carries copies of its pictures, so no more than can be seen. */
export const RATIO = typeof window === 'undefined' || window.devicePixelRatio > 1 ? 2 : 1.5;
const PARTS = 24;

export interface Colours {
  readonly dark: boolean;
  readonly ink: string;
  readonly ground: string;
  readonly halo: string;
}

export function coloursFor(dark: boolean): Colours {
  return dark
    ? { dark, ink: '#e7eef2', ground: '#182128', halo: '#0d1418' }
    : { dark, ink: '#18222a', ground: '#ffffff', halo: '#ffffff' };
}

export function colourOf(key: AnswerKey, dark: boolean): string {
  const mark = MARKS.find((each) => each.key === key)!;
  return dark ? mark.dark : mark.colour;
}

function canvas(width: number, height: number): CanvasRenderingContext2D {
  const element = document.createElement('canvas');
  element.width = Math.ceil(width * RATIO);
  element.height = Math.ceil(height * RATIO);
  const context = element.getContext('2d', { willReadFrequently: true })!;
  context.scale(RATIO, RATIO);
  return context;
}

const data = (context: CanvasRenderingContext2D) => context.getImageData(0, 0, context.canvas.width, context.canvas.height);

/** Line around a mark: yellow and sky blue alone would not stand out from light ground. */
const edge = (colours: Colours) => (colours.dark ? 'rgb(255 255 255 / 25%)' : 'rgb(0 0 0 / 50%)');

/** A terminal: the shape of its answer, edged so that it stands out from land, sea and its neighbours. */
export function markImage(key: AnswerKey, colours: Colours): ImageData {
  const size = 18;
  const context = canvas(size, size);
  context.translate(size / 2, size / 2);
  context.scale(0.62, 0.62);
  const path = new Path2D(PATHS[MARKS.find((each) => each.key === key)!.shape]);
  context.lineWidth = 3;
  context.lineJoin = 'round';
  context.strokeStyle = colours.halo;
  context.stroke(path);
  context.fillStyle = colourOf(key, colours.dark);
  context.fill(path);
  context.lineWidth = 1.3;
  context.strokeStyle = edge(colours);
  context.stroke(path);
  return data(context);
}

/** Shares of a ring in whole parts; what is there at all gets at least one, so that no denial vanishes in a crowd. */
export function partsOf(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (!total) return counts.map(() => 0);
  const parts = counts.map((n) => (n ? Math.max(1, Math.round((n / total) * PARTS)) : 0));
  const largest = parts.indexOf(Math.max(...parts));
  parts[largest]! += PARTS - parts.reduce((sum, n) => sum + n, 0);
  return parts;
}

/** Radius of a ring for so many terminals [CSS pixel]. */
export function ringRadius(count: number): number {
  return Math.min(30, Math.round(11 + 4.2 * Math.log10(Math.max(1, count))));
}

export function ringName(counts: readonly number[], label: string): string {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return `ring|${ringRadius(total)}|${partsOf(counts).join('.')}|${label}`;
}

export function ringImage(name: string, colours: Colours): ImageData | null {
  const [, radiusText, partsText, label = ''] = name.split('|');
  const radius = Number(radiusText);
  const parts = (partsText ?? '').split('.').map(Number);
  if (!(radius > 0 && radius <= 40) || parts.length !== KEYS.length) return null;
  const size = 2 * radius + 4;
  const context = canvas(size, size);
  const middle = size / 2;
  context.beginPath();
  context.arc(middle, middle, radius + 1, 0, 2 * Math.PI);
  context.fillStyle = colours.halo;
  context.fill();
  let from = -Math.PI / 2;
  for (const [i, n] of parts.entries()) {
    if (!n) continue;
    const to = from + (n / PARTS) * 2 * Math.PI;
    context.beginPath();
    context.moveTo(middle, middle);
    context.arc(middle, middle, radius, from, to);
    context.closePath();
    context.fillStyle = colourOf(KEYS[i]!, colours.dark);
    context.fill();
    if (n < PARTS) {
      context.strokeStyle = colours.halo;
      context.lineWidth = 1;
      context.stroke();
    }
    from = to;
  }
  context.beginPath();
  context.arc(middle, middle, radius, 0, 2 * Math.PI);
  context.strokeStyle = edge(colours);
  context.lineWidth = 1;
  context.stroke();
  context.beginPath();
  context.arc(middle, middle, radius * 0.66, 0, 2 * Math.PI);
  context.fillStyle = colours.ground;
  context.fill();
  context.fillStyle = colours.ink;
  context.font = `600 ${radius < 16 ? 9 : radius < 21 ? 10.5 : 12}px system-ui, "Noto Sans", "DejaVu Sans", sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(label, middle, middle + 0.5);
  return data(context);
}

/** The name of a country, in the reader's language. */
export function nameImage(text: string, rank: number, colours: Colours): ImageData {
  const size = rank <= 1 ? 12.5 : rank <= 3 ? 11.5 : 10.5;
  const font = `500 ${size}px system-ui, "Noto Sans", "DejaVu Sans", sans-serif`;
  const measure = canvas(1, 1);
  measure.font = font;
  const width = measure.measureText(text).width + 8;
  const context = canvas(width, size + 8);
  context.font = font;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineWidth = 3;
  context.lineJoin = 'round';
  context.strokeStyle = colours.dark ? 'rgb(24 33 40 / 85%)' : 'rgb(250 248 242 / 90%)';
  context.strokeText(text, width / 2, (size + 8) / 2);
  context.fillStyle = colours.dark ? '#9aaab5' : '#5b6770';
  context.fillText(text, width / 2, (size + 8) / 2);
  return data(context);
}
