/** The map in words: what is in view, as a table. */
import type { JSX } from 'preact';
import { Badge, Icon, MarkIcon } from '../components/basic';
import { Table } from '../components/table';
import { number, position } from '../format';
import { useWords } from '../i18n';
import { KEYS, MARKS } from '../marks';
import { useSettings } from '../settings';
import type { CellRow, PointRow, Seen } from './answers';

const MOST = 200;

export function MapTable({ seen, onZoom, onClose }: { seen: Seen; onZoom: (lat: number, lon: number) => void; onClose: () => void }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const cells = [...seen.cells].sort((a, b) => b.count - a.count).slice(0, MOST);
  const points = [...seen.points].sort((a, b) => KEYS.indexOf(b.key) - KEYS.indexOf(a.key)).slice(0, MOST);
  const all = seen.cells.length || seen.points.length;
  return (
    <section class="map-table" aria-label={t('map.table_title')}>
      <div class="card-head">
        <h2>{seen.cells.length ? t('map.table_cells') : t('map.table_points')}</h2>
        {all > MOST ? <span class="quiet">{t('map.first_rows', { n: MOST, total: all })}</span> : null}
        <button type="button" class="icon-button" aria-label={t('common.close')} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {seen.cells.length ? (
        <Table<CellRow>
          caption={t('map.table_cells')}
          rows={cells}
          keyOf={(row) => `${row.lat},${row.lon}`}
          columns={[
            { head: t('map.place'), names: true, cell: (row) => <button type="button" class="button link" onClick={() => onZoom(row.lat, row.lon)}>{position(row.lat, row.lon, 1)}</button> },
            { head: t('map.count'), figure: true, cell: (row) => number(row.count, prefer) },
            ...[...MARKS].reverse().map((mark) => ({
              head: <><MarkIcon of={mark.key} /> <span class="head-word">{t(`answer.${mark.key}`)}</span></>,
              figure: true,
              wraps: true,
              cell: (row: CellRow) => number(row.counts[KEYS.indexOf(mark.key)], prefer),
            })),
          ]}
        />
      ) : (
        <Table<PointRow>
          caption={t('map.table_points')}
          rows={points}
          keyOf={(row) => row.id}
          columns={[
            { head: t('map.terminal'), names: true, cell: (row) => <a href={`/terminals/${encodeURIComponent(row.id)}`}>{row.id}</a> },
            { head: t('map.answer'), cell: (row) => <Badge outcome={row.key} /> },
            { head: t('map.place'), cell: (row) => position(row.lat, row.lon, 4) },
          ]}
        />
      )}
    </section>
  );
}
