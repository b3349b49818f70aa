/** Draft a proposal: what changes and why; for whom is computed, tried as often as wanted, and only then logged. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import { Facts, Icon, Section } from '../components/basic';
import { CheckField, ChecksField, Form, given, Group, instantOf, linesOf, LongField, SelectField, TextField, TimeField, useDraftOf, useKeyOf } from '../components/form';
import { Bars, Note, PartyName, useDoing } from '../components/parts';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import { navigate, usePlace } from '../router';
import type { Book } from '../rulebook/types';
import { useMay } from '../session';
import { useSettings } from '../settings';
import { askWords } from '../pages/requests';
import { ChangeFields, changeOf, KINDS, newChange, type ChangeDraft, type ChangeKind } from './changes';
import { ImpactFacts } from './impact';
import { peopleOf, PersonField, useCharter } from './people';
import type { Proposed, RequestRow } from './types';

const CLASSES = ['routine', 'sensitive', 'critical'] as const;
const MOST_CHANGES = 50;

function Tried({ of }: { of: Proposed }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  return (
    <Section title={t('propose.tried')} id="tried">
      <div class="banner banner-part" role="status">
        <Icon name="clock" />
        <span>{t('propose.not_logged')}</span>
      </div>
      <Facts
        of={[
          [t('proposals.class'), codeWord(t, 'change_class', of.class)],
          [t('proposals.terminals'), `${number(of.impact.changed, prefer)} / ${number(of.terminals, prefer)}`],
          [t('propose.without_position'), of.without_position ? number(of.without_position, prefer) : null],
          [t('proposals.standing'), of.standing],
          [t('nav.contacts'), of.contacts_in_scope.length || null],
        ]}
      />
      <h3>{t('proposals.in_words')}</h3>
      <ul class="lines">
        {of.changes.map((line) => (
          <li>{line.trim()}</li>
        ))}
      </ul>
      <h3>{t('proposals.impact')}</h3>
      <ImpactFacts impact={of.impact} />
      {Object.keys(of.by).some((by) => Object.keys(of.by[by] ?? {}).length) ? (
        <div class="bars-grid">
          {Object.entries(of.by).map(([by, counts]) => (Object.keys(counts).length ? <Bars label={codeWord(t, 'impact_by', by)} counts={counts} /> : null))}
        </div>
      ) : null}
    </Section>
  );
}

export function ProposalForm(): JSX.Element {
  const t = useWords();
  const { clock } = useSettings();
  const { query } = usePlace();
  const charter = useCharter();
  const mayRequests = useMay('requests:read');
  const wanted = query.get('change');
  const [changes, setChanges] = useState<readonly ChangeDraft[]>(() => [newChange((KINDS as readonly string[]).includes(wanted ?? '') ? (wanted as ChangeKind) : 'rulebook')]);
  const [draft, set] = useDraftOf({ author: '', rationale: '', reversal_plan: '', requests: [query.get('request') ?? ''].filter(Boolean) as string[], beneficiaries: '', from: '', until: '', expires: '', class: '', licence: '', supersedes: query.get('supersedes') ?? '', more: false });
  const [tried, setTried] = useState<Proposed | null>(null);
  const keyOf = useKeyOf();
  const doing = useDoing();
  const book = useJson<Book>('/v1/rulebooks/in-force');
  const asked = useJson<{ items: readonly RequestRow[] }>(mayRequests ? '/v1/requests' : null, { limit: 100 });
  const open = (asked.data?.items ?? []).filter((each) => (!each.ended && !each.appeal) || draft.requests.includes(each.id));
  const change = (key: number, part: Partial<ChangeDraft>) => (setTried(null), setChanges((old) => old.map((each) => (each.key === key ? { ...each, ...part } : each))));
  const body = () => {
    const effective = given({ from: instantOf(draft.from, clock), until: instantOf(draft.until, clock) });
    return {
      author: draft.author, rationale: draft.rationale, reversal_plan: draft.reversal_plan, changes: changes.map((each) => changeOf(each, clock)), requests: draft.requests, beneficiaries: linesOf(draft.beneficiaries),
      ...(Object.keys(effective).length ? { effective } : {}),
      ...given({ expires: instantOf(draft.expires, clock), class: draft.class, licence: draft.licence.trim(), supersedes: draft.supersedes.trim() }),
    };
  };
  return (
    <>
      <Section title={t('propose.new')} id="new">
        <p class="quiet">{t('propose.intro')}</p>
        <Form
          label={t('propose.new')}
          problem={doing.problem}
          busy={doing.busy}
          send={t('propose.send')}
          note={t('propose.note')}
          actions={
            <button type="submit" class="button" value="try" disabled={doing.busy}>
              <Icon name="play" />
              {t('propose.try')}
            </button>
          }
          onSubmit={(by) =>
            doing.run(async () => {
              const sent = body();
              setTried(null);
              if (by === 'try') {
                setTried(await send<Proposed>('/v1/proposals/trials', sent));
                requestAnimationFrame(() => document.getElementById('tried')?.scrollIntoView({ block: 'start' }));
                return;
              }
              const made = await send<Proposed>('/v1/proposals', sent, { key: keyOf(sent) });
              if (made) navigate(`/proposals/${made.id}`);
            })
          }
        >
          {changes.map((each, at) => (
            <ChangeFields key={each.key} at={at} draft={each} book={book.data} onDraft={(part) => change(each.key, part)} onRemove={changes.length > 1 ? () => setChanges(changes.filter((other) => other.key !== each.key)) : null} />
          ))}
          {changes.length < MOST_CHANGES ? (
            <button type="button" class="button" onClick={() => setChanges([...changes, newChange('area')])}>
              {t('propose.change_more')}
            </button>
          ) : null}
          <Group title={t('propose.why')}>
            <PersonField people={peopleOf(charter)} name="author" label={t('proposals.author')} value={draft.author} onValue={(author) => set({ author })} />
            <LongField name="rationale" label={t('propose.rationale')} help={t('propose.rationale_help')} rows={3} value={draft.rationale} onValue={(rationale) => set({ rationale })} />
            <LongField name="reversal_plan" label={t('propose.reversal')} rows={2} value={draft.reversal_plan} onValue={(reversal_plan) => set({ reversal_plan })} />
          </Group>
          <Group title={t('proposals.because')}>
            <div class="wide">
              <ChecksField name="requests" legend={t('propose.requests')} options={open.map((each) => [each.id, <><PartyName of={each.requester} />: {each.asks.map((ask) => askWords(t, ask)).join('; ')}</>] as const)} chosen={draft.requests} onValue={(requests) => set({ requests })} empty={t('propose.no_requests')} />
            </div>
            <LongField optional name="beneficiaries" label={t('proposals.gains')} help={t('propose.gains_help')} rows={2} value={draft.beneficiaries} onValue={(beneficiaries) => set({ beneficiaries })} hint="party-…" />
          </Group>
          <Group title={t('propose.when')} help={t('propose.when_help')} name="effective">
            <TimeField optional name="effective.from" label={t('form.from')} value={draft.from} onValue={(from) => set({ from })} />
            <TimeField optional name="effective.until" label={t('form.until')} value={draft.until} onValue={(until) => set({ until })} />
          </Group>
          <CheckField name="more" label={t('propose.more')} checked={draft.more} onValue={(more) => set({ more })} />
          {draft.more || draft.supersedes ? (
            <Group title={t('propose.more')}>
              <SelectField optional name="class" label={t('propose.class')} help={t('propose.class_help')} value={draft.class} onValue={(to) => set({ class: to })} none={t('propose.class_needed')} options={CLASSES.map((each) => [each, codeWord(t, 'change_class', each)] as const)} />
              <TimeField optional name="expires" label={t('proposals.expires')} value={draft.expires} onValue={(expires) => set({ expires })} />
              <TextField optional name="supersedes" label={t('proposals.supersedes')} value={draft.supersedes} onValue={(supersedes) => set({ supersedes })} pattern="[0-9a-f]{64}" wrong={t('form.digest')} />
              <TextField optional name="licence" label={t('propose.licence')} value={draft.licence} onValue={(licence) => set({ licence })} />
            </Group>
          ) : null}
        </Form>
      </Section>
      {tried ? <Tried of={tried} /> : null}
      <Note>{t('proposals.note')}</Note>
    </>
  );
}
