/** One proposal: what changes in words, for whom, who is in conflict, who signed, what is missing. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import { Dialog, Digest, Empty, Facts, Fetched, Icon, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { Code, Due, Interval, LogLink, Note, PartyName, ShortId, useDoing } from '../components/parts';
import { Table } from '../components/table';
import { ImpactFacts } from '../governance/impact';
import { Signing } from '../governance/signing';
import type { PartyScreening, Proposal, Signed } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import type { PageProps } from './index';
import { useMay } from '../session';

function Standing({ proposal }: { proposal: Proposal }): JSX.Element {
  const t = useWords();
  const { state, missing, blocks, enactment } = proposal;
  const tone = state === 'enacted' || state === 'ready' ? 'good' : state === 'open' ? '' : 'bad';
  return (
    <>
      <p class={`missing ${tone}`} role="status">
        {state === 'enacted' ? (
          <>
            {t('proposals.enacted')} {enactment ? <Time at={enactment.at} /> : null}
          </>
        ) : state === 'ready' ? (
          t('proposals.ready')
        ) : (
          <>
            {state === 'open' ? `${t('proposals.missing')} ` : ''}
            {missing || proposal.standing}
          </>
        )}
      </p>
      {blocks.length ? (
        <>
          <h3>{t('proposals.blocks')}</h3>
          <ul>
            {blocks.map((block) => (
              <li>
                {block.sentence} <span class="quiet">({block.code})</span>
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </>
  );
}

interface Enacted {
  readonly in_force: boolean;
  readonly witnessed: boolean;
  readonly log_index: number;
  readonly trouble: readonly string[];
}

function Acts({ proposal, onDone }: { proposal: Proposal; onDone: () => void }): JSX.Element | null {
  const t = useWords();
  const may = useMay('proposals:enact');
  const [asking, setAsking] = useState(false);
  const [done, setDone] = useState<Enacted | null>(null);
  const doing = useDoing();
  if (!may || (proposal.state !== 'open' && proposal.state !== 'ready' && !done)) return null;
  return (
    <Section title={t('enact.title')} id="enact">
      <p>{t('enact.intro')}</p>
      {done ? (
        <div class="note" role="status">
          <p>{t(done.in_force ? 'enact.in_force' : 'enact.waits')}</p>
          <p>
            <LogLink index={done.log_index} />
          </p>
          {done.trouble.map((each) => (
            <p>{each}</p>
          ))}
        </div>
      ) : (
        <button type="button" class="button primary" onClick={() => (doing.clear(), setAsking(true))}>
          {t('enact.button')}
        </button>
      )}
      {asking ? (
        <Dialog title={t('enact.confirm')} onClose={() => setAsking(false)}>
          <p>{proposal.rationale}</p>
          <ul class="lines">
            {proposal.changes.flatMap((change) => (change.lines.length ? change.lines : [`${change.op} ${change.object}`]).map((line) => <li>{line}</li>))}
          </ul>
          <p>{proposal.impact.lines.join('; ')}</p>
          <p class="note warn">{t('enact.warning')}</p>
          {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
          <p class="row">
            <button
              type="button"
              class="button primary"
              disabled={doing.busy}
              onClick={() =>
                doing.run(async () => {
                  setDone(await send<Enacted>(`/v1/proposals/${proposal.id}/enact`, undefined, { key: `enact-${proposal.id}` }));
                  setAsking(false);
                  onDone();
                })
              }
            >
              {doing.busy ? t('common.loading') : t('enact.button')}
            </button>
            <button type="button" class="button" onClick={() => setAsking(false)}>
              {t('common.close')}
            </button>
          </p>
        </Dialog>
      ) : null}
    </Section>
  );
}

export default function ProposalPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const id = params['id'] ?? '';
  const found = useJson<Proposal>(`/v1/proposals/${encodeURIComponent(id)}`);
  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('proposals.missing_one')}>
          <a class="button" href="/proposals">
            {t('nav.proposals')}
          </a>
        </Empty>
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={found.data?.rationale ?? t('nav.proposals')} intro={<><a href="/proposals">{t('nav.proposals')}</a> · <ShortId value={id} /></>}>
        {found.data ? <Code group="proposal_state" code={found.data.state} /> : null}
        {found.data ? (
          <a class="button" href={`/dossiers?kind=change&id=${encodeURIComponent(id)}`}>
            <Icon name="dossier" />
            {t('terminal.dossier')}
          </a>
        ) : null}
      </PageHead>
      <Fetched of={found}>
        {(proposal) => (
          <>
            <Standing proposal={proposal} />
            <div class="columns">
              <div>
                <Section title={t('proposals.in_words')} id="changes">
                  {proposal.changes.map((change) => (
                    <>
                      <p>
                        <Tag tone="info">{codeWord(t, 'op', change.op)}</Tag> <strong>{change.object}</strong>
                      </p>
                      {change.lines.length ? (
                        <ul class="lines">
                          {change.lines.map((line) => (
                            <li>{line}</li>
                          ))}
                        </ul>
                      ) : (
                        <p class="quiet">{t('proposals.no_words')}</p>
                      )}
                    </>
                  ))}
                  <p class="quiet">
                    {t('proposals.reversal')} {proposal.reversal_plan}
                  </p>
                </Section>
                <Section title={t('proposals.impact')} id="impact">
                  <ImpactFacts impact={proposal.impact} />
                </Section>
                <Section title={t('proposals.signatures')} id="signed">
                  <p>{t('proposals.needs', { persons: proposal.needs.persons, groups: proposal.needs.groups, role: proposal.needs.role, hours: proposal.needs.notice_hours })}</p>
                  {proposal.signed.length ? (
                    <Table<Signed>
                      caption={t('proposals.signatures')}
                      rows={proposal.signed}
                      keyOf={(row) => row.digest}
                      columns={[
                        { head: t('proposals.person'), names: true, cell: (row) => <PartyName of={row.party} /> },
                        { head: t('proposals.verdict'), cell: (row) => <Code group="verdict" code={row.verdict} /> },
                        { head: t('proposals.group'), cell: (row) => row.group ?? '–' },
                        { head: t('proposals.at'), cell: (row) => <Time at={row.at} detail="minute" /> },
                        { head: t('proposals.counts'), cell: (row) => <Tag tone={row.counts ? 'good' : 'warn'}>{t(row.counts ? 'common.yes' : 'common.no')}</Tag> },
                        { head: t('nav.ledger'), cell: (row) => <LogLink index={row.log_index} short /> },
                      ]}
                    />
                  ) : (
                    <Empty title={t('proposals.nobody_signed')} />
                  )}
                  {proposal.conflicts.length ? (
                    <>
                      <h3>{t('proposals.conflicts')}</h3>
                      <ul>
                        {proposal.conflicts.map((each) => (
                          <li>
                            <PartyName of={each.party} />: {codeWord(t, 'conflict', each.reason)}
                          </li>
                        ))}
                      </ul>
                    </>
                  ) : null}
                </Section>
                {proposal.state === 'open' || proposal.state === 'ready' ? <Signing proposal={proposal} onDone={found.reload} /> : null}
                <Acts proposal={proposal} onDone={found.reload} />
              </div>
              <div>
                <Section title={t('proposals.facts')}>
                  <Facts
                    of={[
                      [t('proposals.class'), codeWord(t, 'change_class', proposal.class)],
                      [t('proposals.author'), <PartyName of={proposal.author} />],
                      [t('proposals.at'), <Time at={proposal.at} />],
                      [t('rulebook.effective'), <Interval from={proposal.effective_from} until={proposal.effective_until} detail="minute" />],
                      [t('proposals.expires'), proposal.state === 'open' || proposal.state === 'ready' ? <Due at={proposal.expires_at} overdue={false} ended={false} /> : <Time at={proposal.expires_at} />],
                      [t('nav.ledger'), <LogLink index={proposal.log_index} />],
                      [t('proposals.enactment'), proposal.enactment ? <LogLink index={proposal.enactment.log_index} /> : null],
                      [t('proposals.base'), <><Digest value={proposal.base_policy_digest} /> {proposal.state === 'open' || proposal.state === 'ready' ? <Tag tone={proposal.current ? 'good' : 'bad'}>{t(proposal.current ? 'proposals.base_current' : 'proposals.base_old')}</Tag> : null}</>],
                      [t('proposals.supersedes'), proposal.supersedes ? <ShortId value={proposal.supersedes} href={`/proposals/${proposal.supersedes}`} /> : null],
                      [t('proposals.superseded_by'), proposal.superseded_by.length ? proposal.superseded_by.map((each) => <ShortId value={each} href={`/proposals/${each}`} />) : null],
                    ]}
                  />
                </Section>
                <Section title={t('proposals.because')}>
                  {proposal.requests.length ? (
                    <ul>
                      {proposal.requests.map((each) => (
                        <li>
                          <PartyName of={each.requester} />: {each.asks.join(', ')} (<a href={`/requests/${each.id}`}>{t('proposals.request')}</a>)
                        </li>
                      ))}
                    </ul>
                  ) : (
                    <p class="quiet">{t('proposals.no_request')}</p>
                  )}
                  <Facts of={[[t('proposals.gains'), proposal.beneficiaries.length ? proposal.beneficiaries.map((each) => <PartyName of={each} />) : null]]} />
                </Section>
                <Section title={t('proposals.screening')}>
                  {proposal.screening.length ? (
                    <ul class="rules">
                      {proposal.screening.map((each: PartyScreening) => (
                        <li>
                          <div class="rule-head">
                            <PartyName of={each.party} />
                            <Code group="screening" code={each.result} />
                          </div>
                          <p class="quiet">
                            {each.performed_at ? <Time at={each.performed_at} detail="minute" /> : null} {each.lists.map((list) => `${list.source} ${list.date}`).join(', ')} <LogLink index={each.log_index} />
                          </p>
                        </li>
                      ))}
                    </ul>
                  ) : (
                    <p class="quiet">{t('proposals.no_screening')}</p>
                  )}
                  <Note>{t('screening.no_finding')}</Note>
                </Section>
              </div>
            </div>
          </>
        )}
      </Fetched>
    </div>
  );
}

