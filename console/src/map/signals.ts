/** Signals that count at an instant, on the map: for those who may read cases. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { getJson } from '../api/client';
import { useEvents, useInterval } from '../api/resource';
import type { Page } from '../api/types';
import type { SignalRow } from '../cases/types';
import type { LiveMap } from './canvas';
import { addLayers, hue, pointAt, put } from './overlay';

/** So many are read at most, the newest; the service gives no more in one answer. */
const MOST = 500;
const POLL_MS = 15_000;
const QUIET_POLL_MS = 60_000;
const AFTER_EVENT_MS = 2_000;
export const SIGNAL_LAYER = 'signals';
const EVENTS = ['signal.raised', 'signal.withdrawn'] as const;

/** Those that count at an instant and have a place; of one terminal and kind the newest alone. `ms` null: when the newest was raised. */
export function counting(rows: readonly SignalRow[], ms: number | null): SignalRow[] {
  const now = ms ?? Math.max(...rows.map((row) => Date.parse(row.raised_at)), Number.NEGATIVE_INFINITY);
  const found = new Map<string, SignalRow>();
  for (const row of rows) {
    const key = `${row.kind} ${row.terminal}`;
    if (row.lat === null || row.lon === null || found.has(key) || Date.parse(row.raised_at) > now || Date.parse(row.until_at) <= now) continue;
    found.set(key, row);
  }
  return [...found.values()];
}

/** Read and draw them while they are wanted; time is that of observations: `at`, or the newest observation, or the newest signal. */
export function useSignals(map: LiveMap | null, dark: boolean, on: boolean, at: string | null, newest: string | null, mayHear: boolean): { readonly rows: readonly SignalRow[]; readonly cut: boolean } {
  const [page, setPage] = useState<Page<SignalRow> | null>(null);
  const [turn, setTurn] = useState(0);
  const read = () => setTurn((n) => n + 1);
  useEffect(() => {
    if (!on) return undefined;
    const abort = new AbortController();
    getJson<Page<SignalRow>>('/v1/signals', { limit: MOST, until: at }, abort.signal).then(
      (found) => abort.signal.aborted || setPage(found),
      // The next reading may succeed; until then what was drawn stays.
      () => undefined,
    );
    return () => abort.abort();
  }, [on, at, turn]);
  const waiting = useRef(0);
  const connected = useEvents(EVENTS, () => {
    if (waiting.current) return;
    waiting.current = window.setTimeout(() => {
      waiting.current = 0;
      read();
    }, AFTER_EVENT_MS);
  }, on && at === null && mayHear);
  useInterval(read, on && at === null ? (connected ? QUIET_POLL_MS : POLL_MS) : null);
  const rows = useMemo(() => (on && page ? counting(page.items, at ?? newest ? Date.parse((at ?? newest)!) : null) : []), [on, page, at, newest]);
  useEffect(() => {
    if (!map) return;
    if (!on && !map.getSource(SIGNAL_LAYER)) return;
    const halo = dark ? '#0b1318' : '#ffffff';
    // A ring around the terminal's own mark, which stays readable: a signal is no answer.
    addLayers(map, SIGNAL_LAYER, [
      { id: 'signals-halo', type: 'circle', paint: { 'circle-radius': 11, 'circle-opacity': 0, 'circle-stroke-color': halo, 'circle-stroke-width': 5 } },
      { id: SIGNAL_LAYER, type: 'circle', paint: { 'circle-radius': 11, 'circle-opacity': 0, 'circle-stroke-color': hue(dark, 3), 'circle-stroke-width': 2.6 } },
    ]);
    put(map, SIGNAL_LAYER, rows.map((row) => pointAt(row.lon!, row.lat!, { terminal: row.terminal, kind: row.kind })));
  }, [map, rows, on, dark]);
  return { rows, cut: page !== null && page.next !== null };
}
