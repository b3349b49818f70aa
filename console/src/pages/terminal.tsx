/** One terminal: what was answered, why and why not, since when, and the proof. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { getText, Problem } from '../api/client';
import { useJson, usePages } from '../api/resource';
import type { DecisionRow, Explanation, Registered, TerminalAnswer } from '../api/types';
import { OfTerminal } from '../cases/of_terminal';
import { areaName } from '../components/areas';
import { Badge, Choice, Empty, Facts, Fetched, Icon, Loading, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { Kind } from '../components/kind';
import { obligationWords } from '../components/obligation';
import { PagedTable, Timeline, type Moment } from '../components/table';
import { TrackMap } from '../map/track';
import { height, percent, position, speed } from '../format';
import { codeWord, useWords, type Translate } from '../i18n';
import { answer } from '../marks';
import type { PageProps } from './index';
import { setQuery, usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';
import { VerifyPanel } from '../verify/panel';

const words = (code: string) => code.replaceAll('_', ' ').replace('=', ': ');

/** Code of the decisive reason of a decision, whichever way the service writes it. */
function reasonOf(row: DecisionRow): string {
  if (row.reason) return row.reason;
  const first = row.reasons?.find((each) => typeof each === 'string' || each.class === 'decisive') ?? row.reasons?.[0];
  return first === undefined ? '' : typeof first === 'string' ? first : first.code;
}

/** Decisions, newest first, folded to the moments at which the answer changed. */
export function changesOf(rows: readonly DecisionRow[], t: Translate, link: (row: DecisionRow) => string, current: string | null): Moment[] {
  const found: Moment[] = [];
  const oldestFirst = [...rows].reverse();
  let start = 0;
  const same = (a: DecisionRow, b: DecisionRow) => a.outcome === b.outcome && a.state === b.state && a.rule === b.rule && reasonOf(a) === reasonOf(b);
  for (let i = 1; i <= oldestFirst.length; i++) {
    const from = oldestFirst[start]!;
    if (i < oldestFirst.length && same(from, oldestFirst[i]!)) continue;
    const last = oldestFirst[i - 1]!;
    const key = answer(from.outcome, from.state);
    found.push({
      at: from.observed_at,
      mark: key,
      title: `${t(`answer.${key}`)}: ${codeWord(t, 'reason', reasonOf(from))}`,
      href: link(from),
      detail: (
        <>
          {from.rule && from.rule !== 'default' ? from.rule : t('terminal.default_rule')} · {t('terminal.unchanged', { n: i - start })}
          {i - start > 1 ? (
            <>
              {' '}
              {t('common.until')} <Time at={last.observed_at} />
            </>
          ) : null}
        </>
      ),
      current: current !== null && from.observed_at <= current && current <= last.observed_at,
    });
    start = i;
  }
  return found.reverse();
}

function Verdict({ why, audience, kind }: { why: Explanation; audience: 'operator' | 'owner'; kind: Registered | null | undefined }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { language } = prefer;
  const areas = why.areas?.filter((area) => area.id !== 'land').map((area) => `${areaName(area, language)} (${area.membership === 'inside' ? t('terminal.inside') : t('terminal.edge', { share: percent(area.probability, 1, prefer) })})`);
  return (
    <div class="verdict">
      <p class="verdict-line">
        <Badge outcome={why.outcome} state={why.state} />
        <span class="quiet">
          <Time at={why.observed_at ?? why.at} />
        </span>
      </p>
      <p class="sentence">{why.sentence ?? why.reason_sentence ?? codeWord(t, 'reason', why.reason)}</p>
      <p class="quiet">{t(`means.${answer(why.outcome, why.state)}`)}</p>
      {why.place ? <p class="sentence">{why.place}</p> : null}
      <Facts
        of={[
          [t('terminal.basis'), why.basis],
          [t('terminal.requested_by'), why.requested_by],
          [t('terminal.source'), why.source],
          [t('terminal.message'), why.message ? <span lang={why.language ?? undefined}>{why.message}</span> : null],
          [t('terminal.obligations'), why.obligations.length ? why.obligations.map((each) => obligationWords(each, t, prefer)).join(', ') : null],
          [t('terminal.retry'), why.retry],
          [t('terminal.place'), why.position ? position(why.position.lat_deg, why.position.lon_deg) : null],
          [t('terminal.areas'), areas?.join(', ')],
          [t('terminal.speed'), typeof why.speed_m_s === 'number' ? speed(why.speed_m_s, prefer) : null],
          [t('terminal.height'), typeof why.alt_m === 'number' ? height(why.alt_m, prefer) : null],
          [t('terminals.kind'), audience === 'operator' && kind !== undefined ? <Kind of={kind} /> : null],
          [t('terminal.appeal'), why.appeal],
        ]}
      />
      {why.not_in_history_yet ? <p class="note">{t('terminal.not_in_history')}</p> : null}
      {audience === 'owner' ? <p class="note">{t('terminal.owner_note')}</p> : null}
    </div>
  );
}

