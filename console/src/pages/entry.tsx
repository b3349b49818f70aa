/** One entry of the public log: what it says, and the check in this browser that it stands there. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { getText } from '../api/client';
import { useJson } from '../api/resource';
import type { Page } from '../api/types';
import { Copy, Digest, Empty, Facts, Fetched, Icon, PageHead, ProblemNote, Section, Time } from '../components/basic';
import { Note, save, useDoing } from '../components/parts';
import { payloadOf, Value } from '../evidence/value';
import { number } from '../format';
import { useWords, type Key } from '../i18n';
import type { PageProps } from './index';
import { kindWord, type LogEntry } from './log';
import { recall, useSettings } from '../settings';
import { verifyEntry, type EntryResult, type EntryStep } from '../verify/entry';

/** The policy that this browser has pinned, by the key under which the check of receipts keeps it. */
function pinnedPolicy(): string | null {
  return recall('groundrule.policy', (value) => {
    const text = (value as { text?: unknown } | null)?.text;
    return typeof text === 'string' ? text : null;
  });
}

function Check({ entry }: { entry: LogEntry }): JSX.Element {
  const t = useWords();
  const [result, setResult] = useState<EntryResult | null>(null);
  const pinned = pinnedPolicy();
  const doing = useDoing();
  const path = `/v1/ledger/proofs/${entry.index}`;
  const words: Record<EntryStep['state'], Key> = { holds: 'verify.step_holds', fails: 'verify.step_fails', open: 'verify.step_open', skipped: 'verify.step_skipped' };
  const icon = { holds: 'check', fails: 'close', open: 'warn', skipped: 'clock' } as const;
  return (
    <Section title={t('log.check')} id="check">
      <p>{t('log.check_intro')}</p>
      <p class="quiet">{t(pinned ? 'log.by_pinned' : 'log.by_server')}</p>
      <p class="row">
        <button
          type="button"
          class="button primary"
          disabled={doing.busy}
          onClick={() =>
            doing.run(async () => {
              const proof = await getText(path);
              const policy = pinned ?? (await getText('/ledger/policy'));
              setResult(await verifyEntry(proof, entry.text, entry.index, policy));
            })
          }
        >
          <Icon name="verify" />
          {doing.busy ? t('verify.running') : t('receipt.check')}
        </button>
        <button type="button" class="button" disabled={doing.busy} onClick={() => doing.run(async () => save(`entry-${entry.index}.tlog-proof`, await getText(path)))}>
          <Icon name="download" />
          {t('log.proof')}
        </button>
        <button type="button" class="button" onClick={() => save(`entry-${entry.index}.json`, entry.text, 'application/json')}>
          <Icon name="download" />
          {t('log.bytes')}
        </button>
      </p>
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {result ? (
        <>
          <div class={`banner banner-${result.holds ? (result.complete ? 'holds' : 'part') : 'fails'}`} role="status">
            <Icon name={result.holds ? 'verify' : 'warn'} />
            <span>{t(result.holds ? (result.complete ? 'verify.holds' : 'verify.holds_part') : 'verify.fails')}</span>
          </div>
          <ol class="steps">
            {result.steps.map((step) => (
              <li class={`step-${step.state}`}>
                <span class="step-mark">
                  <Icon name={icon[step.state]} />
                </span>
                <div>
                  <p class="step-title">
                    {t(`log.step_${step.name}`)}
                    <span class="step-state">{t(words[step.state])}</span>
                  </p>
                  {step.detail ? <p class="quiet value">{step.detail}</p> : null}
                </div>
              </li>
            ))}
          </ol>
        </>
      ) : null}
    </Section>
  );
}

export default function EntryPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const given = params['id'] ?? '';
  const index = /^\d{1,15}$/.test(given) ? Number(given) : null;
  const found = useJson<Page<LogEntry>>(index === null ? null : '/v1/ledger/entries', { from: index, order: 'oldest', limit: 1 });
  const entry = found.data?.items[0];
  const missing = index === null || (found.data !== null && entry?.index !== index);
  return (
    <div class="page">
      <PageHead title={entry && !missing ? `${number(entry.index, prefer)}: ${kindWord(t, entry.kind)}` : t('log.entry_n', { index: given })} intro={<a href="/log">{t('nav.ledger')}</a>}>
        {index ? (
          <a class="button" href={`/log/${index - 1}`}>
            {t('log.before')}
          </a>
        ) : null}
        {index !== null ? (
          <a class="button" href={`/log/${index + 1}`}>
            {t('log.after')}
          </a>
        ) : null}
      </PageHead>
      {missing ? (
        <Empty title={t('log.no_entry')}>
          <p>{t('log.no_entry_help')}</p>
        </Empty>
      ) : (
        <Fetched of={found}>
          {() =>
            entry ? (
              <>
                <div class="columns">
                  <Section title={t('log.says')}>
                    {payloadOf(entry.body) ? (
                      <>
                        <Value of={payloadOf(entry.body)} />
                        <details>
                          <summary>{t('log.signed_inside')}</summary>
                          <Value of={entry.body} />
                        </details>
                      </>
                    ) : (
                      <Value of={entry.body} />
                    )}
                    <Note>{t('log.public_body')}</Note>
                  </Section>
                  <Section title={t('log.place')}>
                    <Facts
                      of={[
                        [t('log.index'), number(entry.index, prefer)],
                        [t('log.stream'), `${entry.stream}, ${entry.seq}`],
                        [t('log.at'), <Time at={entry.t} />],
                        [t('log.leaf'), <Digest value={entry.leaf} />],
                      ]}
                    />
                    <details>
                      <summary>{t('log.hashed')}</summary>
                      <pre class="text">{entry.text}</pre>
                      <Copy text={entry.text} />
                    </details>
                  </Section>
                </div>
                <Check entry={entry} key={entry.index} />
              </>
            ) : null
          }
        </Fetched>
      )}
    </div>
  );
}
