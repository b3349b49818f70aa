/** Say that a decision is wrong: which one, and why. An owner does it; an officer takes down what came by letter or call. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import type { DecisionRow, Page, TerminalRow } from '../api/types';
import { ProblemNote, Section } from '../components/basic';
import { Form, given, Group, LongField, SelectField, TextField, useKeyOf } from '../components/form';
import { useDoing } from '../components/parts';
import { time } from '../format';
import { codeWord, useWords } from '../i18n';
import { answer } from '../marks';
import { navigate, setQuery, usePlace } from '../router';
import { useSettings } from '../settings';
import { peopleOf, PersonField, useCharter } from './people';
import type { AppealNotice } from './types';

const CHANNELS = ['letter', 'call', 'meeting', 'email', 'other'] as const;

/** Decisions folded to those at which the answer changed; newest first. */
export function turns(rows: readonly DecisionRow[]): DecisionRow[] {
  return rows.filter((row, i) => {
    const older = rows[i + 1];
    return !older || older.outcome !== row.outcome || older.state !== row.state || older.reason !== row.reason;
  });
}

export function AppealForm({ own }: { own: boolean }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const terminal = query.get('terminal') ?? '';
  const [at, setAt] = useState(query.get('at') ?? '');
  const [text, setText] = useState('');
  const [name, setName] = useState('');
  const [by, setBy] = useState('');
  const [channel, setChannel] = useState('email');
  const keyOf = useKeyOf();
  const doing = useDoing();
  const terminals = useJson<Page<TerminalRow>>(own ? '/v1/terminals' : null, { limit: 200 });
  const decisions = useJson<Page<DecisionRow>>(terminal ? `/v1/terminals/${encodeURIComponent(terminal)}/decisions` : null, { limit: 200 });
  const charter = useCharter();
  const title = t(own ? 'appeals.open' : 'appeals.take');
  const choose = (to: string) => (setQuery({ terminal: to || null }), setAt(''));
  return (
    <Section title={title} id="appeal">
      <p class="quiet">{t(own ? 'appeals.open_intro' : 'appeals.take_intro')}</p>
      <Form
        label={title}
        problem={doing.problem}
        busy={doing.busy}
        send={t('appeals.send')}
        note={t('appeals.private')}
        onSubmit={() =>
          doing.run(async () => {
            const sent = { terminal: terminal.trim(), text, ...given({ at, name }), ...(own ? {} : { received_by: by, channel }) };
            const made = await send<AppealNotice>(own ? '/v1/own/appeals' : '/v1/appeals', sent, { key: keyOf(sent) });
            if (made) navigate(`/appeals/${made.id}`);
          })
        }
      >
        <Group title={t('appeals.which')}>
          {own && terminals.data?.items.length ? (
            <SelectField name="terminal" label={t('appeals.terminal')} value={terminal} onValue={choose} none="–" options={terminals.data.items.map((each) => [each.id, `${each.id} (${t(`answer.${answer(each.outcome, each.state)}`)})`] as const)} />
          ) : (
            <TextField name="terminal" label={t('appeals.terminal')} value={terminal} onValue={choose} most={200} />
          )}
          <SelectField optional name="at" label={t('appeals.decision_at')} value={at} onValue={setAt} none={t('appeals.latest')} options={turns(decisions.data?.items ?? []).map((each) => [each.observed_at, `${time(each.observed_at, prefer, 'minute')}: ${t(`answer.${answer(each.outcome, each.state)}`)}, ${codeWord(t, 'reason', each.reason ?? '')}`] as const)} />
          {decisions.problem && decisions.problem.status !== 404 ? <ProblemNote problem={decisions.problem} /> : null}
        </Group>
        <LongField name="text" label={t('appeals.ground')} rows={5} most={200_000} value={text} onValue={setText} />
        <Group title={t('appeals.who')}>
          <TextField name="name" optional label={t('appeals.writer')} value={name} onValue={setName} />
          {own ? null : (
            <>
              <PersonField people={peopleOf(charter, 'registrar')} name="received_by" label={t('appeals.received_by')} value={by} onValue={setBy} />
              <SelectField name="channel" label={t('requests.channel')} value={channel} onValue={setChannel} options={CHANNELS.map((each) => [each, codeWord(t, 'channel', each)] as const)} />
            </>
          )}
        </Group>
      </Form>
    </Section>
  );
}
