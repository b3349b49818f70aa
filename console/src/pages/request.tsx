/** One request: the chain to whoever is behind it, how late it was recorded, and what became of it. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Digest, Empty, Facts, Fetched, Icon, PageHead, Section, Tag, Time } from '../components/basic';
import { Code, Due, Interval, LogLink, Note, PartyName, ShortId } from '../components/parts';
import { Timeline } from '../components/table';
import { Answer } from '../governance/answer';
import { ScreeningCard } from '../governance/screening';
import type { RequestView } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import type { PageProps } from './index';
import { askWords } from './requests';
import { useMay } from '../session';
import { span } from '../evidence/spans';
import { useSettings } from '../settings';

const ENDINGS = ['refused', 'proposed', 'withdrawn', 'informally_followed'] as const;

export default function RequestPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const id = params['id'] ?? '';
  const may = useMay('requests:write');
  const mayPropose = useMay('proposals:write');
  const found = useJson<RequestView>(`/v1/requests/${encodeURIComponent(id)}`);
  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('requests.missing')}>
          <a class="button" href="/requests">{t('nav.requests')}</a>
        </Empty>
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={found.data ? found.data.asks.map((ask) => askWords(t, ask)).join('; ') : t('nav.requests')} intro={<><a href="/requests">{t('nav.requests')}</a> · <ShortId value={id} /></>}>
        {found.data ? <Code group="outcome" code={found.data.outcome} /> : null}
        {mayPropose && found.data && !found.data.ended && !found.data.appeal ? (
          <a class="button" href={`/proposals?new=1&request=${encodeURIComponent(id)}`}>
            <Icon name="proposal" />
            {t('requests.propose')}
          </a>
        ) : null}
        <a class="button" href={`/dossiers?kind=request&id=${encodeURIComponent(id)}`}>
          <Icon name="dossier" />
          {t('terminal.dossier')}
        </a>
      </PageHead>
      <Fetched of={found}>
        {(request) => (
          <div class="columns">
            <div>
              <Section title={t('requests.who')}>
                <Facts
                  of={[
                    [t('requests.requester'), <PartyName of={request.requester} />],
                    [t('requests.behalf'), request.on_behalf_of.map((each, i) => <>{i ? ' → ' : ''}<PartyName of={each} /></>)],
                    [t('requests.conveyed'), request.conveyed_by ? <PartyName of={request.conveyed_by} /> : null],
                    [t('requests.received_by'), <PartyName of={request.received_by} />],
                    [t('requests.channel'), codeWord(t, 'channel', request.channel)],
                    [t('requests.basis'), `${codeWord(t, 'basis', request.basis.kind)}${request.basis.reference ? `: ${request.basis.reference}` : ''}`],
                    [t('requests.purpose'), codeWord(t, 'purpose', request.purpose)],
                  ]}
                />
                {request.on_behalf_of.some((each) => each.id === 'unknown') ? <Note tone="warn">{t('requests.unknown_principal')}</Note> : null}
              </Section>
              <Section title={t('requests.asks')}>
                <ul>
                  {request.asks.map((ask) => (
                    <li>
                      {askWords(t, ask)} {ask.from || ask.until ? <Interval from={ask.from} until={ask.until} /> : null}
                    </li>
                  ))}
                </ul>
                {request.text ? (
                  <>
                    <h3>{t('requests.text')}</h3>
                    <pre class="text">{request.text}</pre>
                  </>
                ) : (
                  <p class="quiet">{t('requests.no_text')}</p>
                )}
                <p class="quiet">
                  {t('requests.text_digest')} <Digest value={request.text_sha256} />
                </p>
              </Section>
              {request.screenings.length ? (
                <Section title={t('proposals.screening')}>
                  {request.screenings.map((each) => (
                    <ScreeningCard of={each} />
                  ))}
                  <Note>{t('screening.no_finding')}</Note>
                </Section>
              ) : null}
              {may && !request.ended && !request.appeal ? <Answer path={`/v1/requests/${encodeURIComponent(id)}/outcomes`} group="outcome" outcomes={ENDINGS} help={t('requests.record_help')} conflicting={request.conflicting} onDone={found.reload} /> : null}
            </div>
            <div>
              <Section title={t('requests.clock')}>
                <p>
                  <Due at={request.due} overdue={request.overdue} ended={request.ended} />
                </p>
                <Facts
                  of={[
                    [t('requests.occurred'), <Time at={request.occurred_at} detail="minute" />],
                    [t('requests.received'), <Time at={request.received_at} detail="minute" />],
                    [t('requests.recorded'), <><Time at={request.recorded_at} detail="minute" /> <span class="quiet">{t('requests.late', { span: span(request.late_s, prefer) })}</span></>],
                    [t('requests.due'), <Time at={request.due} detail="minute" />],
                    [t('nav.ledger'), <LogLink index={request.log_index} />],
                  ]}
                />
              </Section>
              <Section title={t('requests.became')}>
                {request.outcomes.length ? (
                  <Timeline label={t('requests.became')} moments={request.outcomes.map((each) => ({ at: each.at ?? '', title: codeWord(t, 'outcome', each.outcome), detail: [each.reason, each.priority].filter(Boolean).join(' · ') }))} />
                ) : (
                  <p class="quiet">{t('requests.no_outcome')}</p>
                )}
                {request.proposals.length ? (
                  <p>
                    {t('requests.proposals')} {request.proposals.map((each) => <ShortId value={each} href={`/proposals/${each}`} />)}
                  </p>
                ) : null}
                {request.conflicting.length ? (
                  <p>
                    <Tag tone="warn">{t('requests.conflicting')}</Tag> {request.conflicting.map((each) => <ShortId value={each} href={`/requests/${each}`} />)}
                  </p>
                ) : null}
              </Section>
            </div>
          </div>
        )}
      </Fetched>
    </div>
  );
}
