/** What was chosen on the map: a terminal in short, or an area with its versions. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useJson } from '../api/resource';
import type { Explanation, TerminalAnswer } from '../api/types';
import { Badge, Facts, Fetched, Icon, Loading, ProblemNote, Time } from '../components/basic';
import { Timeline } from '../components/table';
import { areaName } from '../components/areas';
import { OfTerminal } from '../cases/of_terminal';
import { position } from '../format';
import { codeWord, useWords } from '../i18n';
import { useMay } from '../session';
import { useSettings } from '../settings';
import type { AreaRow } from './areas';

export function SidePanel({ terminal, area, at, onPlace, onFly, onClose }: {
  terminal: string | null;
  area: string | null;
  at: string | null;
  onPlace: (lat: number | null, lon: number | null) => void;
  onFly: (lat: number, lon: number) => void;
  onClose: () => void;
}): JSX.Element {
  const t = useWords();
  return (
    <aside class="map-side" aria-label={t('map.side')}>
      <button type="button" class="icon-button side-close" aria-label={t('common.close')} onClick={onClose}>
        <Icon name="close" />
      </button>
      {terminal ? <TerminalSummary id={terminal} at={at} onPlace={onPlace} onFly={onFly} /> : area ? <AreaSummary id={area} /> : null}
    </aside>
  );
}

function TerminalSummary({ id, at, onPlace, onFly }: { id: string; at: string | null; onPlace: (lat: number | null, lon: number | null) => void; onFly: (lat: number, lon: number) => void }): JSX.Element {
  const t = useWords();
  const { language } = useSettings();
  const mayCases = useMay('cases:read');
  const path = `/v1/terminals/${encodeURIComponent(id)}`;
  const found = useJson<TerminalAnswer>(path);
  const why = useJson<Explanation>(`${path}/explanation`, { at, language });
  const lat = why.data?.position?.lat_deg ?? found.data?.lat ?? null;
  const lon = why.data?.position?.lon_deg ?? found.data?.lon ?? null;
  useEffect(() => onPlace(lat, lon), [lat, lon, onPlace]);
  const href = `/terminals/${encodeURIComponent(id)}${at ? `?at=${encodeURIComponent(at)}` : ''}`;
  return (
    <>
      <p class="quiet">{t('terminal.id')}</p>
      <h2 class="side-title">{id}</h2>
      {why.problem ? <ProblemNote problem={why.problem} retry={why.reload} /> : null}
      {why.data ? (
        <>
          <p class="verdict-line">
            <Badge outcome={why.data.outcome} state={why.data.state} />
          </p>
          <p class="sentence">{why.data.sentence ?? why.data.reason_sentence ?? codeWord(t, 'reason', why.data.reason)}</p>
          <p>
            <a class="button primary" href={href}>
              {t('map.open_terminal')}
            </a>
          </p>
          <Facts
            of={[
              [t('terminal.observed'), <Time at={why.data.observed_at ?? why.data.at} />],
              [t('terminal.place'), lat === null || lon === null ? t('terminal.unknown_place') : <button type="button" class="button link" onClick={() => onFly(lat, lon)}>{position(lat, lon, 4)}</button>],
              [t('terminal.areas'), why.data.areas?.filter((each) => each.id !== 'land').map((each) => areaName(each, language)).join(', ')],
              [t('terminal.rule'), why.data.rule && why.data.rule !== 'default' ? `${why.data.rule}${why.data.applied?.[0] ? `: ${why.data.applied[0].title}` : ''}` : null],
              [t('terminal.basis'), why.data.basis],
            ]}
          />
          {mayCases ? <OfTerminal id={id} /> : null}
        </>
      ) : why.problem ? null : (
        <Loading />
      )}
    </>
  );
}

function AreaSummary({ id }: { id: string }): JSX.Element {
  const t = useWords();
  const { language } = useSettings();
  const versions = useJson<AreaRow[] | { items: AreaRow[] }>(`/v1/areas/${encodeURIComponent(id)}/versions`);
  return (
    <Fetched of={versions}>
      {(data) => {
        const rows = Array.isArray(data) ? data : data.items;
        const newest = rows[rows.length - 1];
        return (
          <>
            <p class="quiet">{t('map.area')}</p>
            <h2 class="side-title">{newest ? newest.name : areaName({ id }, language)}</h2>
            <Facts
              of={[
                ['id', id],
                [t('map.kind'), newest?.kind],
                [t('terminal.source'), newest?.source],
                [t('common.details'), newest?.service],
              ]}
            />
            <p>
              <a href={`/terminals?area=${encodeURIComponent(id)}`}>{t('nav.terminals')}</a>
            </p>
            <h3>{t('map.area_versions')}</h3>
            <Timeline
              label={t('map.area_versions')}
              moments={rows.map((row) => ({
                at: row.valid_from ?? '',
                title: row.valid_until ? (
                  <>
                    {t('common.until')} <Time at={row.valid_until} />
                  </>
                ) : (
                  row.name
                ),
                ...(row.source ? { detail: row.source } : {}),
              }))}
            />
          </>
        );
      }}
    </Fetched>
  );
}
