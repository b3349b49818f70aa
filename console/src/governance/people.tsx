/** Fields for persons of the charter, and for parties outside: known by an id, or described here. */
import type { ComponentChildren, JSX } from 'preact';
import { useJson } from '../api/resource';
import { Group, LongField, linesOf, SelectField, TextField } from '../components/form';
import { shortId, type Party } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { useMay } from '../session';
import type { Charter, RequestRow } from './types';

export const PARTY_KINDS = ['legal_entity', 'government_body', 'natural_person', 'head_of_state_or_government', 'international_org', 'unknown'] as const;
export const CHANNELS = ['letter', 'call', 'meeting', 'email', 'api', 'court_order', 'intermediary', 'other'] as const;
export const PARTY_PATTERN = 'party-[0-9a-f]{32}';

/** The charter, for whoever may read it. */
export function useCharter(): Charter | null {
  const may = useMay('charter:read');
  return useJson<Charter>(may ? '/v1/charter' : null).data;
}

/** Those with names first. */
export const byName = (a: readonly [string, string], b: readonly [string, string]) => Number(a[1].startsWith('party-')) - Number(b[1].startsWith('party-')) || a[1].localeCompare(b[1]);

const nameOf = (party: Party) => party.name ?? shortId(party.id);

/** Persons of the charter, of one role where one is named; by name where the reader may know names. */
export function peopleOf(charter: Charter | null, role?: string): (readonly [string, string])[] {
  const found = role === undefined ? charter?.persons.map((each) => each.party) : charter?.roles.find((each) => each.name === role)?.members;
  return (found ?? []).map((each) => [each.id, nameOf(each)] as const).sort(byName);
}

/** One person of the charter; typed as an id where the charter is not at hand. */
export function PersonField({ people, name, label, help, value, onValue }: { people: readonly (readonly [string, string])[]; name: string; label: ComponentChildren; help?: ComponentChildren; value: string; onValue: (value: string) => void }): JSX.Element {
  const t = useWords();
  if (people.length) return <SelectField name={name} label={label} help={help} value={value} onValue={onValue} none="–" options={people} />;
  return <TextField name={name} label={label} help={help} value={value} onValue={onValue} hint="party-…" pattern={PARTY_PATTERN} wrong={t('form.party_id')} />;
}

/** Parties that requests have named, for fields that want an id. */
export function useKnownParties(): (readonly [string, string])[] {
  const may = useMay('requests:read');
  const found = useJson<{ items: readonly RequestRow[] }>(may ? '/v1/requests' : null, { limit: 200 });
  const known = new Map<string, string>();
  for (const row of found.data?.items ?? []) {
    for (const each of [row.requester, ...row.on_behalf_of, ...(row.conveyed_by ? [row.conveyed_by] : [])]) if (each.id.startsWith('party-')) known.set(each.id, each.name ?? '');
  }
  return [...known];
}

export type How = 'new' | 'known' | 'self' | 'unknown' | 'none';

export interface PartyDraft {
  readonly how: How;
  readonly id: string;
  readonly kind: string;
  readonly names: string;
  readonly jurisdiction: string;
}

export const NOBODY: PartyDraft = { how: 'new', id: '', kind: 'legal_entity', names: '', jurisdiction: '' };

/** A party in the form that the service takes: an id, a word, or a description; null for none. */
export function partyOf(draft: PartyDraft): unknown {
  if (draft.how === 'none') return null;
  if (draft.how === 'self' || draft.how === 'unknown') return draft.how;
  if (draft.how === 'known') return draft.id.trim();
  return { kind: draft.kind, names: linesOf(draft.names), ...(draft.jurisdiction.trim() ? { jurisdiction: draft.jurisdiction.trim() } : {}) };
}

/** Who it is: described here, known by an id, or one of the words that fit. */
export function PartyFields({ name, title, help, also = [], known, draft, onDraft }: {
  name: string;
  title: ComponentChildren;
  help?: ComponentChildren;
  also?: readonly How[];
  known: readonly (readonly [string, string])[];
  draft: PartyDraft;
  onDraft: (part: Partial<PartyDraft>) => void;
}): JSX.Element {
  const t = useWords();
  const ways: readonly How[] = [...also, 'new', 'known'];
  return (
    <Group title={title} help={help} name={name}>
      <SelectField name={`${name}.how`} label={t('form.party_how')} value={draft.how} onValue={(how) => onDraft({ how: how as How })} options={ways.map((each) => [each, t(`form.party_${each}`)] as const)} />
      {draft.how === 'known' ? (
        <TextField wide name={`${name}.id`} label={t('form.party_id_label')} value={draft.id} onValue={(id) => onDraft({ id })} hint="party-…" pattern={PARTY_PATTERN} wrong={t('form.party_id')} list={known} />
      ) : null}
      {draft.how === 'new' ? (
        <>
          <SelectField name={`${name}.kind`} label={t('form.party_kind')} value={draft.kind} onValue={(kind) => onDraft({ kind })} options={PARTY_KINDS.map((each) => [each, codeWord(t, 'party_kind', each)] as const)} />
          <TextField optional name={`${name}.jurisdiction`} label={t('form.jurisdiction')} value={draft.jurisdiction} onValue={(jurisdiction) => onDraft({ jurisdiction })} hint="AT" most={80} />
          <LongField name={`${name}.names`} label={t('form.names')} help={t('form.names_help')} rows={2} value={draft.names} onValue={(names) => onDraft({ names })} />
        </>
      ) : null}
    </Group>
  );
}

