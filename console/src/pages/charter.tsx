/** The charter: who may decide what together, with which keys, until when. */
import type { JSX } from 'preact';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import { Digest, Empty, Facts, Fetched, PageHead, Section, Tag, Time } from '../components/basic';
import { LogLink, Note, PartyName, shortId, ShortId } from '../components/parts';
import { Table } from '../components/table';
import { number } from '../format';
import { Command, HandIn } from '../governance/hand_in';
import { byName } from '../governance/people';
import type { Charter } from '../governance/types';
import { codeWord, useWords, type Key } from '../i18n';
import { useMay } from '../session';
import { useSettings } from '../settings';

const DAY = 24 * 3_600_000;

/** How a charter stands: in force, about to expire, or expired. */
export function standingOf(charter: Pick<Charter, 'expired' | 'expires_at'>, now: number): 'expired' | 'soon' | 'in_force' {
  if (charter.expired) return 'expired';
  return charter.expires_at && new Date(charter.expires_at).getTime() - now < 60 * DAY ? 'soon' : 'in_force';
}

function Names({ of, standsIn = false }: { of: Charter['roles'][number]['members']; standsIn?: boolean }): JSX.Element {
  return (
    <>
      {[...of].sort((a, b) => byName([a.id, a.name ?? a.id], [b.id, b.name ?? b.id])).map((each) => (
        <li class={standsIn ? 'stands-in' : undefined} title={each.id}>
          {each.name ?? <code>{shortId(each.id)}</code>}
        </li>
      ))}
    </>
  );
}

function Rotation({ onDone }: { onDone: () => void }): JSX.Element {
  const t = useWords();
  return (
    <Section title={t('charter.rotate')} id="rotate">
      <p>{t('charter.rotate_intro')}</p>
      <ol class="how">
        <li>
          <p class="strong">{t('charter.rotate_draft')}</p>
          <Command text="groundrule charter draft CHARTER.yaml --home HOME --out charter.json" />
        </li>
        <li>
          <p class="strong">{t('handin.step_2')}</p>
          <Command text="groundrule charter sign charter.json --key MY.key --out MY.sig" />
          <p class="quiet">{t('charter.rotate_signers')}</p>
        </li>
        <li>
          <p class="strong">{t('sign.step_3')}</p>
          <HandIn
            kind="charter"
            several
            onSend={async (envelopes) => {
              const made = await send<{ version: number }>('/v1/charter/rotations', { envelopes });
              onDone();
              return t('charter.rotated', { n: made?.version ?? 0 });
            }}
          />
        </li>
      </ol>
    </Section>
  );
}

