/** One verification: drawn on the map, the verdict in words, against whom it stands, and what it rests on. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useJson } from '../api/resource';
import type { Drawing, VerificationDrawn, VerificationReport } from '../api/sky';
import { Choice, Digest, Facts, Fetched, Icon, PageHead, Section, Tag, Time } from '../components/basic';
import { ageWords, shortName } from '../components/sky';
import { Table } from '../components/table';
import { distance, endOf, percent, position, speed, time } from '../format';
import { codeWord, useWords, type Key, type Translate } from '../i18n';
import type { LiveMap } from '../map/canvas';
import { addLayers, between, hue, lineOf, pointAt, put, ringOf } from '../map/overlay';
import { SmallMap } from '../map/holder';
import { Swatch } from '../map/legend';
import { useMap } from '../map/use_map';
import type { PageProps } from './index';
import { useMay } from '../session';
import { useSettings, type Settings } from '../settings';
import { VerdictTag } from './verifications';

type View = 'whole' | 'near';
type Box = [[number, number], [number, number]];

/** What a view shows: the ellipse with the claim if it is near enough to see both, or everything. */
export function boxOf(drawing: Drawing, view: View): Box | null {
  const points: (readonly [number, number])[] = [];
  const best = drawing.places[0];
  if (view === 'near' && best) {
    points.push(...(best.ellipse ?? [[best.lon, best.lat] as const]));
    const claim = drawing.claim;
    const size = (best.major_95_m ?? 1_000) / 111_000;
    if (claim && Math.hypot(claim.lon - best.lon, claim.lat - best.lat) < 60 * size) points.push([claim.lon, claim.lat]);
  } else {
    for (const place of drawing.places) points.push([place.lon, place.lat]);
    if (drawing.claim) points.push([drawing.claim.lon, drawing.claim.lat]);
    for (const one of drawing.satellites) points.push(...(one.track ?? []));
  }
  if (!points.length) return null;
  const lon = points.map(([x]) => x);
  const lat = points.map(([, y]) => y);
  return [[Math.min(...lon), Math.max(-85, Math.min(...lat))], [Math.max(...lon), Math.min(85, Math.max(...lat))]];
}

/** The colours and words of the map, as a legend says them. */
const CLAIM = (dark: boolean) => (dark ? '#ff8a5c' : '#c8370e');
const RADIO = (dark: boolean) => (dark ? '#56b4e9' : '#0072b2');
const OTHER = (dark: boolean) => (dark ? '#f0a3cf' : '#a8437f');

