/** What a proposal changes: texts, areas, batches of lists, programmes and waivers, each as the service takes it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import { Icon, ProblemNote } from '../components/basic';
import { given, Group, instantOf, LongField, linesOf, SelectField, TextField, TimeField } from '../components/form';
import { useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { CheckedView, LinedText, useDraft } from '../rulebook/draft';
import type { Book, Checked } from '../rulebook/types';
import type { Settings } from '../settings';
import { useMay } from '../session';
import type { ListsAnswer } from './types';

export const KINDS = ['rulebook', 'area', 'list', 'programme', 'waiver', 'delete'] as const;
export type ChangeKind = (typeof KINDS)[number];
const CLASSES = ['individual', 'sole_trader', 'legal_entity', 'critical'] as const;
const STATES = ['active', 'pending', 'submitted', 'revoked'] as const;
const MARKS = ['terminal_id', 'kit_number', 'utid', 'dish_id', 'account_id'] as const;

export interface EntryDraft {
  readonly holder: string;
  readonly by: string;
  readonly device: string;
  readonly legal_class: string;
  readonly state: string;
  readonly expires: string;
}

export interface ChangeDraft {
  readonly key: number;
  readonly kind: ChangeKind;
  /** Id of the object, or for `delete` its whole name. */
  readonly id: string;
  /** Text of a rulebook. */
  readonly text: string;
  /** A GeoJSON that was read, and what it is called. */
  readonly areas: { readonly name: string; readonly value: Readonly<Record<string, unknown>>; readonly ids: readonly string[] } | null;
  readonly title: string;
  readonly source: string;
  readonly donor: string;
  readonly purpose: string;
  readonly fresh: boolean;
  readonly add: readonly EntryDraft[];
  readonly remove: string;
}

export const ENTRY: EntryDraft = { holder: '', by: 'terminal_id', device: '', legal_class: 'individual', state: 'active', expires: '' };
let keys = 0;

export function newChange(kind: ChangeKind): ChangeDraft {
  return { key: ++keys, kind, id: '', text: '', areas: null, title: '', source: '', donor: '', purpose: '', fresh: false, add: kind === 'waiver' ? [ENTRY] : [], remove: '' };
}

/** Instants in batches are nanoseconds since 1970, as text. */
function nanoseconds(value: string, clock: Settings['clock']): string {
  const at = Date.parse(instantOf(value, clock));
  return Number.isNaN(at) ? value : `${BigInt(at) * 1_000_000n}`;
}

function entryOf(entry: EntryDraft, clock: Settings['clock']): Record<string, unknown> {
  return given({ holder: entry.holder.trim(), [entry.by]: entry.device.trim(), legal_class: entry.legal_class, state: entry.state, expires_at_ns: entry.expires ? nanoseconds(entry.expires, clock) : '' });
}

/** A change as `POST /v1/proposals` takes it. */
export function changeOf(draft: ChangeDraft, clock: Settings['clock']): Record<string, unknown> {
  const id = draft.id.trim();
  switch (draft.kind) {
    case 'rulebook':
      return { object: 'rulebook', text: draft.text };
    case 'area':
      return { object: id ? `area/${id}` : 'area', value: draft.areas?.value ?? {} };
    case 'list':
      return { object: `list/${id}`, value: { list: draft.fresh ? given({ title: draft.title.trim(), source: draft.source.trim() }) : null, add: draft.add.map((each) => entryOf(each, clock)), remove: linesOf(draft.remove) } };
    case 'programme':
      return { object: `programme/${id}`, value: given({ title: draft.title.trim(), donor: draft.donor.trim(), purpose: draft.purpose.trim(), source: draft.source.trim() }) };
    case 'waiver':
      return { object: `waiver/${id}`, value: { list_id: draft.title.trim(), ...entryOf(draft.add[0] ?? ENTRY, clock) } };
    case 'delete':
      return { object: id, delete: true };
  }
}

/** Ids that the features of a GeoJSON name. */
export function idsIn(value: unknown): string[] | null {
  if (typeof value !== 'object' || value === null) return null;
  const { type, features } = value as { type?: unknown; features?: unknown };
  const all = type === 'FeatureCollection' && Array.isArray(features) ? features : type === 'Feature' ? [value] : null;
  if (!all) return null;
  return all.map((each: { id?: unknown; properties?: { id?: unknown; area_id?: unknown } | null }) => String(each.properties?.id ?? each.properties?.area_id ?? each.id ?? '?'));
}

interface Part {
  readonly at: number;
  readonly draft: ChangeDraft;
  readonly onDraft: (part: Partial<ChangeDraft>) => void;
}

