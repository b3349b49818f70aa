/** Tell of a contact, or state expressly that there was none. What a person signs is signed at the home, by command. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { Icon, Section } from '../components/basic';
import { CheckField, Form, given, Group, instantOf, linesOf, SelectField, TextField, TimeField, LongField, useDraftOf, useKeyOf } from '../components/form';
import { LogLink, Note, save, shortId, useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { navigate } from '../router';
import { useSettings } from '../settings';
import { Command } from './hand_in';
import { byName, CHANNELS, NOBODY, PartyFields, partyOf, peopleOf, PersonField, useCharter, useKnownParties, type PartyDraft } from './people';
import type { Charter, ContactRow } from './types';

const BASES = ['self', 'third_party', 'press', 'official', 'intelligence'] as const;
const CAPACITIES = ['unknown', 'official', 'business', 'private'] as const;
const PATTERNS = ['single', 'regular'] as const;

/** Whoever must tell of contacts: covered persons, and everybody with a key. */
function coveredOf(charter: Charter | null): (readonly [string, string])[] {
  const found = new Map((charter?.covered ?? []).map((each) => [each.party.id, each.party.name ?? shortId(each.party.id)] as const));
  for (const [id, name] of peopleOf(charter)) if (!found.has(id)) found.set(id, name);
  return [...found].sort(byName);
}

export function ContactForm(): JSX.Element {
  const t = useWords();
  const { clock } = useSettings();
  const charter = useCharter();
  const known = useKnownParties();
  const [other, setOther] = useState<PartyDraft>(NOBODY);
  const [teller, setTeller] = useState<PartyDraft>({ ...NOBODY, kind: 'natural_person' });
  const [draft, set] = useDraftOf({ covered_person: '', basis: 'self', capacity: 'unknown', channel: 'meeting', pattern: 'single', topics: '', occurred_from: '', occurred_to: '', ask_made: '', public_ids: false });
  const [saved, setSaved] = useState(false);
  const keyOf = useKeyOf();
  const doing = useDoing();
  const options = (group: string, codes: readonly string[]) => codes.map((each) => [each, codeWord(t, group, each)] as const);
  const contact = () => ({
    covered_person: draft.covered_person, counterparty: partyOf(other), reported_by: draft.basis === 'self' ? draft.covered_person : partyOf(teller), basis: draft.basis,
    capacity: draft.capacity, channel: draft.channel, pattern: draft.pattern, ...(linesOf(draft.topics).length ? { topics: linesOf(draft.topics) } : {}),
    ...given({ occurred_from: instantOf(draft.occurred_from, clock), occurred_to: instantOf(draft.occurred_to, clock), ask_made: draft.ask_made.trim() }),
  });
  return (
    <Section title={t('contacts.new')} id="new">
      <p class="quiet">{t('contacts.new_intro')}</p>
      <Form
        label={t('contacts.new')}
        problem={doing.problem}
        busy={doing.busy}
        send={t('contacts.record')}
        note={t('contacts.record_note')}
        actions={
          <button type="submit" class="button" value="save">
            <Icon name="download" />
            {t('contacts.save')}
          </button>
        }
        onSubmit={(by) => {
          if (by === 'save') {
            save('contact.json', `${JSON.stringify(contact(), null, 1)}\n`, 'application/json');
            setSaved(true);
            return;
          }
          doing.run(async () => {
            const sent = { contact: contact(), public_ids: draft.public_ids };
            const made = await send<ContactRow>('/v1/contacts', sent, { key: keyOf(sent) });
            if (made) navigate(`/contacts/${made.id}`);
          });
        }}
      >
        <Group title={t('contacts.who')}>
          <PersonField people={coveredOf(charter)} name="covered_person" label={t('contacts.person')} value={draft.covered_person} onValue={(covered_person) => set({ covered_person })} />
          <SelectField name="basis" label={t('contacts.basis')} value={draft.basis} onValue={(basis) => set({ basis })} options={options('contact_basis', BASES)} />
        </Group>
        <PartyFields name="counterparty" title={t('contacts.counterparty')} known={known} draft={other} onDraft={(part) => setOther({ ...other, ...part })} />
        {draft.basis === 'self' ? null : <PartyFields name="reported_by" title={t('contacts.reported_by')} known={[...coveredOf(charter), ...known]} draft={teller} onDraft={(part) => setTeller({ ...teller, ...part })} />}
        <Group title={t('contacts.facts')}>
          <SelectField name="capacity" label={t('contacts.capacity')} value={draft.capacity} onValue={(capacity) => set({ capacity })} options={options('capacity', CAPACITIES)} />
          <SelectField name="channel" label={t('requests.channel')} value={draft.channel} onValue={(channel) => set({ channel })} options={options('channel', CHANNELS)} />
          <SelectField name="pattern" label={t('contacts.pattern')} value={draft.pattern} onValue={(pattern) => set({ pattern })} options={options('pattern', PATTERNS)} />
          <TimeField optional name="occurred_from" label={t('form.from')} value={draft.occurred_from} onValue={(occurred_from) => set({ occurred_from })} />
          <TimeField optional name="occurred_to" label={t('form.until')} help={t('contacts.times_help')} value={draft.occurred_to} onValue={(occurred_to) => set({ occurred_to })} />
          <TextField optional name="ask_made" label={t('contacts.request')} value={draft.ask_made} onValue={(ask_made) => set({ ask_made })} hint="request-…" pattern="request-[0-9a-f]{32}" wrong={t('form.request_id')} />
          <LongField optional name="topics" label={t('contacts.topics')} help={t('contacts.topics_help')} rows={2} value={draft.topics} onValue={(topics) => set({ topics })} />
        </Group>
        <CheckField name="public_ids" label={t('contacts.public_ids')} help={t('contacts.public_ids_help')} checked={draft.public_ids} onValue={(public_ids) => set({ public_ids })} />
      </Form>
      {saved ? (
        <div class="note" role="status">
          <p class="strong">{t('contacts.saved')}</p>
          <Command text="groundrule contact add contact.json --key MY.key --home HOME" />
        </div>
      ) : null}
      <Note>{t('contacts.note')}</Note>
    </Section>
  );
}

