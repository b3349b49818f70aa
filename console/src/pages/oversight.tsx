/** The oversight report: what parliaments, inspectors and regulators ask, answered from data, each figure with how it was counted. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send, type Problem } from '../api/client';
import type { Job } from '../api/types';
import { Digest, Facts, Icon, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { Form, Group, SelectField, useDraftOf, Field } from '../components/form';
import { JobView } from '../components/job';
import { DownloadButton, LogLink, Note, useDoing } from '../components/parts';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useMay } from '../session';
import { LANGUAGES, useSettings, type Language } from '../settings';

const NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch', uk: 'Українська' };
const DAY = 24 * 3_600_000;

/** What a report answers or says that it cannot, in its own order. */
export const QUESTIONS: Readonly<Record<string, readonly string[]>> = {
  parliament: ['policies', 'found', 'disabled', 'alerts', 'response', 'carried_out', 'complaints', 'guardrails', 'acquisition', 'revenue'],
  inspector: ['programmes', 'tags', 'where_used', 'occupied', 'purpose', 'custody'],
  regulator: ['administrations', 'refused_requests', 'conflicts', 'published_disablements', 'named_terminals', 'collateral', 'spill_over'],
  governance: ['officials', 'emergencies', 'overdue', 'contacts', 'refused_acts', 'outages', 'changes', 'ledger', 'unrecorded'],
};

interface OversightMade {
  readonly edition: string;
  readonly questions: number;
  readonly unanswered: readonly string[];
  readonly figures: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
  readonly files: readonly { readonly name: string; readonly href: string; readonly bytes: number }[];
  readonly until: string | null;
  readonly sha256: string;
  readonly log_entry: number | null;
  readonly trouble: readonly string[];
}

/** First day of the month before, and of this one, in UTC, for a field of a day; public editions are of days long over. */
export function monthBefore(now: number): { from: string; until: string } {
  const at = new Date(now - 4 * DAY);
  const day = (year: number, month: number) => new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 10);
  return { from: day(at.getUTCFullYear(), at.getUTCMonth() - 1), until: day(at.getUTCFullYear(), at.getUTCMonth()) };
}

function Made({ made }: { made: OversightMade }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [problem, setProblem] = useState<Problem | null>(null);
  const page = made.files.find((file) => file.name.endsWith('.html'));
  return (
    <>
      <Section title={t('oversight.made')} id="made">
        <div class="banner banner-holds" role="status">
          <Icon name="check" />
          <span>{t('oversight.answered', { n: made.questions - made.unanswered.length, all: made.questions })}</span>
        </div>
        <p class="row">
          {page ? (
            <a class="button primary" href={page.href} target="_blank" rel="noreferrer">
              <Icon name="outside" />
              {t('dossiers.read')}
            </a>
          ) : null}
          {made.files
            .filter((file) => file !== page)
            .map((file) => (
              <DownloadButton href={file.href} name={file.name} onProblem={setProblem}>
                {file.name} ({number(Math.max(1, Math.round(file.bytes / 1024)), prefer)} KB)
              </DownloadButton>
            ))}
        </p>
        {problem ? <ProblemNote problem={problem} /> : null}
        <Facts
          of={[
            [t('oversight.edition'), codeWord(t, 'oversight_edition', made.edition)],
            [t('nav.ledger'), made.log_entry === null ? <Tag tone="warn">{t('dossiers.not_logged')}</Tag> : <LogLink index={made.log_entry} />],
            [t('handin.digest'), <Digest value={made.sha256} />],
            [t('dossiers.kept_until'), <Time at={made.until} detail="minute" />],
          ]}
        />
        {made.trouble.map((each) => (
          <Note tone="warn">{each}</Note>
        ))}
      </Section>
      <Section title={t('oversight.figures')}>
        <p class="quiet">{t('oversight.figures_help')}</p>
        <ul class="rules">
          {Object.entries(made.figures).map(([question, figures]) => (
            <li>
              <p class="rule-title">{codeWord(t, 'question', question)}</p>
              <Facts of={Object.entries(figures).map(([name, value]) => [codeWord(t, 'figure', name), value === null ? t('common.unknown') : number(value, prefer)] as const)} />
            </li>
          ))}
        </ul>
      </Section>
      {made.unanswered.length ? (
        <Section title={t('oversight.unanswered')}>
          <p class="quiet">{t('oversight.unanswered_help')}</p>
          <ul>
            {made.unanswered.map((each) => (
              <li>{codeWord(t, 'question', each)}</li>
            ))}
          </ul>
        </Section>
      ) : null}
    </>
  );
}

export default function Oversight(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const full = useMay('parties:names');
  const [draft, set] = useDraftOf({ ...monthBefore(Date.now()), edition: 'public', language: prefer.language as string });
  const doing = useDoing();
  const job = query.get('job');
  const editions = full ? ['public', 'full'] : ['public'];
  const day = (name: 'from' | 'until', label: string) => (
    <Field name={name} label={<>{label} <span class="optional">(UTC)</span></>}>
      {(control) => <input {...control} type="date" value={draft[name]} onInput={(event) => set({ [name]: event.currentTarget.value })} />}
    </Field>
  );
  return (
    <div class="page">
      <PageHead title={t('nav.oversight')} intro={t('oversight.intro')} />
      <Section title={t('oversight.make')}>
        <Form
          label={t('oversight.make')}
          problem={doing.problem}
          busy={doing.busy}
          send={t('oversight.make')}
          note={t('oversight.editions_help')}
          onSubmit={() =>
            doing.run(async () => {
              setQuery({ job: null });
              const made = await send<Job>('/v1/oversight', { from: `${draft.from}T00:00:00Z`, until: `${draft.until}T00:00:00Z`, edition: draft.edition, language: draft.language });
              if (made) setQuery({ job: made.id }, {});
            })
          }
        >
          <Group title={t('oversight.interval')} help={t('oversight.interval_help')}>
            {day('from', t('form.from'))}
            {day('until', t('form.until'))}
            <SelectField name="edition" label={t('oversight.edition')} value={draft.edition} onValue={(edition) => set({ edition })} options={editions.map((each) => [each, codeWord(t, 'oversight_edition', each)] as const)} />
            <SelectField name="language" label={t('settings.language')} value={draft.language} onValue={(language) => set({ language })} options={LANGUAGES.map((each) => [each, NAMES[each]] as const)} />
          </Group>
        </Form>
      </Section>
      {job ? (
        <JobView<OversightMade> key={job} id={job}>
          {(made) => <Made made={made} />}
        </JobView>
      ) : (
        <Section title={t('oversight.questions')}>
          <div class="questions">
            {Object.entries(QUESTIONS).map(([event, questions]) => (
              <div>
                <h3>{codeWord(t, 'oversight_event', event)}</h3>
                <ul>
                  {questions.map((each) => (
                    <li>{codeWord(t, 'question', each)}</li>
                  ))}
                </ul>
              </div>
            ))}
          </div>
        </Section>
      )}
    </div>
  );
}
