/** What a person does with a case: at once where it changes nothing final, and asked once more where it decides. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import { Dialog, FIELDS, Fetched, Tag } from '../components/basic';
import { Form, LongField, useKeyOf } from '../components/form';
import { asProblem, Note } from '../components/parts';
import type { Problem } from '../api/client';
import { codeWord, useWords, type Key } from '../i18n';
import { useSession } from '../session';
import { FALSE_ALARMS, type Behaviours, type CaseRow, type CaseShown, type CaseState, type What } from './types';
import { kindsWords } from './words';

/** What can be done in a state, as the service says; a test compares. */
export const CAN: Readonly<Record<CaseState, readonly What[]>> = {
  open: ['assign', 'confirm', 'dismiss', 'note'],
  assigned: ['assign', 'release', 'confirm', 'dismiss', 'note'],
  confirmed: ['reopen', 'note'],
  dismissed: ['reopen', 'note'],
  reopened: ['assign', 'confirm', 'dismiss', 'note'],
};

const DECIDES: readonly What[] = ['confirm', 'dismiss'];
const MAX_NOTE = 2_000;

type Target = Pick<CaseRow, 'id' | 'state' | 'kinds'>;
type Sent = { readonly what: What; readonly to?: string; readonly reason?: string; readonly seen?: readonly string[] };

export interface Acting {
  /** Do something with a case, or ask first. */
  readonly start: (of: Target, what: What) => void;
  /** What was done last, in words, and with which case. */
  readonly done: { readonly what: What; readonly of: CaseShown } | null;
  /** Why nothing was done. */
  readonly said: string | null;
  readonly problem: Problem | null;
  readonly busy: boolean;
  readonly dialog: JSX.Element | null;
}

export function useActs(onDone: (of: CaseShown, what: What) => void): Acting {
  const t = useWords();
  const state = useSession();
  const me = state.kind === 'in' ? state.session.principal.id : '';
  const keyOf = useKeyOf();
  const [asking, setAsking] = useState<{ of: Target; what: What } | null>(null);
  const [at, setAt] = useState<Pick<Acting, 'done' | 'said' | 'problem' | 'busy'>>({ done: null, said: null, problem: null, busy: false });

  const act = async (of: Target, body: Sent): Promise<void> => {
    const path = `/v1/cases/${encodeURIComponent(of.id)}/acts`;
    // The same act again after another is another act: its key holds the state in which it was meant.
    const shown = await send<CaseShown>(path, body, { key: keyOf({ path, state: of.state, body }) });
    setAsking(null);
    setAt({ done: { what: body.what, of: shown! }, said: null, problem: null, busy: false });
    onDone(shown!, body.what);
  };
  const start = (of: Target, what: What) => {
    if (at.busy) return;
    if (!CAN[of.state].includes(what)) {
      setAt({ done: null, said: t('cases.cannot', { act: t(`case_act.${what}`), state: t(`case_state.${of.state}`) }), problem: null, busy: false });
    } else if (what === 'assign' || what === 'release') {
      setAt({ done: null, said: null, problem: null, busy: true });
      act(of, { what, ...(what === 'assign' ? { to: me } : {}) }).catch((error: unknown) => setAt({ done: null, said: null, problem: asProblem(error), busy: false }));
    } else setAsking({ of, what });
  };
  const dialog = asking ? <Ask key={asking.of.id + asking.what} of={asking.of} what={asking.what} send={(body) => act(asking.of, body)} onClose={() => setAsking(null)} /> : null;
  return { ...at, start, dialog };
}

function Ask({ of, what, send: sendIt, onClose }: { of: Target; what: What; send: (body: Sent) => Promise<void>; onClose: () => void }): JSX.Element {
  const t = useWords();
  const decides = DECIDES.includes(what);
  // A decision covers what the person saw: it is read now, and its signals are named.
  const shown = useJson<CaseShown>(decides ? `/v1/cases/${encodeURIComponent(of.id)}` : null);
  return (
    <Dialog title={t(`cases.ask_${what}` as Key)} onClose={onClose}>
      <p class="strong">{kindsWords(t, of.kinds)}</p>
      {decides ? <Fetched of={shown}>{(it) => <Decision of={it} what={what} send={sendIt} onClose={onClose} />}</Fetched> : <Decision of={null} what={what} send={sendIt} onClose={onClose} />}
    </Dialog>
  );
}

function Decision({ of, what, send: sendIt, onClose }: { of: CaseShown | null; what: What; send: (body: Sent) => Promise<void>; onClose: () => void }): JSX.Element {
  const t = useWords();
  const behaviours = useJson<Behaviours>(what === 'dismiss' ? '/v1/behaviours' : null);
  const [text, setText] = useState('');
  const [why, setWhy] = useState('');
  const [at, setAt] = useState<{ busy: boolean; problem: Problem | null }>({ busy: false, problem: null });
  const reason = what === 'dismiss' ? why : text.trim();
  // More signals than are shown: the decision covers all of the case as it is then.
  const seen = of && of.signal_count === of.signals.length ? { seen: of.signals.map((each) => each.id) } : {};
  const reasons = Object.entries(behaviours.data?.dismissals ?? {});
  // Fields that come later than the window: whoever works by keyboard goes on in them, and not at the window's cross.
  const inside = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => inside.current?.querySelector<HTMLElement>(FIELDS)?.focus(), [reasons.length]);
  return (
    <div ref={inside}>
      <Form
        label={t(`cases.ask_${what}` as Key)}
        problem={at.problem}
        busy={at.busy}
        send={t(`case_act.${what}`)}
        actions={
          <button type="button" class="button" onClick={onClose}>
            {t('cases.cancel')}
          </button>
        }
        onSubmit={() => {
          if (at.busy) return;
          setAt({ busy: true, problem: null });
          sendIt({ what, ...(reason ? { reason } : {}), ...seen }).catch((error: unknown) => setAt({ busy: false, problem: asProblem(error) }));
        }}
      >
        {of ? <p>{t('cases.covers', { n: of.signal_count, terminals: of.terminals.slice(0, 3).join(', ') + (of.terminal_count > 3 ? ` ${t('cases.and_more', { n: of.terminal_count - 3 })}` : '') })}</p> : null}
        {what === 'dismiss' ? (
          <fieldset class="checks dismissals">
            <legend>{t('cases.why')}</legend>
            {reasons.map(([code, sentence]) => (
              <label class="check">
                <input type="radio" name="reason" required value={code} checked={why === code} onChange={() => setWhy(code)} />
                <span>
                  {codeWord(t, 'dismissal', code)} {FALSE_ALARMS.includes(code) ? <Tag>{t('cases.false_alarm')}</Tag> : null}
                  <span class="field-help">{meansOf(code, sentence, t)}</span>
                </span>
              </label>
            ))}
          </fieldset>
        ) : (
          <LongField wide name="reason" optional={what !== 'note'} rows={3} most={MAX_NOTE} label={t(what === 'note' ? 'cases.note' : 'cases.reason')} help={t('cases.note_help')} value={text} onValue={setText} />
        )}
        <Note>{t(`cases.${what}_help` as Key)}</Note>
      </Form>
    </div>
  );
}

/** The sentence of a reason in the reader's language; the service's own where the console has none. */
export function meansOf(code: string, sentence: string, t: ReturnType<typeof useWords>): string {
  const key = `dismissal_means.${code}` as Key;
  const words = t(key);
  return words === key ? sentence : words;
}
