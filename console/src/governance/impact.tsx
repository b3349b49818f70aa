/** Whom a change would answer otherwise: before and after, by class; and what the preview could not see. */
import type { JSX } from 'preact';
import { Badge, Facts } from '../components/basic';
import { Table } from '../components/table';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import { useSettings } from '../settings';
import type { Impact } from './types';

/** Counts of an impact as rows: outcome before, after, class, how many; what changes comes first. */
export function impactRows(counts: Impact['counts']): { before: string; after: string; kind: string; n: number }[] {
  const rows = Object.entries(counts).flatMap(([before, afters]) => Object.entries(afters).flatMap(([after, kinds]) => Object.entries(kinds).map(([kind, n]) => ({ before, after, kind, n }))));
  return rows.sort((a, b) => Number(a.before === a.after) - Number(b.before === b.after) || b.n - a.n || a.kind.localeCompare(b.kind));
}

export function ImpactFacts({ impact }: { impact: Impact }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const rows = impactRows(impact.counts);
  const list = (values: readonly string[]) => (values.length ? values.join(', ') : null);
  return (
    <>
      <p class="sentence">{impact.lines.join('; ')}</p>
      {rows.length ? (
        <Table
          caption={t('proposals.impact_table')}
          rows={rows}
          keyOf={(row) => `${row.before} ${row.after} ${row.kind}`}
          columns={[
            { head: t('proposals.class_of_terminal'), names: true, cell: (row) => codeWord(t, 'terminal_class', row.kind) },
            { head: t('proposals.terminals'), figure: true, cell: (row) => number(row.n, prefer) },
            { head: t('whatif.now'), cell: (row) => <Badge outcome={row.before} /> },
            { head: t('whatif.then'), cell: (row) => (row.before === row.after ? <span class="quiet">{t('proposals.unchanged')}</span> : <Badge outcome={row.after} />) },
          ]}
        />
      ) : null}
      <Facts
        of={[
          [t('proposals.protected'), list(impact.protected_changed)],
          [t('proposals.countries'), list(impact.countries)],
          [t('proposals.conflict_areas'), list(impact.conflict_areas)],
          [t('proposals.exceptions'), list(impact.sanctions_exceptions)],
          [t('proposals.wartime'), impact.wartime_denials || null],
          [t('proposals.suppressed'), impact.suppressed || null],
          [t('proposals.computed'), impact.runs.map((run) => run.engine).join(', ')],
        ]}
      />
      {impact.not_seen.length ? (
        <>
          <h3>{t('proposals.not_seen')}</h3>
          <ul>
            {impact.not_seen.map((each) => (
              <li>{each}</li>
            ))}
          </ul>
        </>
      ) : null}
    </>
  );
}
