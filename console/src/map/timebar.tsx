/** Now, or an instant of the past: a slider with a mark where areas change, and a field for an exact time. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../components/basic';
import { inputValue, time } from '../format';
import { useWords } from '../i18n';
import { useSettings } from '../settings';

const DAY_MS = 86_400_000;
const STEP_MS = 60_000;

/** What the slider spans: from a day before the newest answer, or the first change of an area, to the newest. */
export function spanOf(newest: number, changes: readonly number[], at: number | null): readonly [number, number] {
  const until = Math.ceil(Math.max(newest, at ?? newest) / STEP_MS) * STEP_MS;
  const early = changes.filter((each) => each < until);
  const from = Math.min(until - DAY_MS, ...(early.length ? [early[0]! - DAY_MS] : []), ...(at === null ? [] : [at]));
  return [Math.floor(from / STEP_MS) * STEP_MS, until];
}

export function TimeBar({ at, newest, marks, onChange }: {
  at: string | null;
  newest: string | null;
  marks: readonly number[];
  onChange: (at: string | null) => void;
}): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [last, setLast] = useState<number | null>(null);
  // The newest answer is known only while the map is live.
  useEffect(() => {
    if (at === null && newest !== null) setLast(Date.parse(newest));
  }, [at, newest]);
  const atMs = at === null ? null : Date.parse(at);
  const [from, until] = spanOf(last ?? Date.now(), marks, atMs);
  const value = atMs ?? until;
  const set = (ms: number) => onChange(ms >= until ? null : new Date(ms).toISOString().replace('.000Z', 'Z'));
  return (
    <div class="map-box timebar" role="group" aria-label={t('map.time')}>
      <button type="button" class="button live" aria-pressed={at === null} title={t('map.live_help')} onClick={() => onChange(null)}>
        <span class="live-dot" aria-hidden="true" />
        {t('map.live')}
      </button>
      <div class="slider">
        <input
          type="range"
          min={from}
          max={until}
          step={STEP_MS}
          value={value}
          aria-label={t('map.time_slider')}
          aria-valuetext={time(value, prefer, 'minute')}
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
        <Icon name="clock" /> {time(value, prefer, 'minute')}
      </output>
      <input
        class="date"
        type="datetime-local"
        aria-label={`${t('map.time_at')} (UTC)`}
        title="UTC"
        max={inputValue(until)}
        value={inputValue(value)}
        onChange={(event) => {
          const ms = Date.parse(`${event.currentTarget.value}:00Z`);
          if (!Number.isNaN(ms)) set(ms);
        }}
      />
    </div>
  );
}
