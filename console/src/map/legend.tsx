/** What the marks of a map mean, in a box that folds; folded at first where there is little room. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Icon } from '../components/basic';

export function MapLegend({ title, summary, children }: { title: string; summary?: ComponentChildren; children: ComponentChildren }): JSX.Element {
  const [open, setOpen] = useState(() => window.innerWidth > 700);
  return (
    <div class={`map-box map-legend${open ? '' : ' folded'}`}>
      <div class="map-legend-head">
        <h2>{title}</h2>
        <button type="button" class="icon-button small" aria-expanded={open} aria-label={title} onClick={() => setOpen(!open)}>
          <Icon name={open ? 'down' : 'right'} />
        </button>
      </div>
      {summary ? (
        <p class="map-summary" role="status">
          {summary}
        </p>
      ) : null}
      {open ? children : null}
    </div>
  );
}

/** One mark with its words and figure; pressed while it is drawn. */
export function LegendRow({ mark, words, figure, pressed, title, onPress }: {
  mark: ComponentChildren;
  words: ComponentChildren;
  figure: ComponentChildren;
  pressed: boolean;
  title?: string;
  onPress: () => void;
}): JSX.Element {
  return (
    <button type="button" class="legend-row" aria-pressed={pressed} title={title} onClick={onPress}>
      {mark}
      <span class="legend-name">{words}</span>
      <span class="figure">{figure}</span>
    </button>
  );
}

/** A colour of a map beside its words. */
export function Swatch({ colour, shape }: { colour: string; shape: 'dot' | 'ring' | 'line' | 'thick' }): JSX.Element {
  return (
    <svg class="swatch" width="18" height="12" viewBox="0 0 18 12" aria-hidden="true" focusable="false">
      {shape === 'dot' ? <circle cx="9" cy="6" r="4.5" fill={colour} /> : shape === 'ring' ? <circle cx="9" cy="6" r="4" fill="none" stroke={colour} stroke-width="2.2" /> : <path d="M1 6h16" stroke={colour} stroke-width={shape === 'line' ? 1.5 : 3.5} />}
    </svg>
  );
}
