/** Make a dossier: everything on record about one subject, in one file that a stranger reads and checks without us. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Problem, send } from '../api/client';
import type { Job } from '../api/types';
import { Digest, Facts, Icon, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { JobView } from '../components/job';
import { DownloadButton, LogLink, NotAllowedHere, Note, useDoing } from '../components/parts';
import type { DossierMade } from '../evidence/types';
import { number } from '../format';
import { codeWord, useWords, type Key } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useMay, useSession } from '../session';
import { LANGUAGES, recall, remember, useSettings, type Language } from '../settings';

const KINDS = ['terminal', 'area', 'change', 'request', 'contact', 'person'] as const;
const READERS = ['operator', 'regulator', 'owner', 'public'] as const;
const NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch', uk: 'Українська' };
const KEY = 'groundrule.dossiers';

interface Recent {
  readonly job: string;
  readonly kind: string;
  readonly id: string;
  readonly at: string;
}

function readRecent(value: unknown): Recent[] | null {
  if (!Array.isArray(value)) return null;
  return value.filter((each): each is Recent => ['job', 'kind', 'id', 'at'].every((name) => typeof (each as Record<string, unknown> | null)?.[name] === 'string')).slice(0, 10);
}

/** Editions that roles may have made, the fullest first; the service decides in any case. */
export function editionsFor(roles: readonly string[]): readonly (typeof READERS)[number][] {
  if (roles.some((role) => ['viewer', 'analyst', 'officer', 'auditor', 'administrator'].includes(role))) return READERS;
  if (roles.includes('regulator')) return ['regulator'];
  return roles.includes('owner') ? ['owner'] : READERS;
}

function Made({ made }: { made: DossierMade }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [problem, setProblem] = useState<Problem | null>(null);
  const page = made.files.find((file) => file.name.endsWith('.html'));
  return (
    <Section title={made.title}>
      <div class="banner banner-holds" role="status">
        <Icon name="check" />
        <span>{t('dossiers.made')}</span>
      </div>
      <ul class="lines">
        {made.summary.map((each) => (
          <li>
            <Tag tone={each.standing === 'recorded' ? 'good' : each.standing === 'claim' ? 'warn' : 'plain'}>{codeWord(t, 'standing', each.standing)}</Tag> {each.says}
          </li>
        ))}
      </ul>
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
          [t('dossiers.for'), codeWord(t, 'edition', made.for)],
          [t('dossiers.statements'), Object.entries(made.statements).filter(([, n]) => n > 0).map(([name, n]) => `${codeWord(t, 'standing', name)}: ${number(n, prefer)}`).join(', ')],
          [t('nav.ledger'), made.log_entry === null ? <Tag tone="warn">{t('dossiers.not_logged')}</Tag> : <LogLink index={made.log_entry} />],
          [t('dossiers.manifest'), <Digest value={made.manifest_sha256} />],
          [t('dossiers.kept_until'), <Time at={made.until} detail="minute" />],
        ]}
      />
      {[...made.not_proved, ...made.not_made].length ? (
        <>
          <h3>{t('dossiers.not_proved')}</h3>
          <ul>
            {[...made.not_proved, ...made.not_made].map((each) => (
              <li>{each}</li>
            ))}
          </ul>
        </>
      ) : null}
    </Section>
  );
}