export function NilForm({ onDone }: { onDone: () => void }): JSX.Element {
  const t = useWords();
  const { clock } = useSettings();
  const charter = useCharter();
  const [draft, set] = useDraftOf({ covered_person: '', from: '', until: '' });
  const [logged, setLogged] = useState<{ log_index: number | null } | null>(null);
  const keyOf = useKeyOf();
  const doing = useDoing();
  return (
    <Section title={t('contacts.nil_new')} id="nil">
      <p class="quiet">{t('contacts.nil_help')}</p>
      <Form
        label={t('contacts.nil_new')}
        problem={doing.problem}
        busy={doing.busy}
        send={t('requests.record')}
        note={t('contacts.nil_note')}
        onSubmit={() =>
          doing.run(async () => {
            setLogged(null);
            const sent = { nil_return: { covered_person: draft.covered_person, from: instantOf(draft.from, clock), until: instantOf(draft.until, clock) } };
            setLogged(await send<{ log_index: number | null }>('/v1/contacts/returns', sent, { key: keyOf(sent) }));
            onDone();
          })
        }
      >
        <Group title={t('contacts.nil_what')}>
          <PersonField people={coveredOf(charter)} name="covered_person" label={t('contacts.person')} value={draft.covered_person} onValue={(covered_person) => set({ covered_person })} />
          <TimeField name="from" label={t('form.from')} value={draft.from} onValue={(from) => set({ from })} />
          <TimeField name="until" label={t('form.until')} value={draft.until} onValue={(until) => set({ until })} />
        </Group>
      </Form>
      {logged ? (
        <p class="note" role="status">
          {t(logged.log_index === null ? 'sign.known' : 'sign.taken')} <LogLink index={logged.log_index} />
        </p>
      ) : null}
      <p class="quiet">{t('contacts.nil_signed')}</p>
      <Command text={`groundrule contact nil ${draft.covered_person || 'PARTY'} --from ${instantOf(draft.from, clock) || 'TIME'} --until ${instantOf(draft.until, clock) || 'TIME'} --key MY.key --home HOME`} />
    </Section>
  );
}