function DrawnMap({ drawing }: { drawing: Drawing }): JSX.Element {
  const t = useWords();
  const [view, setView] = useState<View>('whole');
  const first = drawing.places[0] ?? drawing.claim;
  const used = useMap({
    look: () => ({ lat: first?.lat ?? 25, lon: first?.lon ?? 10, zoom: first ? 4 : 1 }), label: t('verification.map_label'), wheel: false,
  });
  const { map, dark } = used;
  const [ready, setReady] = useState<LiveMap | null>(null);
  useEffect(() => {
    if (!map) {
      setReady(null);
      return;
    }
    const halo = dark ? '#0b1318' : '#ffffff';
    addLayers(map, 'feasible', [
      { id: 'feasible', type: 'fill', paint: { 'fill-color': dark ? '#c3cfd6' : '#5b6770', 'fill-opacity': 0.14 } },
      { id: 'feasible-edge', type: 'line', paint: { 'line-color': dark ? '#c3cfd6' : '#5b6770', 'line-width': 1 } },
    ]);
    addLayers(map, 'circles', [{ id: 'circles', type: 'line', paint: { 'line-color': ['get', 'colour'], 'line-width': 1.3, 'line-opacity': ['get', 'strength'] } }]);
    addLayers(map, 'tracks', [{ id: 'tracks', type: 'line', layout: { 'line-cap': 'round' }, paint: { 'line-color': ['get', 'colour'], 'line-width': 3.2, 'line-opacity': ['get', 'strength'] } }]);
    addLayers(map, 'gap', [{ id: 'gap', type: 'line', paint: { 'line-color': CLAIM(dark), 'line-width': 1.4, 'line-dasharray': [2, 2] } }]);
    addLayers(map, 'ellipses', [
      { id: 'ellipses', type: 'fill', paint: { 'fill-color': ['get', 'colour'], 'fill-opacity': 0.25 } },
      { id: 'ellipses-edge', type: 'line', paint: { 'line-color': ['get', 'colour'], 'line-width': 1.6 } },
    ]);
    addLayers(map, 'spots', [
      { id: 'spots', type: 'circle', paint: { 'circle-radius': ['get', 'size'], 'circle-color': ['get', 'fill'], 'circle-stroke-color': ['get', 'edge'], 'circle-stroke-width': 2.5 } },
      { id: 'spot-names', type: 'symbol', layout: { 'icon-image': ['concat', 'name|2|', ['get', 'name']], 'icon-offset': ['case', ['get', 'below'], ['literal', [0, 18]], ['literal', [0, -18]]], 'icon-allow-overlap': true } },
    ]);
    put(map, 'feasible', drawing.feasible ? [ringOf(drawing.feasible)] : []);
    put(map, 'circles', drawing.satellites.flatMap((one, k) => (one.circle ? [lineOf(one.circle, { colour: hue(dark, k), strength: one.used ? 0.9 : 0.35 })] : [])));
    put(map, 'tracks', drawing.satellites.flatMap((one, k) => (one.track && one.track.length > 1 ? [lineOf(one.track, { colour: hue(dark, k), strength: one.used ? 1 : 0.4 })] : [])));
    put(map, 'ellipses', drawing.places.flatMap((place, k) => (place.ellipse ? [ringOf(place.ellipse, { colour: k ? OTHER(dark) : RADIO(dark) })] : [])));
    const best = drawing.places[0];
    put(map, 'gap', best && drawing.claim ? [lineOf(between([best.lon, best.lat], [drawing.claim.lon, drawing.claim.lat]))] : []);
    put(map, 'spots', [
      ...drawing.places.map((place, k) => pointAt(place.lon, place.lat, { size: k ? 5 : 6, fill: k ? OTHER(dark) : RADIO(dark), edge: halo, name: k ? t('verification.other_place') : t('verification.radio'), below: false })),
      ...(drawing.claim ? [pointAt(drawing.claim.lon, drawing.claim.lat, { size: 6, fill: halo, edge: CLAIM(dark), name: t('verification.claim'), below: true })] : []),
    ]);
    setReady(map);
  }, [map, drawing]);
  useEffect(() => {
    const box = boxOf(drawing, view);
    if (ready && box) ready.fitBounds(box, { padding: 50, maxZoom: 13, animate: false });
  }, [ready, view]);
  return (
    <>
      <SmallMap
        of={used}
        kind="drawn-map"
        ready={ready !== null}
        tools={<Choice label={t('verification.view')} hideLabel value={view} options={[['whole', t('verification.whole')], ['near', t('verification.near')]]} onChange={setView} />}
      />
      <ul class="plain drawn-legend" aria-label={t('map.legend')}>
        <li><Swatch colour={RADIO(dark)} shape="dot" /> {t('verification.legend_radio')}</li>
        {drawing.claim ? <li><Swatch colour={CLAIM(dark)} shape="ring" /> {t('verification.legend_claim')}</li> : null}
        {drawing.places.length > 1 ? <li><Swatch colour={OTHER(dark)} shape="dot" /> {t('verification.legend_other')}</li> : null}
        {drawing.satellites.some((one) => one.circle) ? <li><Swatch colour={hue(dark, 0)} shape="line" /> {t('verification.legend_circle')}</li> : null}
        {drawing.satellites.some((one) => one.track) ? <li><Swatch colour={hue(dark, 0)} shape="thick" /> {t('verification.legend_track')}</li> : null}
        {drawing.feasible ? <li><Swatch colour={dark ? '#c3cfd6' : '#5b6770'} shape="dot" /> {t('verification.legend_feasible')}</li> : null}
      </ul>
    </>
  );
}

