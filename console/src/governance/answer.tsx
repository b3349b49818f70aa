/** What became of a request or an appeal: one outcome, with a reason that everybody may read. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { Section } from '../components/basic';
import { ChecksField, Form, SelectField, TextField } from '../components/form';
import { shortId, useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';

export function Answer({ path, group, outcomes, help, conflicting = [], onDone }: {
  /** Where the outcome is sent. */
  path: string;
  /** Group of words that names the outcomes. */
  group: string;
  outcomes: readonly [string, ...string[]];
  help: string;
  /** Requests that ask for the opposite: which of them oblige, and which comes first, is said with the outcome. */
  conflicting?: readonly string[];
  onDone: () => void;
}): JSX.Element {
  const t = useWords();
  const [reason, setReason] = useState('');
  const [outcome, setOutcome] = useState(outcomes[0]);
  const [conflicts, setConflicts] = useState<string[]>([]);
  const [priority, setPriority] = useState('');
  const doing = useDoing();
  return (
    <Section title={t('requests.answer')} id="answer">
      <Form
        label={t('requests.answer')}
        problem={doing.problem}
        busy={doing.busy}
        send={t('requests.record')}
        note={help}
        onSubmit={() =>
          doing.run(async () => {
            await send(path, { outcome, reason, ...(conflicts.length ? { conflicts, ...(priority ? { priority } : {}) } : {}) });
            onDone();
          })
        }
      >
        <SelectField name="outcome" label={t('requests.outcome')} value={outcome} onValue={setOutcome} options={outcomes.map((each) => [each, codeWord(t, group, each)] as const)} />
        <TextField wide name="reason" label={t('requests.reason')} value={reason} onValue={setReason} />
        {conflicting.length ? (
          <>
            <ChecksField name="conflicts" legend={t('requests.conflicts')} options={conflicting.map((each) => [each, <a href={`/requests/${each}`}>{shortId(each)}</a>] as const)} chosen={conflicts} onValue={setConflicts} />
            {conflicts.length ? <TextField wide name="priority" label={t('requests.priority')} value={priority} onValue={setPriority} /> : null}
          </>
        ) : null}
      </Form>
    </Section>
  );
}
