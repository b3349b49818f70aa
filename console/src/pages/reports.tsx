/** Outside reports: articles and letters with the claims they make. A claim is never a fact of the registers. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { address, Problem } from '../api/client';
import { usePages } from '../api/resource';
import { Empty, Icon, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { Note, useDoing } from '../components/parts';
import { PagedTable } from '../components/table';
import type { ReportRow } from '../evidence/types';
import { codeWord, useWords } from '../i18n';
import { navigate } from '../router';
import { useMay } from '../session';
import { useSettings, type Language } from '../settings';

export function languageName(code: string, language: Language): string {
  try {
    return code ? (new Intl.DisplayNames([language], { type: 'language' }).of(code) ?? code) : '';
  } catch {
    return code;
  }
}

interface Imported {
  readonly reports: readonly ReportRow[];
  readonly new: number;
  readonly suggested: number;
  readonly logged: boolean | null;
  readonly trouble: readonly string[];
}

/** A file goes up as it is: the bytes are the evidence. */
async function upload(file: File, source: string): Promise<Imported> {
  const response = await fetch(address('/v1/reports', { name: file.name, source_url: source }), {
    method: 'POST', body: file, credentials: 'same-origin', headers: { 'Content-Type': 'application/octet-stream', 'X-Groundrule-Request': '1', Accept: 'application/json' },
  });
  const body = (await response.json().catch(() => ({}))) as Imported & { title?: string };
  if (!response.ok) throw new Problem({ ...body, title: body.title ?? response.statusText, status: response.status });
  return body;
}

function Import({ onDone }: { onDone: () => void }): JSX.Element {
  const t = useWords();
  const [source, setSource] = useState('');
  const [found, setFound] = useState<Imported | null>(null);
  const doing = useDoing();
  return (
    <Section title={t('reports.import')}>
      <p class="quiet">{t('reports.import_help')}</p>
      <div class="filters">
        <label class="field grow">
          <span>{t('reports.source_url')}</span>
          <input type="text" inputMode="url" maxLength={2000} autocomplete="off" spellcheck={false} value={source} onInput={(event) => setSource(event.currentTarget.value)} />
        </label>
        <label class="button">
          <Icon name="report" />
          {doing.busy ? t('common.loading') : t('verify.choose')}
          <input
            type="file"
            class="unseen"
            disabled={doing.busy}
            aria-label={t('reports.import')}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file)
                doing.run(async () => {
                  const made = await upload(file, source);
                  setFound(made);
                  onDone();
                  if (made.reports.length === 1) navigate(`/reports/${made.reports[0]!.id}`);
                });
            }}
          />
        </label>
      </div>
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {found ? (
        <p class="note" role="status">
          {t('reports.imported', { n: found.reports.length })} {t('reports.suggested', { n: found.suggested })} {found.trouble.join(' ')}
        </p>
      ) : null}
    </Section>
  );
}

export default function Reports(): JSX.Element {
  const t = useWords();
  const { language } = useSettings();
  const may = useMay('reports:write');
  const pages = usePages<ReportRow>('/v1/reports', { limit: 50 });
  return (
    <div class="page">
      <PageHead title={t('nav.reports')} intro={t('reports.intro')} />
      <Note tone="warn">
        <strong>{t('reports.never_fact')}</strong>
      </Note>
      <PagedTable<ReportRow>
        pages={pages}
        caption={t('nav.reports')}
        keyOf={(row) => row.id}
        empty={
          <Empty title={t('reports.none')}>
            <p>{t('reports.none_help')}</p>
            <pre class="command">groundrule report import FILE</pre>
          </Empty>
        }
        columns={[
          { head: t('reports.report'), names: true, cell: (row) => <a href={`/reports/${row.id}`}>{row.title || row.id}</a> },
          { head: t('reports.publisher'), cell: (row) => row.publisher || '–' },
          { head: t('reports.published'), cell: (row) => row.published_at || '–' },
          { head: t('reports.language'), cell: (row) => <>{languageName(row.language, language)} {row.translation === 'machine' ? <Tag tone="warn">{t('reports.machine')}</Tag> : row.translation === 'human' ? <Tag>{t('reports.human')}</Tag> : null}</> },
          { head: t('reports.claims'), cell: (row) => Object.entries(row.claims).filter(([, n]) => n > 0).map(([name, n]) => <div>{codeWord(t, 'claim_status', name)}: {n}</div>) },
          { head: t('reports.recorded'), cell: (row) => <Time at={row.recorded_at} detail="minute" /> },
        ]}
      />
      {may ? <Import onDone={pages.reload} /> : null}
    </div>
  );
}