function Why({ why }: { why: Explanation }): JSX.Element {
  const t = useWords();
  const applied = why.applied ?? [];
  const nearest = why.nearest ?? [];
  const relief = why.relief ?? why.would_have_to_differ ?? [];
  const also = why.also ?? why.would_still_deny ?? [];
  return (
    <>
      {why.heard?.length ? (
        <>
          <h3>{t('terminal.heard')}</h3>
          <ul>
            {why.heard.map((each) => (
              <li>{each}</li>
            ))}
          </ul>
          {why.verification ? (
            <p>
              <a href={`/verifications/${encodeURIComponent(why.verification)}`}>{t('terminal.verification')}</a>
            </p>
          ) : null}
        </>
      ) : null}
      <h3>{t('terminal.applied')}</h3>
      <ul class="rules">
        {applied.map((rule) => {
          const decisive = rule.decisive ?? rule.class === 'decisive';
          return (
            <li class={decisive ? 'decisive' : undefined}>
              <div class="rule-head">
                <span class="rule-title">{rule.title}</span>
                <Badge outcome={rule.outcome} />
              </div>
              <p class="quiet">
                <code>{rule.rule}</code> · {decisive ? <strong>{t('terminal.decisive')}</strong> : t('terminal.contributing')}
              </p>
              {rule.findings.length ? (
                <ul>
                  {rule.findings.map((finding) => (
                    <li>{finding}</li>
                  ))}
                </ul>
              ) : null}
            </li>
          );
        })}
        {applied.length ? null : <li>{t('terminal.default_rule')}</li>}
      </ul>
      {why.outcome !== 'deny' ? (
        <>
          <h3>{t('terminal.nearest')}</h3>
          {nearest.length ? (
            <ul class="rules">
              {nearest.map((miss) => (
                <li>
                  <div class="rule-head">
                    <span class="rule-title">{miss.title}</span>
                    <Badge outcome={miss.outcome} />
                  </div>
                  <p class="quiet">
                    <code>{miss.rule}</code>
                  </p>
                  <ul>
                    {(miss.did_not_hold ?? (miss.sentence ? [miss.sentence] : [])).map((each) => (
                      <li>{each}</li>
                    ))}
                    {miss.note ? <li>{miss.note}</li> : null}
                  </ul>
                </li>
              ))}
            </ul>
          ) : (
            <p>{t('terminal.nearest_none')}</p>
          )}
        </>
      ) : null}
      {relief.length ? (
        <>
          <h3>{t('terminal.relief')}</h3>
          <ul>
            {relief.map((each) => (
              <li>{each}</li>
            ))}
          </ul>
        </>
      ) : null}
      {also.length ? (
        <p>
          {t('terminal.also')} {also.map((each) => <code class="spaced">{each}</code>)}
        </p>
      ) : null}
    </>
  );
}

