/** One appeal, as its owner is told: the reason, where it stands, until when, and what comes next. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Digest, Empty, Facts, Fetched, PageHead, Section, Time } from '../components/basic';
import { Code, Due, LogLink, Note, ShortId } from '../components/parts';
import { Timeline } from '../components/table';
import { Answer } from '../governance/answer';
import type { AppealNotice } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import type { PageProps } from './index';
import { useMay } from '../session';
import { useSettings } from '../settings';

const ANSWERS = ['refused', 'corrected', 'proposed', 'withdrawn'] as const;

export default function AppealPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const { language } = useSettings();
  const id = params['id'] ?? '';
  const all = useMay('appeals:read');
  const may = useMay('appeals:write');
  const found = useJson<AppealNotice>(`${all ? '/v1/appeals' : '/v1/own/appeals'}/${encodeURIComponent(id)}`, { language });
  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('appeals.missing')}>
          <a class="button" href="/appeals">{t('nav.appeals')}</a>
        </Empty>
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={found.data?.terminal ? t('appeals.about', { terminal: found.data.terminal }) : t('nav.appeals')} intro={<><a href="/appeals">{t('nav.appeals')}</a> · <ShortId value={id} /></>}>
        {found.data ? <Code group="outcome" code={found.data.outcome} /> : null}
      </PageHead>
      <Fetched of={found}>
        {(appeal) => (
          <div class="columns">
            <div>
              <Section title={t('appeals.decision')}>
                {appeal.decision.map((line) => (
                  <p>{line}</p>
                ))}
                {appeal.terminal ? (
                  <p>
                    <a href={`/terminals/${encodeURIComponent(appeal.terminal)}${appeal.decided_at ? `?at=${encodeURIComponent(appeal.decided_at)}` : ''}`}>{t('appeals.see_decision')}</a>
                  </p>
                ) : null}
              </Section>
              <Section title={t('appeals.next')}>
                <ul>
                  {appeal.next.map((line) => (
                    <li>{line}</li>
                  ))}
                </ul>
              </Section>
              {may && !appeal.ended ? <Answer path={`/v1/appeals/${encodeURIComponent(id)}/outcomes`} group="appeal_answer" outcomes={ANSWERS} help={t('appeals.corrected_help')} onDone={found.reload} /> : null}
              <Section title={t('appeals.opening')}>
                <p class="quiet">{t('appeals.opening_help')}</p>
                <Facts
                  of={[
                    [t('appeals.commitment'), <Digest value={appeal.opening.commitment} />],
                    [t('appeals.batch'), <LogLink index={appeal.opening.batch_index} />],
                    [t('appeals.leaf'), appeal.opening.leaf_index],
                    [t('appeals.salt'), <Digest value={appeal.opening.salt} />],
                  ]}
                />
              </Section>
            </div>
            <div>
              <Section title={t('requests.clock')}>
                <p>
                  <Due at={appeal.due} overdue={appeal.overdue} ended={appeal.ended} />
                </p>
                <Facts
                  of={[
                    [t('appeals.opened'), <Time at={appeal.opened_at} detail="minute" />],
                    [t('requests.due'), <Time at={appeal.due} detail="minute" />],
                    [t('appeals.protected'), t(appeal.protected ? 'appeals.hours_72' : 'appeals.days_14')],
                    [t('appeals.who'), appeal.who],
                    [t('nav.ledger'), <LogLink index={appeal.log_index} />],
                  ]}
                />
              </Section>
              <Section title={t('requests.became')}>
                {appeal.outcomes.length ? <Timeline label={t('requests.became')} moments={appeal.outcomes.map((each) => ({ at: each.at ?? '', title: codeWord(t, 'outcome', each.outcome), detail: each.reason }))} /> : null}
                <ul>
                  {appeal.stages.map((stage) => (
                    <li>{stage}</li>
                  ))}
                </ul>
              </Section>
            </div>
          </div>
        )}
      </Fetched>
      <Note>{t('appeals.note')}</Note>
    </div>
  );
}
