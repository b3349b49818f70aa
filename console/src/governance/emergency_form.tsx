/** Open an emergency: the exact bytes are made here, two persons sign them on their own devices, and both files come back. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { Facts, Section, Time } from '../components/basic';
import { ChecksField, Form, given, Group, linesOf, LongField, NumberField, SelectField, TextField, useDraftOf } from '../components/form';
import { Note, useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { navigate } from '../router';
import { Command, HandIn, SignFile } from './hand_in';
import { peopleOf, PersonField, useCharter } from './people';
import type { Emergency, ToSign } from './types';

interface Draft extends ToSign {
  readonly opens_at: string | null;
  readonly openings: readonly { readonly commitment: string; readonly terminal: string; readonly salt: string }[];
}

/** What an emergency of a direction may do. */
export const OPS = { permit_only: ['serve', 'review'], deny_only: ['restrict', 'review', 'deny'] } as const;
type Direction = keyof typeof OPS;

function Signatures({ draft, onDone }: { draft: Draft | null; onDone: () => void }): JSX.Element {
  const t = useWords();
  return (
    <Section title={t('emergencies.hand_in')} id="hand-in">
      <p>{t('emergencies.hand_in_help')}</p>
      <HandIn
        kind="emergency"
        several
        says={(read) => read.of ?? ''}
        wrong={(read) => (draft && read.of !== draft.id ? t('emergencies.other_bytes') : null)}
        onSend={async (envelopes) => {
          const made = await send<Emergency>('/v1/emergencies', { envelopes });
          onDone();
          if (made) navigate(`/emergencies#${made.id}`);
          return '';
        }}
      />
    </Section>
  );
}

export function EmergencyForm({ conditions, onDone }: { conditions: readonly string[]; onDone: () => void }): JSX.Element {
  const t = useWords();
  const charter = useCharter();
  const people = peopleOf(charter, 'emergency');
  const [form, set] = useDraftOf({ first: '', second: '', condition: conditions[0] ?? '', direction: 'permit_only' as Direction, ops: ['serve'] as string[], hours: '4', areas: '', terminals: '', minutes: '5', renewal_of: '' });
  const [draft, setDraft] = useState<Draft | null>(null);
  const doing = useDoing();
  const body = () => ({
    openers: [form.first, form.second], condition: form.condition, direction: form.direction, ops: form.ops,
    ttl_s: Math.round(Number(form.hours) * 3_600), areas: linesOf(form.areas), terminals: linesOf(form.terminals), opens_in_s: Math.round(Number(form.minutes) * 60),
    ...given({ renewal_of: form.renewal_of.trim() }),
  });
  return (
    <>
      <Section title={t('emergencies.new')} id="new">
        <p class="quiet">{t('emergencies.new_intro')}</p>
        <Form label={t('emergencies.new')} problem={doing.problem} busy={doing.busy} send={t('emergencies.draft')} note={t('emergencies.draft_note')} onSubmit={() => doing.run(async () => setDraft(await send<Draft>('/v1/emergencies/drafts', body())))}>
          <Group title={t('emergencies.openers_two')} help={t('emergencies.openers_help')} name="openers">
            <PersonField people={people} name="openers.0" label={t('emergencies.first')} value={form.first} onValue={(first) => set({ first })} />
            <PersonField people={people.filter(([id]) => id !== form.first)} name="openers.1" label={t('emergencies.second')} value={form.second} onValue={(second) => set({ second })} />
          </Group>
          <Group title={t('emergencies.why')}>
            {conditions.length ? (
              <SelectField name="condition" label={t('emergencies.condition')} value={form.condition} onValue={(condition) => set({ condition })} options={conditions.map((each) => [each, codeWord(t, 'condition', each)] as const)} />
            ) : (
              <TextField name="condition" label={t('emergencies.condition')} value={form.condition} onValue={(condition) => set({ condition })} />
            )}
            <SelectField name="direction" label={t('emergencies.direction')} value={form.direction} onValue={(direction) => set({ direction: direction as Direction, ops: [OPS[direction as Direction][0]] })} options={(['permit_only', 'deny_only'] as const).map((each) => [each, codeWord(t, 'direction', each)] as const)} />
            <ChecksField name="ops" legend={t('emergencies.ops')} options={OPS[form.direction].map((each) => [each, codeWord(t, 'op', each)] as const)} chosen={form.ops} onValue={(ops) => set({ ops })} />
          </Group>
          <Group title={t('emergencies.scope')} help={t('emergencies.scope_help')} name="scope">
            <LongField optional name="areas" label={t('emergencies.areas')} rows={2} value={form.areas} onValue={(areas) => set({ areas })} hint="country:UA" />
            <LongField optional name="terminals" label={t('emergencies.terminals')} help={t('emergencies.terminals_help')} rows={2} value={form.terminals} onValue={(terminals) => set({ terminals })} />
          </Group>
          <Group title={t('requests.clock')}>
            <NumberField name="ttl_s" label={t('emergencies.hours')} help={t('emergencies.hours_help')} min={1} max={24} value={form.hours} onValue={(hours) => set({ hours })} />
            <NumberField name="opens_in_s" label={t('emergencies.minutes')} help={t('emergencies.minutes_help')} min={0} max={15} value={form.minutes} onValue={(minutes) => set({ minutes })} />
            <TextField optional name="renewal_of" label={t('emergencies.renews')} value={form.renewal_of} onValue={(renewal_of) => set({ renewal_of })} hint="emergency-…" pattern="emergency-[0-9a-f]{32}" wrong={t('form.emergency_id')} />
          </Group>
        </Form>
      </Section>
      {draft ? (
        <Section title={t('emergencies.to_sign')} id="to-sign">
          <p class="note" role="status">
            {t('emergencies.drafted')}
          </p>
          <SignFile
            of={draft}
            file="emergency.json"
            command="groundrule emergency sign emergency.json --key MY.key --out MY.sig"
            beside={draft.openings.length ? { name: 'emergency.json.openings', text: JSON.stringify(draft.openings), help: t('emergencies.openings_help') } : null}
          >
            <Facts of={[[t('emergencies.opens'), <Time at={draft.opens_at} />]]} />
          </SignFile>
        </Section>
      ) : null}
      <Signatures draft={draft} onDone={onDone} />
      <Note>{t('sign.note')}</Note>
    </>
  );
}

/** End a running emergency before its time: one person of the role signs that, elsewhere. */
export function CloseEmergency({ of, onDone }: { of: Emergency; onDone: () => void }): JSX.Element {
  const t = useWords();
  return (
    <details class="close">
      <summary>{t('emergencies.close')}</summary>
      <ol class="how">
        <li>
          <p class="strong">{t('emergencies.close_sign')}</p>
          <Command text={`groundrule emergency close ${of.id} --key MY.key --out close.sig`} />
          <p class="quiet">{t('emergencies.close_help')}</p>
        </li>
        <li>
          <p class="strong">{t('sign.step_3')}</p>
          <HandIn
            kind="emergency-close"
            wrong={(read) => (read.of === of.id ? null : t('emergencies.other_close'))}
            onSend={async ([first]) => {
              await send<Emergency>(`/v1/emergencies/${of.id}/close`, first);
              onDone();
              return t('emergencies.ended');
            }}
          />
        </li>
      </ol>
    </details>
  );
}