function Receipt({ id, at, why }: { id: string; at: string | null; why: Explanation | null }): JSX.Element {
  const t = useWords();
  const [state, setState] = useState<{ text: string | null; problem: Problem | null; busy: boolean }>({ text: null, problem: null, busy: false });
  const fetchIt = async () => {
    setState({ text: null, problem: null, busy: true });
    try {
      setState({ text: await getText(`/v1/terminals/${encodeURIComponent(id)}/receipt`, { at }), problem: null, busy: false });
    } catch (error) {
      setState({ text: null, problem: error instanceof Problem ? error : new Problem({ title: String(error), status: 0 }), busy: false });
    }
  };
  const save = (name: string, text: string) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <Section title={t('terminal.receipt')} id="receipt">
      <p>{t('receipt.intro')}</p>
      {state.problem?.body.code === 'pending' ? <p class="note" role="status">{t('receipt.pending')}</p> : state.problem ? <ProblemNote problem={state.problem} retry={() => void fetchIt()} /> : null}
      {state.text === null ? (
        <button type="button" class="button primary" disabled={state.busy} onClick={() => void fetchIt()}>
          <Icon name="ledger" />
          {state.busy ? t('common.loading') : t('receipt.get')}
        </button>
      ) : (
        <>
          <p class="row">
            <button type="button" class="button" onClick={() => save(`${id.replace(/[^A-Za-z0-9._-]/g, '_')}.tlog-proof`, state.text!)}>
              <Icon name="download" />
              {t('receipt.download')}
            </button>
            <a class="button" href="/ledger/policy" download="policy">
              <Icon name="download" />
              {t('receipt.download_policy')}
            </a>
          </p>
          <VerifyPanel receipt={state.text} {...(why ? { expected: { terminal_id: id, outcome: why.outcome, state: why.state } } : {})} />
        </>
      )}
    </Section>
  );
}

