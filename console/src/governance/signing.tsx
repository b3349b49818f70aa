/** Sign on an own device: the bundle goes out, the signed envelope comes in. The service holds no key of a person. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Problem, send } from '../api/client';
import { Icon, ProblemNote, Section } from '../components/basic';
import { DownloadButton, Note, shortId, useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { useMay } from '../session';
import { readEnvelope, type Read } from './envelope';
import type { Proposal } from './types';

interface Taken {
  readonly log_index: number | null;
  readonly standing: string;
}

function HandIn({ proposal, onDone }: { proposal: Proposal; onDone: () => void }): JSX.Element {
  const t = useWords();
  const [given, setGiven] = useState<{ name: string; read: Read | null } | null>(null);
  const [taken, setTaken] = useState<Taken | null>(null);
  const doing = useDoing();
  const take = (file: File | undefined) => {
    if (!file) return;
    setTaken(null);
    doing.clear();
    void file.text().then((text) => setGiven({ name: file.name, read: readEnvelope(text) }));
  };
  const read = given?.read;
  const other = read?.proposal !== null && read?.proposal !== undefined && read.proposal !== proposal.id;
  return (
    <div
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        take(event.dataTransfer?.files[0]);
      }}
    >
      <p class="row">
        <label class="button">
          <Icon name="dossier" />
          {t('sign.choose')}
          <input type="file" class="unseen" aria-label={t('sign.choose')} onChange={(event) => take(event.currentTarget.files?.[0])} />
        </label>
        {given ? <span>{given.name}</span> : <span class="quiet">{t('sign.drop')}</span>}
      </p>
      {given && !read ? <p class="note warn">{t('sign.no_envelope')}</p> : null}
      {read ? (
        <>
          <p>
            {t('sign.says', { verdict: read.verdict ? codeWord(t, 'verdict', read.verdict) : t('common.unknown'), proposal: read.proposal ? shortId(read.proposal) : t('common.unknown') })}
          </p>
          {other ? <p class="note warn">{t('sign.another')}</p> : null}
          <button
            type="button"
            class="button primary"
            disabled={doing.busy || other}
            onClick={() =>
              doing.run(async () => {
                setTaken(await send<Taken>(`/v1/proposals/${proposal.id}/approvals`, read.envelope));
                onDone();
              })
            }
          >
            {doing.busy ? t('common.loading') : t('sign.hand_in')}
          </button>
        </>
      ) : null}
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {taken ? (
        <p class="note" role="status">
          {t(taken.log_index === null ? 'sign.known' : 'sign.taken')} {taken.standing}
        </p>
      ) : null}
    </div>
  );
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
          <pre class="command">
            groundrule approve {name} --key MY.key --policy POLICY --out MY.approval
          </pre>
          <p class="quiet">{t('sign.step_2_help')}</p>
        </li>
        <li>
          <p class="strong">{t('sign.step_3')}</p>
          {mayHand ? <HandIn proposal={proposal} onDone={onDone} /> : <p class="quiet">{t('sign.no_hand')}</p>}
        </li>
      </ol>
      <Note>{t('sign.note')}</Note>
    </Section>
  );
}