/** `C raw` of the service: the letter stays, the word is said in the language of the reader. */
export function gradeOf(grade: string, t: Translate): string {
  const [letter, word] = grade.split(' ');
  return word ? `${letter}: ${codeWord(t, 'grade', word)}` : codeWord(t, 'grade', grade);
}

/** Above it a chance is said to be nearly certain, for no chance of a measurement is 100 %. */
const NEARLY = 0.99;

/** `1_km` of the service in metres; null for what is no distance. */
export function sizeOf(name: string): number | null {
  const found = /^([0-9.]+)_(k?m)$/.exec(name);
  return found ? Number(found[1]) * (found[2] === 'km' ? 1_000 : 1) : null;
}

/** With what chance a false position would have shown, by how far it is off; sizes from which it is nearly certain are said as one. */
export function couldHaveSeen(seen: VerificationReport['could_have_seen'], t: Translate, prefer: Settings): string[] {
  const known = Object.entries(seen)
    .map(([name, chance]) => ({ size: sizeOf(name), chance }))
    .filter((each): each is { size: number; chance: number } => each.size !== null && each.chance !== null)
    .sort((a, b) => a.size - b.size);
  const first = known.findIndex((_, k) => known.slice(k).every((each) => each.chance > NEARLY));
  const doubtful = first < 0 ? known : known.slice(0, first);
  const said = doubtful.map(({ size, chance }) => t('verification.chance', { size: distance(size, prefer), chance: chance > NEARLY ? t('verification.nearly') : percent(chance, 1, prefer) }));
  if (first >= 0) said.push(t('verification.chance_from', { size: distance(known[first]!.size, prefer), chance: t('verification.nearly') }));
  return said;
}

