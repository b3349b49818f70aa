/** "Verify in this browser": the check shown step by step, with what each step proves. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { useText } from '../api/resource';
import { Copy, Facts, Icon, Loading, Time } from '../components/basic';
import { Table } from '../components/table';
import { useWords, type Key } from '../i18n';
import { recall, remember } from '../settings';
import { hex, sha256, utf8, type Json } from './bytes';
import { canVerifyEd25519 } from './keys';
import { verifyReceipt, type Pinned, type Result, type Step } from './receipt';

const POLICY_KEY = 'groundrule.policy';
const HEADS_KEY = 'groundrule.heads';
const MOST_HEADS = 200;

interface PinnedPolicy {
  readonly text: string;
  readonly at: string;
}

function readPinned(value: unknown): PinnedPolicy | null {
  const found = value as Partial<PinnedPolicy> | null;
  return found && typeof found.text === 'string' && typeof found.at === 'string' ? { text: found.text, at: found.at } : null;
}

function readHeads(value: unknown): Pinned[] | null {
  return Array.isArray(value) ? value.filter((each): each is Pinned => typeof (each as Pinned)?.origin === 'string' && typeof (each as Pinned).size === 'number' && typeof (each as Pinned).root === 'string') : null;
}

/** Heads of logs that this browser has verified before; a second history of one of them would show. */
function heads(): Pinned[] {
  return recall(HEADS_KEY, readHeads) ?? [];
}

function keepHead(head: Pinned): void {
  const known = heads().filter((each) => each.origin !== head.origin || each.size !== head.size);
  remember(HEADS_KEY, [...known, head].slice(-MOST_HEADS));
}

function useFingerprint(text: string | null): string {
  const [found, setFound] = useState('');
  useEffect(() => {
    setFound('');
    if (text !== null) void sha256(utf8(text)).then((digest) => setFound(hex(digest)));
  }, [text]);
  return found;
}

const shown = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

function StepRow({ step }: { step: Step }): JSX.Element {
  const t = useWords();
  const words: Record<Step['state'], Key> = { holds: 'verify.step_holds', fails: 'verify.step_fails', open: 'verify.step_open', skipped: 'verify.step_skipped' };
  const icon = { holds: 'check', fails: 'close', open: 'warn', skipped: 'clock' } as const;
  const open = step.name !== 'log_pq' ? (step.detail === 'no Ed25519' ? t('step.no_ed25519') : t('step.log_pq_open')) : t(step.detail === 'absent' ? 'step.log_pq_absent' : 'step.log_pq_open');
  return (
    <li class={`step-${step.state}`}>
      <span class="step-mark">
        <Icon name={icon[step.state]} />
      </span>
      <div>
        <p class="step-title">
          {t(`step.${step.name}`)}
          <span class="step-state">{t(words[step.state])}</span>
        </p>
        {step.state === 'fails' ? <p class="strong">{step.detail}</p> : null}
        {step.state === 'open' ? <p>{open}</p> : null}
        <p class="quiet">{step.name === 'pinned' && step.detail === 'first' ? t('step.pinned_first') : step.name === 'log_pq' && step.detail === 'none' ? t('step.log_pq_none') : t(`step.${step.name}_why`)}</p>
      </div>
    </li>
  );
}

export function ResultView({ result, expected }: { result: Result; expected?: Readonly<Record<string, string>> | undefined }): JSX.Element {
  const t = useWords();
  const failed = result.steps.findIndex((step) => step.state === 'fails');
  const rows = Object.entries(result.fields);
  const same = Object.entries(expected ?? {}).filter(([name]) => name in result.fields);
  const differ = same.filter(([name, value]) => shown(result.fields[name]!) !== value);
  return (
    <div class="verify-result">
      <div class={`banner banner-${result.holds ? (result.complete ? 'holds' : 'part') : 'fails'}`} role="status">
        <Icon name={result.holds ? 'verify' : 'warn'} />
        <span>{result.holds ? t(result.complete ? 'verify.holds' : 'verify.holds_part') : `${t('verify.fails')} ${t('verify.fails_at', { n: failed + 1, what: result.steps[failed]?.detail ?? '' })}`}</span>
      </div>
      {result.holds && same.length ? (
        <p class={`note${differ.length ? ' warn' : ''}`} role="status">
          {differ.length
            ? t('verify.differs', { what: differ.map(([name]) => `${name} ${shown(result.fields[name]!)}`).join(', ') })
            : t('verify.matches', { what: same.map(([name]) => `${name} ${shown(result.fields[name]!)}`).join(', ') })}
        </p>
      ) : null}
      <ol class="steps" aria-label={t('verify.steps')}>
        {result.steps.map((step) => (
          <StepRow step={step} />
        ))}
      </ol>
      {result.holds ? (
        <>
          <h3>{t('verify.proved')}</h3>
          {result.head ? <p>{t('verify.log_entry', { index: result.index ?? 0, size: result.head.size, origin: result.head.origin })}</p> : null}
          {result.existedBefore !== null ? (
            <p>
              {t('verify.existed_before', { at: new Date(result.existedBefore).toISOString().replace('.000Z', 'Z'), names: result.witnesses.join(', ') })}
            </p>
          ) : result.steps.find((step) => step.name === 'witness')?.detail === 'quorum none' ? (
            <p class="note warn">{t('verify.no_quorum')}</p>
          ) : null}
          <Table
            caption={t('verify.fields')}
            rows={rows}
            keyOf={([name]) => name}
            columns={[
              { head: t('verify.field'), names: true, cell: ([name]) => <code>{name}</code> },
              { head: t('verify.value'), cell: ([, value]) => <span class="value">{shown(value)}</span> },
            ]}
          />
          <h3>{t('verify.not_proved')}</h3>
          <ul>
            <li>{t('verify.not_everything')}</li>
            <li>{t('verify.not_right')}</li>
            <li>{t('verify.not_alone')}</li>
          </ul>
        </>
      ) : null}
    </div>
  );
}

