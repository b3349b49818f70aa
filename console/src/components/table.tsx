/** Tables and timelines. */
import type { ComponentChildren, JSX } from 'preact';
import { useWords } from '../i18n';
import type { Pages } from '../api/resource';
import { Loading, MarkIcon, ProblemNote, Time } from './basic';

export interface Column<T> {
  readonly head: ComponentChildren;
  readonly cell: (row: T) => ComponentChildren;
  /** Right-aligned figures. */
  readonly figure?: boolean;
  /** The cell that names the row; screen readers say it with every other cell. */
  readonly names?: boolean;
  readonly class?: string;
  /** The head may take several lines, so that a narrow column stays narrow. */
  readonly wraps?: boolean;
}

/** A table with a caption that screen readers say; on narrow screens it scrolls by itself, and by keyboard. */
export function Table<T>({ caption, columns, rows, keyOf, current }: {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  current?: (row: T) => boolean;
}): JSX.Element {
  return (
    <div class="table-box" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" class={[column.figure ? 'figure' : '', column.wraps ? 'wraps' : ''].filter(Boolean).join(' ') || undefined}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} aria-current={current?.(row) ? 'true' : undefined}>
              {columns.map((column) =>
                column.names ? (
                  <th scope="row" class={column.class}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td class={column.figure ? 'figure' : column.class}>{column.cell(row)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A list that the service gives page by page. */
export function PagedTable<T>({ pages, empty, ...table }: {
  pages: Pages<T>;
  empty: ComponentChildren;
  caption: string;
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  current?: (row: T) => boolean;
}): JSX.Element {
  const t = useWords();
  if (pages.data === null) return pages.problem ? <ProblemNote problem={pages.problem} retry={pages.reload} /> : <Loading />;
  if (!pages.data.length) return <>{empty}</>;
  return (
    <>
      <Table {...table} rows={pages.data} />
      {pages.problem ? <ProblemNote problem={pages.problem} retry={pages.more ?? undefined} /> : null}
      <div class="table-foot">
        <span class="quiet">{t('common.rows', { n: pages.data.length })}</span>
        {pages.more ? (
          <button type="button" class="button" disabled={pages.loading} onClick={pages.more}>
            {pages.loading ? t('common.loading') : t('common.more')}
          </button>
        ) : null}
      </div>
    </>
  );
}

export interface Moment {
  readonly at: string;
  readonly title: ComponentChildren;
  /** Key of an answer for the mark on the line, or null for a plain dot. */
  readonly mark?: string | null;
  readonly href?: string;
  readonly detail?: ComponentChildren;
  readonly current?: boolean;
}

/** What happened, in order of time, one below the other. */
export function Timeline({ label, moments }: { label: string; moments: readonly Moment[] }): JSX.Element {
  return (
    <ol class="timeline" aria-label={label}>
      {moments.map((each) => (
        <li aria-current={each.current ? 'true' : undefined}>
          <span class="timeline-mark">{each.mark ? <MarkIcon of={each.mark} /> : <span class="dot" />}</span>
          <div>
            <div class="timeline-time">
              <Time at={each.at} />
            </div>
            <div class="timeline-title">{each.href ? <a href={each.href}>{each.title}</a> : each.title}</div>
            {each.detail ? <div class="quiet">{each.detail}</div> : null}
          </div>
        </li>
      ))}
    </ol>
  );
}
