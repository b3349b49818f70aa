/** Record what somebody outside asks for: who is behind it, on what basis, and the letter itself. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { Section } from '../components/basic';
import { Form, given, Group, instantOf, LongField, SelectField, TextField, TimeField, useDraftOf, useKeyOf } from '../components/form';
import { Note, useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { navigate } from '../router';
import { useSettings } from '../settings';
import { CHANNELS, NOBODY, PartyFields, partyOf, peopleOf, PersonField, useCharter, useKnownParties, type PartyDraft } from './people';
import type { RequestView } from './types';

const OPS = ['serve', 'restrict', 'review', 'deny', 'refrain', 'list_add', 'list_remove', 'disclose', 'other'] as const;
const BASES = ['law', 'court', 'contract', 'treaty', 'voluntary', 'none_stated'] as const;
const PURPOSES = ['military', 'law_enforcement', 'humanitarian', 'commercial', 'technical'] as const;
const MOST_ASKS = 20;

interface AskDraft {
  readonly op: string;
  readonly object: string;
  readonly from: string;
  readonly until: string;
  readonly detail: string;
}

const ASK: AskDraft = { op: 'serve', object: '', from: '', until: '', detail: '' };

export function RequestForm(): JSX.Element {
  const t = useWords();
  const { clock } = useSettings();
  const charter = useCharter();
  const known = useKnownParties();
  const [requester, setRequester] = useState<PartyDraft>(NOBODY);
  const [behalf, setBehalf] = useState<PartyDraft>({ ...NOBODY, how: 'self' });
  const [conveyed, setConveyed] = useState<PartyDraft>({ ...NOBODY, how: 'none' });
  const [asks, setAsks] = useState<readonly AskDraft[]>([ASK]);
  const [draft, set] = useDraftOf({ received_by: '', channel: 'letter', purpose: 'humanitarian', text: '', basis: 'none_stated', reference: '', occurred_at: '', received_at: '' });
  const keyOf = useKeyOf();
  const doing = useDoing();
  const registrars = peopleOf(charter, 'registrar');
  const options = (group: string, codes: readonly string[]) => codes.map((each) => [each, codeWord(t, group, each)] as const);
  const ask = (at: number, part: Partial<AskDraft>) => setAsks(asks.map((each, i) => (i === at ? { ...each, ...part } : each)));
  const body = () => ({
    requester: partyOf(requester), on_behalf_of: [partyOf(behalf)], ...given({ conveyed_by: partyOf(conveyed) }),
    received_by: draft.received_by, channel: draft.channel, purpose: draft.purpose, text: draft.text,
    legal_basis: { kind: draft.basis, reference: draft.reference },
    ask: asks.map((each) => given({ ...each, from: instantOf(each.from, clock), until: instantOf(each.until, clock) })),
    ...given({ occurred_at: instantOf(draft.occurred_at, clock), received_at: instantOf(draft.received_at, clock) }),
  });
  return (
    <Section title={t('requests.new')} id="new">
      <p class="quiet">{t('requests.new_intro')}</p>
      <Form
        label={t('requests.new')}
        problem={doing.problem}
        busy={doing.busy}
        send={t('requests.record')}
        note={t('requests.new_note')}
        onSubmit={() =>
          doing.run(async () => {
            const sent = body();
            const made = await send<RequestView>('/v1/requests', sent, { key: keyOf(sent) });
            if (made) navigate(`/requests/${made.id}`);
          })
        }
      >
        <PartyFields name="requester" title={t('requests.requester')} known={known} draft={requester} onDraft={(part) => setRequester({ ...requester, ...part })} />
        <PartyFields name="on_behalf_of" title={t('requests.behalf')} help={t('requests.behalf_help')} also={['self', 'unknown']} known={known} draft={behalf} onDraft={(part) => setBehalf({ ...behalf, ...part })} />
        <PartyFields name="conveyed_by" title={t('requests.conveyed')} also={['none']} known={known} draft={conveyed} onDraft={(part) => setConveyed({ ...conveyed, ...part })} />
        {asks.map((each, i) => (
          <Group
            title={
              <>
                {t('requests.ask_n', { n: i + 1 })}
                {asks.length > 1 ? (
                  <button type="button" class="button link" onClick={() => setAsks(asks.filter((_, at) => at !== i))}>
                    {t('form.remove')}
                  </button>
                ) : null}
              </>
            }
            help={i ? undefined : t('requests.ask_help')}
            name={`ask.${i}`}
          >
            <SelectField name={`ask.${i}.op`} label={t('requests.op')} value={each.op} onValue={(op) => ask(i, { op })} options={options('op', OPS)} />
            <TextField name={`ask.${i}.object`} label={t('requests.object')} value={each.object} onValue={(object) => ask(i, { object })} hint="area/country:UA" />
            <TimeField optional name={`ask.${i}.from`} label={t('form.from')} value={each.from} onValue={(from) => ask(i, { from })} />
            <TimeField optional name={`ask.${i}.until`} label={t('form.until')} value={each.until} onValue={(until) => ask(i, { until })} />
            <TextField wide optional name={`ask.${i}.detail`} label={t('requests.detail')} value={each.detail} onValue={(detail) => ask(i, { detail })} most={2000} />
          </Group>
        ))}
        {asks.length < MOST_ASKS ? (
          <button type="button" class="button" onClick={() => setAsks([...asks, ASK])}>
            {t('requests.ask_more')}
          </button>
        ) : null}
        <Group title={t('requests.how_came')}>
          <PersonField people={registrars} name="received_by" label={t('requests.received_by')} value={draft.received_by} onValue={(received_by) => set({ received_by })} />
          <SelectField name="channel" label={t('requests.channel')} value={draft.channel} onValue={(channel) => set({ channel })} options={options('channel', CHANNELS)} />
          <SelectField name="purpose" label={t('requests.purpose')} value={draft.purpose} onValue={(purpose) => set({ purpose })} options={options('purpose', PURPOSES)} />
          <SelectField name="legal_basis.kind" label={t('requests.basis')} value={draft.basis} onValue={(basis) => set({ basis })} options={options('basis', BASES)} />
          <TextField wide optional name="legal_basis.reference" label={t('requests.reference')} value={draft.reference} onValue={(reference) => set({ reference })} most={2000} />
          <TimeField optional name="occurred_at" label={t('requests.occurred_at')} value={draft.occurred_at} onValue={(occurred_at) => set({ occurred_at })} />
          <TimeField optional name="received_at" label={t('requests.received_at')} help={t('requests.times_help')} value={draft.received_at} onValue={(received_at) => set({ received_at })} />
        </Group>
        <LongField name="text" label={t('requests.text_given')} help={t('requests.text_help')} rows={8} most={500_000} value={draft.text} onValue={(text) => set({ text })} />
      </Form>
      <Note>{t('requests.silence')}</Note>
    </Section>
  );
}
