/** Verifications: what the network measured of where terminals are, the newest first. */
import type { JSX } from 'preact';
import { usePages } from '../api/resource';
import type { Verdict, VerificationRow } from '../api/sky';
import { Empty, PageHead, Tag, Time, type Tone } from '../components/basic';
import { PagedTable, type Column } from '../components/table';
import { distance, position } from '../format';
import { codeWord, useWords, type Key } from '../i18n';
import { setQuery, usePlace } from '../router';
import { useSettings } from '../settings';

export const VERDICTS: readonly Verdict[] = ['consistent', 'inconsistent', 'ambiguous', 'insufficient', 'fault'];
const TONES: Readonly<Record<Verdict, Tone>> = { consistent: 'good', inconsistent: 'bad', ambiguous: 'warn', insufficient: 'plain', fault: 'warn' };

export function VerdictTag({ verdict }: { verdict: Verdict }): JSX.Element {
  const t = useWords();
  return <Tag tone={TONES[verdict] ?? 'plain'}>{t(`verdict.${verdict}` as Key)}</Tag>;
}

export default function VerificationsPage(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const terminal = query.get('terminal');
  const wanted = query.get('verdict');
  const verdict = VERDICTS.find((each) => each === wanted) ?? null;
  const pages = usePages<VerificationRow>('/v1/verifications', { terminal, verdict, language: prefer.language, limit: 50 });
  const operator = pages.data?.some((row) => row.audience === 'operator') ?? false;
  const columns: Column<VerificationRow>[] = [
    { head: t('verifications.at'), names: true, cell: (row) => <a href={`/verifications/${encodeURIComponent(row.id)}`}><Time at={row.at} detail="minute" /></a> },
    { head: t('terminal.id'), cell: (row) => <a href={`/terminals/${encodeURIComponent(row.terminal)}`}>{row.terminal}</a> },
    { head: t('verifications.verdict'), cell: (row) => <VerdictTag verdict={row.verdict} /> },
    ...(operator
      ? [
          { head: t('verifications.against'), cell: (row: VerificationRow) => codeWord(t, 'assurance_short', row.assurance ?? 'none') },
          { head: t('verifications.distance'), figure: true, cell: (row: VerificationRow) => (row.distance_m === undefined ? '–' : distance(row.distance_m, prefer)) },
          { head: t('verifications.radio'), class: 'nowrap', cell: (row: VerificationRow) => position(row.lat, row.lon, 3) || '–' },
        ]
      : [{ head: t('verifications.means'), cell: (row: VerificationRow) => row.sentence }]),
  ];
  return (
    <div class="page">
      <PageHead title={t('nav.verifications')} intro={t('verifications.intro')} />
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>{t('terminal.id')}</span>
          <input type="search" name="terminal" maxLength={200} value={terminal ?? ''} onChange={(event) => setQuery({ terminal: event.currentTarget.value.trim() || null })} />
        </label>
        <label class="field">
          <span>{t('verifications.verdict')}</span>
          <select name="verdict" value={verdict ?? ''} onChange={(event) => setQuery({ verdict: event.currentTarget.value || null })}>
            <option value="">{t('verifications.any')}</option>
            {VERDICTS.map((each) => (
              <option value={each}>{t(`verdict.${each}` as Key)}</option>
            ))}
          </select>
        </label>
      </form>
      <PagedTable
        pages={pages}
        caption={t('nav.verifications')}
        keyOf={(row) => row.id + row.terminal}
        columns={columns}
        empty={
          <Empty title={t('verifications.none')}>
            <p>{t(terminal || verdict ? 'verifications.none_so' : 'verifications.none_help')}</p>
            {terminal || verdict ? (
              <a class="button" href="/verifications">
                {t('common.clear')}
              </a>
            ) : null}
          </Empty>
        }
      />
    </div>
  );
}