export default function Dossiers(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const state = useSession();
  const may = useMay('dossiers:run');
  const roles = state.kind === 'in' ? state.session.principal.roles : [];
  const editions = editionsFor(roles);
  const [kind, setKind] = useState(query.get('kind') ?? 'terminal');
  const [id, setId] = useState(query.get('id') ?? '');
  const [reader, setReader] = useState<string>(editions[0] ?? 'public');
  const [language, setLanguage] = useState<Language>(prefer.language);
  const [pdf, setPdf] = useState(true);
  const [recent, setRecent] = useState(() => recall(KEY, readRecent) ?? []);
  const doing = useDoing();
  const job = query.get('job');
  const start = () =>
    doing.run(async () => {
      const made = await send<Job>('/v1/dossiers', { kind, id: id.trim(), for: reader, language, pdf });
      if (!made) return;
      const next = [{ job: made.id, kind, id: id.trim(), at: new Date().toISOString() }, ...recent].slice(0, 10);
      setRecent(next);
      remember(KEY, next);
      setQuery({ job: made.id, kind, id: id.trim() }, {});
    });
  const kinds: readonly string[] = roles.length === 1 && roles[0] === 'owner' ? ['terminal'] : KINDS;
  const hint: Partial<Record<string, Key>> = { terminal: 'dossiers.id_terminal', area: 'dossiers.id_area', person: 'dossiers.id_person' };
  return (
    <div class="page">
      <PageHead title={t('nav.dossiers')} intro={t('dossiers.intro')} />
      {may ? (
        <Section title={t('dossiers.make')}>
          <form
            class="form"
            onSubmit={(event) => {
              event.preventDefault();
              start();
            }}
          >
            <div class="filters">
              <label class="field">
                <span>{t('dossiers.kind')}</span>
                <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
                  {kinds.map((each) => (
                    <option value={each} selected={each === kind}>
                      {codeWord(t, 'subject', each)}
                    </option>
                  ))}
                </select>
              </label>
              <label class="field grow">
                <span>{t('dossiers.id')}</span>
                <input required maxLength={400} autocomplete="off" spellcheck={false} value={id} placeholder={hint[kind] ? t(hint[kind]) : ''} onInput={(event) => setId(event.currentTarget.value)} />
              </label>
              <label class="field">
                <span>{t('dossiers.for')}</span>
                <select value={reader} onChange={(event) => setReader(event.currentTarget.value)}>
                  {editions.map((each) => (
                    <option value={each} selected={each === reader}>
                      {codeWord(t, 'edition', each)}
                    </option>
                  ))}
                </select>
              </label>
              <label class="field">
                <span>{t('settings.language')}</span>
                <select value={language} onChange={(event) => setLanguage(event.currentTarget.value as Language)}>
                  {LANGUAGES.map((each) => (
                    <option value={each} lang={each} selected={each === language}>
                      {NAMES[each]}
                    </option>
                  ))}
                </select>
              </label>
              <label class="check">
                <input type="checkbox" checked={pdf} onChange={(event) => setPdf(event.currentTarget.checked)} />
                <span>PDF</span>
              </label>
            </div>
            <p class="quiet">{t('dossiers.editions')}</p>
            <button type="submit" class="button primary" disabled={doing.busy}>
              <Icon name="dossier" />
              {doing.busy ? t('common.loading') : t('dossiers.make')}
            </button>
          </form>
          {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
        </Section>
      ) : (
        <NotAllowedHere needs="dossiers:run" />
      )}
      {job ? (
        <JobView<DossierMade> key={job} id={job}>
          {(made) => <Made made={made} />}
        </JobView>
      ) : null}
      {recent.length ? (
        <Section title={t('dossiers.recent')}>
          <ul>
            {recent.map((each) => (
              <li>
                <a href={`/dossiers?job=${encodeURIComponent(each.job)}`} aria-current={each.job === job ? 'true' : undefined}>
                  {codeWord(t, 'subject', each.kind)} {each.id}
                </a>{' '}
                <span class="quiet">
                  <Time at={each.at} detail="minute" />
                </span>
              </li>
            ))}
          </ul>
          <p class="quiet">{t('dossiers.recent_help')}</p>
        </Section>
      ) : null}
      <Section title={t('dossiers.holds')}>
        <p>{t('dossiers.holds_intro')}</p>
        <pre class="command">python verify_dossier.py dossier.zip --policy POLICY</pre>
        <ul>
          <li>{t('dossiers.holds_1')}</li>
          <li>{t('dossiers.holds_2')}</li>
          <li>{t('dossiers.holds_3')}</li>
        </ul>
        <Note>{t('dossiers.holds_not')}</Note>
      </Section>
    </div>
  );
}