function RulebookChange({ at, onDraft, book }: Omit<Part, 'draft'> & { book: Book }): JSX.Element {
  const t = useWords();
  const may = useMay('rulebooks:check');
  const [text, setText] = useDraft(book);
  const [found, setFound] = useState<Checked | null>(null);
  const [line, setLine] = useState<number | null>(null);
  const doing = useDoing();
  useEffect(() => onDraft({ text }), [text]);
  const take = (next: string) => (setText(next), setFound(null), setLine(null));
  return (
    <>
      <p class="quiet wide">{t('propose.rulebook_help')}</p>
      <div class="wide">
        <LinedText label={`${t('rulebook.text')} (${t('propose.change_n', { n: at + 1 })})`} value={text} marked={new Set(found?.mistakes.map((each) => each.line))} focusLine={line} onChange={take} />
      </div>
      <p class="row wide">
        {may ? (
          <button type="button" class="button" disabled={doing.busy} onClick={() => doing.run(async () => (setLine(null), setFound(await send<Checked>('/v1/rulebooks/check', { text }))))}>
            <Icon name="check" />
            {doing.busy ? t('common.loading') : t('rulebook.check')}
          </button>
        ) : null}
        <label class="button">
          <Icon name="dossier" />
          {t('propose.from_file')}
          <input type="file" class="unseen" accept=".yaml,.yml,text/yaml" aria-label={t('propose.from_file')} onChange={(event) => void event.currentTarget.files?.[0]?.text().then(take)} />
        </label>
        {text === book.text ? (
          <span class="quiet">{t('propose.rulebook_same')}</span>
        ) : (
          <button type="button" class="button" onClick={() => take(book.text)}>
            {t('rulebook.reset')}
          </button>
        )}
      </p>
      <div class="wide">
        {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
        {found ? <CheckedView found={found} onLine={(to) => (setLine(null), window.setTimeout(() => setLine(to), 0))} /> : null}
      </div>
    </>
  );
}

function AreaChange({ at, draft, onDraft }: Part): JSX.Element {
  const t = useWords();
  const [wrong, setWrong] = useState('');
  const take = async (file: File | undefined) => {
    if (!file) return;
    let value: unknown = null;
    try {
      value = JSON.parse(await file.text()) as unknown;
    } catch {
      // Told below: it is no GeoJSON.
    }
    const ids = idsIn(value);
    setWrong(ids ? '' : t('propose.no_geojson', { name: file.name }));
    onDraft({ areas: ids ? { name: file.name, value: value as Record<string, unknown>, ids } : null });
  };
  return (
    <>
      <div class="field wide">
        <span class="row">
          <label class="button">
            <Icon name="dossier" />
            {t('propose.areas_file')}
            <input type="file" class="unseen" name={`changes.${at}.value`} required={!draft.areas} accept=".geojson,.json,application/geo+json" aria-label={t('propose.areas_file')} onChange={(event) => void take(event.currentTarget.files?.[0])} />
          </label>
          {draft.areas ? (
            <span>
              {draft.areas.name}: {t('propose.areas_found', { n: draft.areas.ids.length })} <span class="quiet">{draft.areas.ids.slice(0, 8).join(', ')}{draft.areas.ids.length > 8 ? ' …' : ''}</span>
            </span>
          ) : null}
        </span>
        {wrong ? (
          <span class="field-wrong" role="alert">
            <Icon name="warn" />
            <span>{wrong}</span>
          </span>
        ) : null}
      </div>
      <TextField optional name={`changes.${at}.id`} label={t('propose.area_only')} help={t('propose.area_only_help')} value={draft.id} onValue={(id) => onDraft({ id })} list={draft.areas?.ids.map((id) => [id, ''] as const)} />
    </>
  );
}

function EntryFields({ name, entry, onEntry, ends }: { name: string; entry: EntryDraft; onEntry: (part: Partial<EntryDraft>) => void; ends: boolean }): JSX.Element {
  const t = useWords();
  return (
    <>
      <TextField name={`${name}.holder`} label={t('propose.holder')} value={entry.holder} onValue={(holder) => onEntry({ holder })} />
      <SelectField name={`${name}.by`} label={t('propose.device_by')} value={entry.by} onValue={(by) => onEntry({ by })} options={MARKS.map((each) => [each, codeWord(t, 'device', each)] as const)} />
      <TextField name={`${name}.device`} label={t('propose.device')} value={entry.device} onValue={(device) => onEntry({ device })} />
      <SelectField name={`${name}.legal_class`} label={t('lists.legal_class')} value={entry.legal_class} onValue={(legal_class) => onEntry({ legal_class })} options={CLASSES.map((each) => [each, codeWord(t, 'legal_class', each)] as const)} />
      {ends ? null : <SelectField name={`${name}.state`} label={t('proposals.state')} value={entry.state} onValue={(state) => onEntry({ state })} options={STATES.map((each) => [each, codeWord(t, 'entry_state', each)] as const)} />}
      <TimeField optional={!ends} name={`${name}.expires`} label={t('propose.ends')} value={entry.expires} onValue={(expires) => onEntry({ expires })} />
    </>
  );
}

function ListChange({ at, draft, onDraft }: Part): JSX.Element {
  const t = useWords();
  const may = useMay('lists:read');
  const found = useJson<ListsAnswer>(may ? '/v1/lists' : null).data;
  const lists = found?.policy ?? [];
  const entry = (i: number, part: Partial<EntryDraft>) => onDraft({ add: draft.add.map((each, n) => (n === i ? { ...each, ...part } : each)) });
  const id = draft.id.trim();
  const exists = lists.some((each) => each.id === id);
  const fresh = found !== null && id !== '' && !exists;
  // Whether a list is begun is known once those that exist are.
  useEffect(() => onDraft({ fresh }), [fresh]);
  return (
    <>
      <TextField name={`changes.${at}.id`} label={t('propose.list_id')} value={draft.id} onValue={(to) => onDraft({ id: to })} list={lists.map((each) => [each.id, each.title ?? ''] as const)} help={exists ? t('propose.list_there') : fresh ? t('propose.list_new') : undefined} />
      {draft.fresh ? (
        <>
          <TextField name={`changes.${at}.title`} label={t('propose.title')} value={draft.title} onValue={(title) => onDraft({ title })} />
          <TextField optional name={`changes.${at}.source`} label={t('lists.source')} value={draft.source} onValue={(source) => onDraft({ source })} />
        </>
      ) : null}
      {draft.add.map((each, i) => (
        <div class="wide inner">
          <Group
            title={
              <>
                {t('propose.entry_n', { n: i + 1 })}
                <button type="button" class="button link" onClick={() => onDraft({ add: draft.add.filter((_, n) => n !== i) })}>
                  {t('form.remove')}
                </button>
              </>
            }
          >
            <EntryFields name={`changes.${at}.add.${i}`} entry={each} onEntry={(part) => entry(i, part)} ends={false} />
          </Group>
        </div>
      ))}
      <p class="row wide">
        <button type="button" class="button" onClick={() => onDraft({ add: [...draft.add, ENTRY] })}>
          {t('propose.entry_more')}
        </button>
      </p>
      <LongField optional name={`changes.${at}.remove`} label={t('propose.remove')} help={t('propose.remove_help')} rows={2} value={draft.remove} onValue={(remove) => onDraft({ remove })} hint="entry-…" />
    </>
  );
}

/** The fields of one change. */
export function ChangeFields({ at, draft, onDraft, book, onRemove }: Part & { book: Book | null; onRemove: (() => void) | null }): JSX.Element {
  const t = useWords();
  return (
    <Group
      name={`changes.${at}`}
      title={
        <>
          {t('propose.change_n', { n: at + 1 })}
          {onRemove ? (
            <button type="button" class="button link" onClick={onRemove}>
              {t('form.remove')}
            </button>
          ) : null}
        </>
      }
    >
      <SelectField name={`changes.${at}.object`} label={t('propose.kind')} value={draft.kind} onValue={(kind) => onDraft({ ...newChange(kind as ChangeKind), key: draft.key })} options={KINDS.map((each) => [each, t(`propose.kind_${each}`)] as const)} />
      {draft.kind === 'rulebook' ? book ? <RulebookChange at={at} onDraft={onDraft} book={book} /> : <p class="quiet wide">{t('common.loading')}</p> : null}
      {draft.kind === 'area' ? <AreaChange at={at} draft={draft} onDraft={onDraft} /> : null}
      {draft.kind === 'list' ? <ListChange at={at} draft={draft} onDraft={onDraft} /> : null}
      {draft.kind === 'programme' ? (
        <>
          <TextField name={`changes.${at}.id`} label={t('propose.programme_id')} value={draft.id} onValue={(id) => onDraft({ id })} />
          <TextField name={`changes.${at}.title`} label={t('propose.title')} value={draft.title} onValue={(title) => onDraft({ title })} />
          <TextField optional name={`changes.${at}.donor`} label={t('propose.donor')} value={draft.donor} onValue={(donor) => onDraft({ donor })} />
          <TextField optional name={`changes.${at}.purpose`} label={t('requests.purpose')} value={draft.purpose} onValue={(purpose) => onDraft({ purpose })} />
          <TextField optional name={`changes.${at}.source`} label={t('lists.source')} value={draft.source} onValue={(source) => onDraft({ source })} />
        </>
      ) : null}
      {draft.kind === 'waiver' ? (
        <>
          <TextField name={`changes.${at}.id`} label={t('propose.waiver_id')} value={draft.id} onValue={(id) => onDraft({ id })} hint="entry-…" />
          <TextField name={`changes.${at}.title`} label={t('propose.list_id')} value={draft.title} onValue={(title) => onDraft({ title })} />
          <EntryFields name={`changes.${at}.value`} entry={draft.add[0] ?? ENTRY} onEntry={(part) => onDraft({ add: [{ ...(draft.add[0] ?? ENTRY), ...part }] })} ends />
        </>
      ) : null}
      {draft.kind === 'delete' ? <TextField name={`changes.${at}.id`} label={t('propose.object')} help={t('propose.delete_help')} value={draft.id} onValue={(id) => onDraft({ id })} hint="area/… · waiver/…" pattern="(area|waiver)/.+" wrong={t('propose.delete_help')} /> : null}
    </Group>
  );
}