function Told({ of }: { of: VerificationDrawn }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const mayDraw = useMay('verifications:draw');
  const { report, drawing } = of;
  const operator = of.audience === 'operator';
  const picture = (form: string) => `/v1/verifications/${encodeURIComponent(of.id)}/picture.${form}`;
  const chances = report ? couldHaveSeen(report.could_have_seen, t, prefer) : [];
  const moving = report && typeof report.velocity === 'object' && report.velocity.speed_m_s !== null ? report.velocity : null;
  return (
    <>
      <PageHead
        title={of.terminal}
        intro={
          <>
            {t('verification.intro')} <Time at={of.at} />
          </>
        }
      >
        <a class="button" href={`/terminals/${encodeURIComponent(of.terminal)}?at=${encodeURIComponent(of.at)}`}>
          <Icon name="terminal" />
          {t('verification.terminal')}
        </a>
        <a class="button" href={`/verifications?terminal=${encodeURIComponent(of.terminal)}`}>
          <Icon name="list" />
          {t('verification.all')}
        </a>
        {operator && mayDraw && report
          ? ['png', 'svg'].map((form) => (
              <a class="button" href={picture(form)} download={`verification-${of.id.slice(0, 12)}.${form}`}>
                <Icon name="download" />
                {form.toUpperCase()}
              </a>
            ))
          : null}
      </PageHead>
      <div class={drawing ? 'columns' : ''}>
        <div>
          <Section title={t('verification.verdict')} id="verdict">
            <div class="verdict">
              <p class="verdict-line">
                <VerdictTag verdict={of.verdict} />
                {of.usable ? <Tag tone="info">{t('verification.usable')}</Tag> : null}
              </p>
              <p class="sentence">{of.sentence}</p>
              {operator ? <p class="quiet">{t(`verdict_means.${of.verdict}` as Key)}</p> : <p>{of.appeal}</p>}
            </div>
          </Section>
          {drawing ? (
            <Section title={t('verification.drawn')}>
              <DrawnMap drawing={drawing} />
            </Section>
          ) : null}
        </div>
        {operator ? (
          <div>
            <Section title={t('verification.against')} id="against">
              <p class="strong">{codeWord(t, 'assurance_short', of.assurance ?? 'none')}</p>
              <p>{codeWord(t, 'assurance', of.assurance ?? 'none')}</p>
              <p class="quiet">{t('verification.relay')}</p>
            </Section>
            <Section title={t('verification.figures')}>
              <Facts
                of={[
                  [t('verification.reported_at'), drawing?.claim ? position(drawing.claim.lat, drawing.claim.lon, 4) : t('verification.no_claim')],
                  [t('verifications.radio'), position(of.lat, of.lon, 4) || t('verification.no_position')],
                  [t('verifications.distance'), of.distance_m === undefined ? null : distance(of.distance_m, prefer)],
                  [t('verification.ellipse'), of.major_95_m === undefined || of.minor_95_m === undefined ? null : t('verification.within', { major: distance(of.major_95_m, prefer), minor: distance(of.minor_95_m, prefer) })],
                  [t('verification.speed'), moving ? `${speed(moving.speed_m_s!, prefer)}${moving.sigma_m_s === null ? '' : ` ± ${speed(moving.sigma_m_s, prefer)}`}` : null],
                  [t('verification.smallest'), report?.worst_minimal_detectable_offset_m ? distance(report.worst_minimal_detectable_offset_m, prefer) : null],
                  [t('verification.could_see'), chances.length ? <ul class="plain">{chances.map((each) => <li>{each}</li>)}</ul> : null],
                  [t('verification.tolerated'), report ? distance(report.tolerated_m, prefer) : null],
                  [t('verification.grade'), of.grade ? gradeOf(of.grade, t) : null],
                  [t('verification.window'), report ? <><Time at={report.first} /> – {endOf(time(report.first, prefer), time(report.at, prefer))}</> : null],
                  [t('verification.inputs'), <Digest value={of.id} />],
                ]}
              />
            </Section>
            {of.conditions?.length ? (
              <Section title={t('verification.conditions')}>
                <ul>
                  {of.conditions.map((each) => (
                    <li>{codeWord(t, 'condition', each)}</li>
                  ))}
                </ul>
              </Section>
            ) : null}
          </div>
        ) : null}
      </div>
      {drawing?.satellites.length ? (
        <Section title={t('verification.satellites')}>
          <Table
            caption={t('verification.satellites')}
            rows={drawing.satellites}
            keyOf={(row) => String(row.satellite)}
            columns={[
              { head: t('satellites.name'), names: true, cell: (row) => <a href={`/satellites?satellite=${row.satellite}&at=${encodeURIComponent(of.at)}`}>{shortName(row.name) || row.satellite}</a> },
              { head: t('verification.used'), cell: (row) => (row.used ? <Tag tone="good">{t('verification.yes')}</Tag> : <Tag tone="warn">{row.why ?? t('verification.no')}</Tag>) },
              { head: t('satellites.range'), figure: true, cell: (row) => (row.range_km === null ? '–' : distance(row.range_km * 1_000, prefer)) },
              { head: t('verification.grade'), cell: (row) => gradeOf(row.grade, t) },
              { head: t('satellites.elements_age'), figure: true, cell: (row) => (row.age_h === null ? '–' : ageWords(row.age_h / 24, t, prefer)) },
            ]}
          />
        </Section>
      ) : null}
      {report ? (
        <details class="card technical">
          <summary>{t('verification.full')}</summary>
          <p lang="en">{report.words}</p>
          <p class="quiet">
            <code>{report.model}</code>
          </p>
        </details>
      ) : null}
    </>
  );
}

export default function VerificationPage({ params }: PageProps): JSX.Element {
  const prefer = useSettings();
  const found = useJson<VerificationDrawn>(`/v1/verifications/${encodeURIComponent(params['id'] ?? '')}`, { language: prefer.language });
  return (
    <div class="page">
      <Fetched of={found}>{(data) => <Told of={data} />}</Fetched>
    </div>
  );
}
