/** What every page with a map has: the map, what is said while there is none, its tools, its foot; and the small map within a page. */
import type { ComponentChildren, JSX } from 'preact';
import { Choice, Icon, Loading } from '../components/basic';
import { useWords } from '../i18n';
import { setQuery } from '../router';
import { change, useSettings } from '../settings';
import { GLOBE, WORLD } from './place';
import type { UsedMap } from './use_map';

/** A map as large as there is room for, with what stands on it. What stands `below` takes its room from the map and never covers it. */
export function MapHolder({ of, waiting = true, below, children }: { of: UsedMap; waiting?: boolean; below?: ComponentChildren; children: ComponentChildren }): JSX.Element {
  const t = useWords();
  const { holder, painted, cannotDraw, problem } = of;
  return (
    <div class="map-stage">
      <div class="map-view">
        <div class="map-holder" ref={holder} />
        {cannotDraw ? (
          <p class="note warn map-wait">{t('map.no_webgl')}</p>
        ) : !painted && !problem && waiting ? (
          <div class="map-wait">
            <Loading />
          </div>
        ) : null}
        {children}
      </div>
      {below}
    </div>
  );
}

/** Globe or flat, nearer, farther, the whole world, and what else a page can do with its map. */
export function MapTools({ of, projection = true, children }: { of: UsedMap; projection?: boolean; children?: ComponentChildren }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { map } = of;
  const whole = (globe: boolean) => {
    const look = globe ? GLOBE : WORLD;
    map?.jumpTo({ center: [look.lon, look.lat], zoom: look.zoom });
  };
  return (
    <div class="map-tools">
      {projection ? (
        <Choice
          label={t('map.projection')}
          hideLabel
          value={prefer.globe ? 'globe' : 'flat'}
          options={[['globe', t('map.globe')], ['flat', t('map.flat')]]}
          onChange={(value) => {
            change({ globe: value === 'globe' });
            if (map && map.getZoom() < 3) whole(value === 'globe');
          }}
        />
      ) : null}
      <MapZoom of={of} whole={() => whole(projection && prefer.globe)} />
      {children}
    </div>
  );
}

function MapZoom({ of: { map }, whole }: { of: Pick<UsedMap, 'map'>; whole?: () => void }): JSX.Element {
  const t = useWords();
  return (
    <div class="map-zoom">
      <button type="button" class="icon-button" aria-label={t('map.zoom_in')} title={t('map.zoom_in')} onClick={() => map?.zoomIn()}>
        <span aria-hidden="true">+</span>
      </button>
      <button type="button" class="icon-button" aria-label={t('map.zoom_out')} title={t('map.zoom_out')} onClick={() => map?.zoomOut()}>
        <span aria-hidden="true">−</span>
      </button>
      {whole ? (
        <button type="button" class="icon-button" aria-label={t('map.whole')} title={t('map.whole')} onClick={whole}>
          <Icon name="public" />
        </button>
      ) : null}
    </div>
  );
}

/** The address has a time that is none: say so, rather than show another time without a word. */
export function WrongTime({ text }: { text: string }): JSX.Element {
  const t = useWords();
  return (
    <div class="map-problem">
      <p class="note warn" role="alert">
        {t('map.wrong_time', { text })}{' '}
        <button type="button" class="button link" onClick={() => setQuery({ at: null })}>
          {t('map.right_time')}
        </button>
      </p>
    </div>
  );
}

/** The foot of a map: time, and from whom the borders are. */
export function MapFoot({ children }: { children?: ComponentChildren }): JSX.Element {
  const t = useWords();
  return (
    <div class="map-foot">
      {children}
      <p class="map-credit">
        <a href="https://www.openstreetmap.org/copyright" target="_blank" rel="noreferrer">
          {t('map.attribution')}
        </a>
      </p>
    </div>
  );
}

/** A map in a page that scrolls; `tools` stand in its corner. */
export function SmallMap({ of, kind, ready = of.map !== null, tools }: { of: UsedMap; kind?: string; ready?: boolean; tools?: ComponentChildren }): JSX.Element {
  const t = useWords();
  if (of.cannotDraw) return <p class="note warn">{t('map.no_webgl')}</p>;
  return (
    <div class={`track-map${kind ? ` ${kind}` : ''}`}>
      <div class="track-holder" ref={of.holder} />
      {ready ? null : <Loading />}
      {tools ? (
        <div class="drawn-tools">
          {tools}
          <MapZoom of={of} />
        </div>
      ) : null}
      <div class="track-credit">{t('map.attribution')}</div>
    </div>
  );
}