export default function TerminalPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const id = params['id'] ?? '';
  const prefer = useSettings();
  const { language } = prefer;
  const { query } = usePlace();
  const at = query.get('at');
  const wanted = query.get('for') === 'owner' ? 'owner' : null;
  const path = `/v1/terminals/${encodeURIComponent(id)}`;
  const mayDossier = useMay('dossiers:run');
  const mayVerifications = useMay('verifications:read');
  const maySky = useMay('satellites:read');
  const mayCases = useMay('cases:read');
  const found = useJson<TerminalAnswer>(path, { language });
  const why = useJson<Explanation>(`${path}/explanation`, { at, language, for: wanted });
  // Owners and regulators are given the owner's words, whatever they ask for.
  const audience = why.data?.audience ?? wanted ?? 'operator';
  const mayChoose = wanted === 'owner' || audience === 'operator';
  const answeredAt = at ?? why.data?.observed_at ?? why.data?.at ?? null;
  const decisions = usePages<DecisionRow>(`${path}/decisions`, { limit: 100 });
  const link = (row: DecisionRow) => `/terminals/${encodeURIComponent(id)}?at=${encodeURIComponent(row.observed_at)}${wanted ? '&for=owner' : ''}`;

  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('terminal.missing')}>
          <p>{t('terminal.missing_help')}</p>
          <a class="button" href={`/terminals?q=${encodeURIComponent(id.slice(0, 6))}`}>
            {t('terminals.title')}
          </a>
        </Empty>
      </div>
    );
  }
  const lat = why.data?.position?.lat_deg ?? found.data?.lat ?? null;
  const lon = why.data?.position?.lon_deg ?? found.data?.lon ?? null;
  const register = found.data?.register;
  return (
    <div class="page">
      <PageHead
        title={id}
        intro={
          at ? (
            <>
              {t('terminal.at')} <Time at={at} /> · <a href={`/terminals/${encodeURIComponent(id)}`}>{t('terminal.back_to_latest')}</a>
            </>
          ) : (
            t('terminal.latest')
          )
        }
      >
        {mayChoose ? <Choice label={t('terminal.for')} value={audience} options={[['operator', t('terminal.for_operator')], ['owner', t('terminal.for_owner')]]} onChange={(value) => setQuery({ for: value === 'owner' ? 'owner' : null })} /> : null}
        {lat !== null && lon !== null ? (
          <a class="button" href={`/map?look=${lat.toFixed(3)},${lon.toFixed(3)},8&terminal=${encodeURIComponent(id)}${at ? `&at=${encodeURIComponent(at)}` : ''}`}>
            <Icon name="map" />
            {t('terminal.on_map')}
          </a>
        ) : null}
        {mayVerifications ? (
          <a class="button" href={`/verifications?terminal=${encodeURIComponent(id)}`}>
            <Icon name="place" />
            {t('terminal.verifications')}
          </a>
        ) : null}
        {maySky && lat !== null && lon !== null ? (
          <a class="button" href={`/satellites?terminal=${encodeURIComponent(id)}&place=${lat.toFixed(4)},${lon.toFixed(4)}${answeredAt ? `&at=${encodeURIComponent(answeredAt)}` : ''}`}>
            <Icon name="satellite" />
            {t('terminal.satellites')}
          </a>
        ) : null}
        {mayDossier ? (
          <a class="button" href={`/dossiers?kind=terminal&id=${encodeURIComponent(id)}`}>
            <Icon name="dossier" />
            {t('terminal.dossier')}
          </a>
        ) : null}
      </PageHead>
      <div class="columns">
        <div>
          <Section title={t('terminal.why_answer')} id="why">
            {why.problem?.status === 404 && at && found.data ? (
              <Empty title={t('terminal.nothing_then')}>
                <a class="button" href={`/terminals/${encodeURIComponent(id)}`}>
                  {t('terminal.back_to_latest')}
                </a>
              </Empty>
            ) : why.problem ? <ProblemNote problem={why.problem} retry={why.reload} /> : why.data ? <Verdict why={why.data} audience={audience} kind={found.data?.kind} /> : <Loading />}
          </Section>
          {why.data && audience === 'operator' && (why.data.applied || why.data.nearest) ? (
            <Section title={t('terminal.why')}>
              <Why why={why.data} />
            </Section>
          ) : null}
          <Receipt id={id} at={at} why={why.data} />
        </div>
        <div>
          <Section title={t('terminal.track')}>
            <TrackMap path={`${path}/track`} lat={lat} lon={lon} />
          </Section>
          {mayCases && audience === 'operator' ? <OfTerminal id={id} /> : null}
          <Section title={t('terminal.timeline')}>
            <p class="quiet">{t('terminal.timeline_intro')}</p>
            <Fetched of={decisions} empty={<Empty title={t('terminal.no_decisions')} />}>
              {(rows) => <Timeline label={t('terminal.timeline')} moments={changesOf(rows, t, link, answeredAt)} />}
            </Fetched>
          </Section>
          {register && Object.keys(register).length ? (
            <Section title={t('terminal.register')}>
              <Facts
                of={Object.entries(register)
                  .filter(([, value]) => value !== null && typeof value !== 'object')
                  .map(([name, value]) => [words(name), typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? <Time at={value} /> : String(value)])}
              />
            </Section>
          ) : null}
        </div>
      </div>
      <Section title={t('terminal.decisions')} id="decisions">
        <PagedTable<DecisionRow>
          pages={decisions}
          caption={t('terminal.decisions')}
          keyOf={(row) => row.observed_at + row.decided_at}
          current={(row) => row.observed_at === answeredAt}
          empty={<Empty title={t('terminal.no_decisions')} />}
          columns={[
            { head: t('terminal.observed'), names: true, cell: (row) => <a href={link(row)}><Time at={row.observed_at} /></a> },
            { head: t('terminal.answer'), cell: (row) => <Badge outcome={row.outcome} state={row.state} /> },
            { head: t('terminal.reason'), cell: (row) => codeWord(t, 'reason', reasonOf(row)) },
            { head: t('terminal.rule'), cell: (row) => (row.rule && row.rule !== 'default' ? <code>{row.rule}</code> : <Tag>{t('terminal.default_rule')}</Tag>) },
            { head: t('terminal.areas'), cell: (row) => (row.areas ?? []).filter((each) => (typeof each === 'string' ? each : each.id) !== 'land').map((each) => areaName(each, language)).join(', ') },
            { head: t('terminal.obligations'), cell: (row) => (row.obligations ?? []).map((each) => obligationWords(each, t, prefer)).join(', ') },
          ]}
        />
      </Section>
    </div>
  );
}
