/** Sign on an own device: the bundle goes out, the signed envelope comes in. The service holds no key of a person. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send, type Problem } from '../api/client';
import { ProblemNote, Section } from '../components/basic';
import { DownloadButton, Note, shortId } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { useMay } from '../session';
import { Command, HandIn } from './hand_in';
import type { Proposal } from './types';

interface Taken {
  readonly log_index: number | null;
  readonly standing: string;
}

export function Signing({ proposal, onDone }: { proposal: Proposal; onDone: () => void }): JSX.Element | null {
  const t = useWords();
  const mayExport = useMay('proposals:export');
  const mayHand = useMay('approvals:write');
  const [who, setWho] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  if (!mayExport && !mayHand) return null;
  const name = `proposal-${proposal.id.slice(0, 12)}.bundle`;
  const members = proposal.needs.members.filter((each) => each.name);
  return (
    <Section title={t('sign.title')} id="sign">
      <p>{t('sign.intro')}</p>
      <ol class="how">
        <li>
          <p class="strong">{t('sign.step_1')}</p>
          {mayExport ? (
            <>
              <div class="filters">
                {members.length ? (
                  <label class="field">
                    <span>{t('sign.who')}</span>
                    <select value={who} onChange={(event) => setWho(event.currentTarget.value)}>
                      <option value="">{t('sign.anybody')}</option>
                      {members.map((each) => (
                        <option value={each.id}>{each.name}</option>
                      ))}
                    </select>
                  </label>
                ) : null}
                <DownloadButton href={`/v1/proposals/${proposal.id}/bundle${who ? `?for=${encodeURIComponent(who)}` : ''}`} name={name} onProblem={setProblem}>
                  {t('sign.download')}
                </DownloadButton>
              </div>
              {problem ? <ProblemNote problem={problem} /> : null}
              <p class="quiet">{t('sign.bundle_help')}</p>
            </>
          ) : (
            <p class="quiet">{t('sign.no_export')}</p>
          )}
        </li>
        <li>
          <p class="strong">{t('sign.step_2')}</p>
          <Command text={`groundrule approve ${name} --key MY.key --policy POLICY --out MY.approval`} />
          <p class="quiet">{t('sign.step_2_help')}</p>
        </li>
        <li>
          <p class="strong">{t('sign.step_3')}</p>
          {mayHand ? (
            <HandIn
              kind="approval"
              says={(read) => t('sign.says', { verdict: read.verdict ? codeWord(t, 'verdict', read.verdict) : t('common.unknown'), proposal: read.proposal ? shortId(read.proposal) : t('common.unknown') })}
              wrong={(read) => (read.proposal !== null && read.proposal !== proposal.id ? t('sign.another') : null)}
              onSend={async ([first]) => {
                const taken = await send<Taken>(`/v1/proposals/${proposal.id}/approvals`, first);
                onDone();
                return taken ? `${t(taken.log_index === null ? 'sign.known' : 'sign.taken')} ${taken.standing}` : '';
              }}
            />
          ) : <p class="quiet">{t('sign.no_hand')}</p>}
        </li>
      </ol>
      <Note>{t('sign.note')}</Note>
    </Section>
  );
}
