/** Now, or an instant of the past: a slider with a mark where areas change, and a field for an exact time. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Icon } from '../components/basic';
import { inputValue, time } from '../format';
import { useWords } from '../i18n';
import { useSettings } from '../settings';

export const SPANS = { hour: [3_600_000, 15_000], day: [86_400_000, 60_000], month: [30 * 86_400_000, 3_600_000], year: [365 * 86_400_000, 86_400_000] } as const;
export type Span = keyof typeof SPANS;

/** What the slider spans: so long before the newest answer, and back to the instant shown if that is earlier; whole steps. */
export function spanOf(newest: number, at: number | null, span: Span): readonly [number, number] {
  const [length, step] = SPANS[span];
  const until = Math.ceil(Math.max(newest, at ?? newest) / step) * step;
  return [Math.floor(Math.min(until - length, at ?? until) / step) * step, until];
}

export function TimeBar({ at, newest, marks, demo, live = true, onChange }: {
  at: string | null;
  /** Observation time of the newest answer; null where there is none, undefined while it is asked for. */
  newest: string | null | undefined;
  /** Whether there is a present to follow. */
  live?: boolean;
  demo: boolean;
  marks: readonly number[];
  onChange: (at: string | null) => void;
}): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  // A demo watches its fleet for some minutes only.
  const [span, setSpan] = useState<Span>(demo ? 'hour' : 'day');
  const atMs = at === null ? null : Date.parse(at);
  const asking = newest === undefined && atMs === null;
  const [from, until] = spanOf(newest ? Date.parse(newest) : (atMs ?? Date.now()), atMs, span);
  const value = atMs ?? until;
  const set = (ms: number) => onChange(ms >= until ? null : new Date(ms).toISOString().replace('.000Z', 'Z'));
  return (
    <div class="map-box timebar" role="group" aria-label={t('map.time')}>
      {live ? (
        <button type="button" class="button live" aria-pressed={at === null} title={t('map.live_help')} onClick={() => onChange(null)}>
          <span class="live-dot" aria-hidden="true" />
          {t('map.live')}
        </button>
      ) : null}
      <select class="span" aria-label={t('map.span')} value={span} onChange={(event) => setSpan(event.currentTarget.value as Span)}>
        {(Object.keys(SPANS) as Span[]).map((each) => (
          <option value={each}>{t(`map.span_${each}`)}</option>
        ))}
      </select>
      <div class="slider">
        <input
          type="range"
          min={from}
          max={until}
          step={SPANS[span][1]}
          value={value}
          disabled={asking}
          aria-label={t('map.time_slider')}
          aria-valuetext={asking ? t('common.loading') : time(value, prefer)}
          onChange={(event) => set(Number(event.currentTarget.value))}
        />
        <span class="slider-marks" aria-hidden="true">
          {marks
            .filter((each) => each > from && each < until)
            .map((each) => (
              <button type="button" tabIndex={-1} title={time(each, prefer, 'minute')} style={{ left: `${((each - from) / (until - from)) * 100}%` }} onClick={() => set(each)} />
            ))}
        </span>
      </div>
      <output class="time-shown">
        <Icon name="clock" /> {asking ? t('common.loading') : time(atMs ?? (newest ? Date.parse(newest) : until), prefer)}
      </output>
      <input
        class="date"
        type="datetime-local"
        aria-label={`${t('map.time_at')} (UTC)`}
        title="UTC"
        max={inputValue(until)}
        value={asking ? '' : inputValue(value)}
        disabled={asking}
        onChange={(event) => {
          const ms = Date.parse(`${event.currentTarget.value}:00Z`);
          if (!Number.isNaN(ms)) set(ms);
        }}
      />
    </div>
  );
}