type Source = 'pinned' | 'server' | 'file';

/** Choose the policy and check a receipt against it.
 *
 * `expected` is what the page around it says, by the names of the receipt's fields: a receipt that holds and says something else is shown.
 */
export function VerifyPanel({ receipt, expected, server = true }: { receipt: string | null; expected?: Readonly<Record<string, string>>; server?: boolean }): JSX.Element {
  const t = useWords();
  const [pinned, setPinned] = useState<PinnedPolicy | null>(() => recall(POLICY_KEY, readPinned));
  const [source, setSource] = useState<Source>(pinned ? 'pinned' : server ? 'server' : 'file');
  const [own, setOwn] = useState('');
  const published = useText(server ? '/ledger/policy' : null);
  const [result, setResult] = useState<Result | null>(null);
  const [busy, setBusy] = useState(false);
  const [known, setKnown] = useState(true);
  const policy = source === 'pinned' ? (pinned?.text ?? null) : source === 'server' ? published.data : own || null;
  const fingerprint = useFingerprint(policy);
  const other = pinned !== null && published.data !== null && pinned.text !== published.data;
  useEffect(() => void canVerifyEd25519().then(setKnown), []);
  useEffect(() => setResult(null), [receipt, policy]);
  const run = async () => {
    if (receipt === null || policy === null) return;
    setBusy(true);
    const found = await verifyReceipt(utf8(receipt), policy, heads());
    if (found.holds && found.head) keepHead(found.head);
    setResult(found);
    setBusy(false);
  };
  const options = useMemo(
    () => [...(pinned ? (['pinned'] as const) : []), ...(server ? (['server'] as const) : []), 'file' as const],
    [pinned, server],
  );
  const words: Record<Source, Key> = { pinned: 'verify.policy_pinned', server: 'verify.policy_server', file: 'verify.policy_file' };
  return (
    <div class="verify">
      {known ? null : <p class="note warn">{t('step.no_ed25519')}</p>}
      <fieldset class="policy">
        <legend>{t('verify.policy')}</legend>
        <p class="quiet">{t('verify.policy_help')}</p>
        <div class="row">
          {options.map((each) => (
            <label class="check">
              <input type="radio" name="policy" checked={source === each} onChange={() => setSource(each)} />
              <span>
                {t(words[each])}
                {each === 'pinned' && pinned ? (
                  <span class="quiet">
                    {' '}
                    (<Time at={pinned.at} detail="day" />)
                  </span>
                ) : null}
              </span>
            </label>
          ))}
        </div>
        {source === 'file' ? <FileText label={t('verify.policy')} value={own} onChange={setOwn} /> : null}
        {other ? <p class="note warn">{t('verify.policy_other')}</p> : null}
        {source === 'server' ? <p class="note">{t('verify.policy_server_warn')}</p> : null}
        {policy !== null && fingerprint ? (
          <Facts
            of={[
              [
                t('verify.fingerprint'),
                <span class="digest">
                  <code class="value">{fingerprint}</code>
                  <Copy text={fingerprint} />
                </span>,
              ],
            ]}
          />
        ) : null}
        <div class="row">
          {policy !== null && source !== 'pinned' ? (
            <button
              type="button"
              class="button"
              onClick={() => {
                const next = { text: policy, at: new Date().toISOString() };
                remember(POLICY_KEY, next);
                setPinned(next);
                setSource('pinned');
              }}
            >
              {t('verify.pin')}
            </button>
          ) : null}
          {source === 'pinned' ? (
            <button
              type="button"
              class="button"
              onClick={() => {
                remember(POLICY_KEY, null);
                setPinned(null);
                setSource(server ? 'server' : 'file');
              }}
            >
              {t('verify.unpin')}
            </button>
          ) : null}
        </div>
      </fieldset>
      <p class="row">
        <button type="button" class="button primary" disabled={receipt === null || policy === null || busy} onClick={() => void run()}>
          <Icon name="verify" />
          {t('receipt.check')}
        </button>
        <span class="quiet">{receipt === null || policy === null ? t('verify.need_both') : t('receipt.check_help')}</span>
      </p>
      {busy ? <Loading what={t('verify.running')} /> : null}
      {result ? <ResultView result={result} expected={expected} /> : null}
    </div>
  );
}

/** Text from a file of the reader's, or pasted; it stays in this page. */
export function FileText({ label, value, onChange }: { label: string; value: string; onChange: (text: string) => void }): JSX.Element {
  const t = useWords();
  return (
    <div
      class="file-text"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void event.dataTransfer?.files[0]?.text().then(onChange);
      }}
    >
      <label class="button">
        <Icon name="download" />
        {t('verify.choose')}
        <input type="file" class="unseen" aria-label={`${label}: ${t('verify.choose')}`} onChange={(event) => void event.currentTarget.files?.[0]?.text().then(onChange)} />
      </label>
      <label class="field wide">
        <span>{t('verify.paste')}</span>
        <textarea aria-label={label} spellcheck={false} value={value} onInput={(event) => onChange(event.currentTarget.value)} />
      </label>
    </div>
  );
}