export default function CharterPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const may = useMay('approvals:write');
  const found = useJson<Charter>('/v1/charter');
  const tone = { expired: 'bad', soon: 'warn', in_force: 'good' } as const;
  const limit = (value: number | readonly string[]) => (typeof value === 'number' ? number(value, prefer) : value.map((each) => codeWord(t, 'condition', each)).join(', '));
  return (
    <div class="page">
      <PageHead title={t('nav.charter')} intro={t('charter.intro')}>
        {found.data?.governed ? <Tag tone={tone[standingOf(found.data, Date.now())]}>{t(`charter.${standingOf(found.data, Date.now())}`)}</Tag> : null}
      </PageHead>
      <Fetched of={found}>
        {(charter) =>
          charter.governed ? (
            <>
              {charter.expired ? <Note tone="warn">{t('charter.expired_help')}</Note> : null}
              {charter.violations.length ? (
                <Section title={t('statistic.violations')}>
                  <ul>
                    {charter.violations.map((each) => (
                      <li>{each}</li>
                    ))}
                  </ul>
                </Section>
              ) : null}
              <div class="columns">
                <div>
                  <Section title={t('charter.roles')} id="roles">
                    <ul class="rules">
                      {charter.roles.map((role) => (
                        <li>
                          <div class="rule-head">
                            <span class="rule-title">{codeWord(t, 'role', role.name)}</span>
                            <span class="quiet">{t('charter.at_least', { n: role.minimum, of: role.members.length })}</span>
                          </div>
                          <ul class="people" aria-label={t('charter.members')}>
                            <Names of={role.members} />
                          </ul>
                          {role.substitutes.length ? (
                            <>
                              <p class="quiet">{t('charter.substitutes')}</p>
                              <ul class="people">
                                <Names of={role.substitutes} standsIn />
                              </ul>
                            </>
                          ) : null}
                        </li>
                      ))}
                    </ul>
                    <details>
                      <summary>{t('charter.expressions')}</summary>
                      {charter.roles.map((role) => (
                        <>
                          <h3>{codeWord(t, 'role', role.name)}</h3>
                          <pre class="text">{role.expression}</pre>
                        </>
                      ))}
                    </details>
                  </Section>
                  <Section title={t('charter.classes')} id="classes">
                    <p class="quiet">{t('charter.classes_help')}</p>
                    <Table
                      caption={t('charter.classes')}
                      rows={charter.classes}
                      keyOf={(row) => row.name}
                      columns={[
                        { head: t('proposals.class'), names: true, cell: (row) => codeWord(t, 'change_class', row.name) },
                        { head: t('charter.role'), cell: (row) => codeWord(t, 'role', row.role) },
                        { head: t('charter.signatures'), figure: true, cell: (row) => t('charter.of', { n: row.persons, of: row.of_persons }) },
                        { head: t('charter.groups'), figure: true, cell: (row) => number(row.groups, prefer) },
                        { head: t('charter.notice'), figure: true, cell: (row) => (row.notice_hours ? t('charter.hours', { n: row.notice_hours }) : '–') },
                      ]}
                    />
                  </Section>
                </div>
                <div>
                  <Section title={t('charter.in_force')}>
                    <Facts
                      of={[
                        [t('public.charter_version'), charter.version],
                        [t('charter.issued'), <Time at={charter.issued_at} detail="day" />],
                        [t('public.charter_until'), <><Time at={charter.expires_at} detail="day" /> <Tag tone={tone[standingOf(charter, Date.now())]}><Time at={charter.expires_at} relative /></Tag></>],
                        [t('rulebook.digest'), charter.digest ? <Digest value={charter.digest} /> : null],
                        [t('public.policy'), charter.policy_digest ? <Digest value={charter.policy_digest} /> : null],
                        [t('nav.ledger'), <LogLink index={charter.log_index} />],
                      ]}
                    />
                  </Section>
                  <Section title={t('charter.history')}>
                    <Table
                      caption={t('charter.history')}
                      rows={[...charter.history].reverse()}
                      keyOf={(row) => String(row.version)}
                      current={(row) => row.version === charter.version}
                      columns={[
                        { head: t('public.charter_version'), names: true, cell: (row) => row.version },
                        { head: t('charter.issued'), cell: (row) => <Time at={row.issued_at} detail="day" /> },
                        { head: t('public.charter_until'), cell: (row) => <Time at={row.expires_at} detail="day" /> },
                        { head: t('nav.ledger'), cell: (row) => <LogLink index={row.log_index} short /> },
                      ]}
                    />
                  </Section>
                </div>
              </div>
              <Section title={t('charter.persons')} id="persons">
                <p class="quiet">{t('charter.persons_help')}</p>
                <Table
                  caption={t('charter.persons')}
                  rows={charter.persons}
                  keyOf={(row) => row.party.id}
                  columns={[
                    { head: t('proposals.person'), names: true, cell: (row) => <PartyName of={row.party} /> },
                    { head: t('charter.unit'), cell: (row) => row.unit },
                    { head: t('proposals.group'), cell: (row) => row.group },
                    { head: t('charter.roles'), cell: (row) => row.roles.map((each) => codeWord(t, 'role', each)).join(', ') || '–' },
                    { head: t('charter.keys'), cell: (row) => row.keys.map((key) => <div><ShortId value={key.vkey} /> <span class="quiet">{codeWord(t, 'custody', key.custody)}{key.until ? <> · {t('common.until')} <Time at={key.until} detail="day" /></> : null}</span></div>) },
                  ]}
                />
              </Section>
              <div class="columns even">
                <Section title={t('charter.covered')} id="covered">
                  <p class="quiet">{t('charter.covered_help')}</p>
                  {charter.covered.length ? (
                    <Table
                      caption={t('charter.covered')}
                      rows={charter.covered}
                      keyOf={(row) => row.party.id + row.as}
                      columns={[
                        { head: t('proposals.person'), names: true, cell: (row) => <PartyName of={row.party} /> },
                        { head: t('charter.as'), cell: (row) => codeWord(t, 'covered_as', row.as) },
                      ]}
                    />
                  ) : (
                    <Empty title={t('charter.nobody_covered')} />
                  )}
                </Section>
                <Section title={t('charter.limits')} id="limits">
                  <Facts of={Object.entries(charter.limits).map(([name, value]) => [t(`limit.${name}` as Key) === `limit.${name}` ? name.replaceAll('_', ' ') : t(`limit.${name}` as Key), limit(value)] as const)} />
                </Section>
              </div>
              {may ? <Rotation onDone={found.reload} /> : null}
            </>
          ) : (
            <Empty title={t('public.no_charter')}>
              <p>{t('charter.begin')}</p>
              <pre class="command">groundrule charter draft</pre>
            </Empty>
          )
        }
      </Fetched>
    </div>
  );
}
