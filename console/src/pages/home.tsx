/** Where a newcomer arrives: three things to see, out of what this service holds just now. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { getText } from '../api/client';
import { useJson } from '../api/resource';
import type { Explanation, MapAnswer, Page, TerminalRow } from '../api/types';
import { Badge, Icon, Loading, MarkIcon, ProblemNote, Section } from '../components/basic';
import { Note, useDoing } from '../components/parts';
import { number } from '../format';
import { codeWord, useWords } from '../i18n';
import { readAnswer } from '../map/answers';
import { KEYS } from '../marks';
import type { Book } from '../rulebook/types';
import { speedLimits, tryLimit } from '../rulebook/words';
import { recall, useSettings } from '../settings';
import { useMay, useSession } from '../session';

/** The refusal that tells most at a glance: one by speed, then one by another rule of places; sanctions and accounts only if there is nothing else. */
export function telling(rows: readonly TerminalRow[]): TerminalRow | undefined {
  const rank = (row: TerminalRow) => (/fast|speed/.test(row.reason) ? 0 : /country|area|zone|unlicensed|far/.test(row.reason) ? 1 : /sanction|account/.test(row.reason) ? 3 : 2);
  return [...rows].sort((a, b) => rank(a) - rank(b))[0];
}

function Card({ n, title, children, foot }: { n: number; title: string; children: ComponentChildren; foot: ComponentChildren }): JSX.Element {
  return (
    <section class="card">
      <h2 class="card-title">
        <span class="card-number" aria-hidden="true">
          {n}
        </span>
        {title}
      </h2>
      {children}
      <div class="card-foot">{foot}</div>
    </section>
  );
}

function Counts(): JSX.Element | null {
  const t = useWords();
  const prefer = useSettings();
  const found = useJson<MapAnswer>('/v1/map', { west: -180, south: -90, east: 180, north: 90, zoom: 0 });
  if (!found.data) return found.problem ? <ProblemNote problem={found.problem} retry={found.reload} /> : <Loading />;
  const seen = readAnswer(found.data);
  if (!seen.total) return <FirstRun />;
  return (
    <ul class="counts" aria-label={t('home.counts')}>
      {KEYS.filter((key) => seen.counts[key]).map((key) => (
        <li>
          <a href={`/map?show=${key}`}>
            <MarkIcon of={key} /> <strong>{number(seen.counts[key], prefer)}</strong> <span>{t(`answer.${key}`)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

function FirstRun(): JSX.Element {
  const t = useWords();
  return (
    <Section title={t('home.first')}>
      <p>{t('home.first_help')}</p>
      <ol class="how">
        <li>
          <p>{t('home.first_demo')}</p>
          <pre class="command">groundrule demo --serve</pre>
        </li>
        <li>
          <p>{t('home.first_own')}</p>
          <pre class="command">groundrule decide OBSERVATIONS --home DIR</pre>
        </li>
        <li>
          <p>{t('home.first_api')}</p>
          <pre class="command">POST /v1/observations</pre>
        </li>
      </ol>
    </Section>
  );
}

function Refused({ n, row, busy }: { n: number; row: TerminalRow | undefined; busy: boolean }): JSX.Element {
  const t = useWords();
  const { language } = useSettings();
  const path = row ? `/v1/terminals/${encodeURIComponent(row.id)}/explanation` : null;
  const why = useJson<Explanation>(path, { language });
  return (
    <Card
      n={n}
      title={t('home.refused')}
      foot={
        row ? (
          <a class="button primary" href={`/terminals/${encodeURIComponent(row.id)}`}>
            {t('home.refused_go')}
          </a>
        ) : (
          <a class="button" href="/map">
            {t('nav.map')}
          </a>
        )
      }
    >
      {row ? (
        <>
          <p>
            <Badge outcome={row.outcome} state={row.state} /> <code>{row.id}</code>
          </p>
          {why.data ? <p class="sentence">{why.data.sentence ?? why.data.reason_sentence ?? codeWord(t, 'reason', row.reason)}</p> : why.problem ? <p>{codeWord(t, 'reason', row.reason)}</p> : <Loading />}
          {why.data?.basis ? <p class="quiet">{t('terminal.basis')}: {why.data.basis}</p> : null}
        </>
      ) : busy ? (
        <Loading />
      ) : (
        <p>{t('home.refused_none')}</p>
      )}
    </Card>
  );
}

interface Outcome {
  readonly holds: boolean;
  readonly complete: boolean;
  readonly steps: number;
  readonly failed: string;
}

function Proof({ n, row, busy }: { n: number; row: TerminalRow | undefined; busy: boolean }): JSX.Element {
  const t = useWords();
  const may = useMay('receipts:read');
  const [result, setResult] = useState<Outcome | null>(null);
  const doing = useDoing();
  const check = () =>
    doing.run(async () => {
      const [{ verifyReceipt }, { utf8 }] = await Promise.all([import('../verify/receipt'), import('../verify/bytes')]);
      const pinned = recall('groundrule.policy', (value) => (typeof (value as { text?: unknown } | null)?.text === 'string' ? (value as { text: string }).text : null));
      const [receipt, policy] = await Promise.all([getText(`/v1/terminals/${encodeURIComponent(row!.id)}/receipt`), pinned ?? getText('/ledger/policy')]);
      const found = await verifyReceipt(utf8(receipt), policy);
      setResult({ holds: found.holds, complete: found.complete, steps: found.steps.filter((step) => step.state === 'holds').length, failed: found.steps.find((step) => step.state === 'fails')?.detail ?? '' });
    });
  return (
    <Card
      n={n}
      title={t('home.proof')}
      foot={
        row && may ? (
          <>
            <button type="button" class="button primary" disabled={doing.busy} onClick={check}>
              <Icon name="verify" />
              {doing.busy ? t('verify.running') : t('home.proof_check')}
            </button>
            <a class="button" href={`/terminals/${encodeURIComponent(row.id)}#receipt`}>
              {t('home.proof_go')}
            </a>
          </>
        ) : (
          <a class="button primary" href="/verify">
            {t('nav.verify')}
          </a>
        )
      }
    >
      <p>{t('home.proof_help')}</p>
      {row && may ? <p class="quiet">{t('home.proof_of', { terminal: row.id })}</p> : busy ? <Loading /> : <p class="quiet">{t('home.proof_own')}</p>}
      {doing.problem?.body.code === 'pending' ? <p class="note">{t('receipt.pending')}</p> : doing.problem ? doing.problem.status === 404 ? <p class="note warn">{t('receipt.none')}</p> : <ProblemNote problem={doing.problem} /> : null}
      {result ? (
        <div class={`banner banner-${result.holds ? (result.complete ? 'holds' : 'part') : 'fails'}`} role="status">
          <Icon name={result.holds ? 'verify' : 'warn'} />
          <span>{result.holds ? t(result.complete ? 'verify.holds' : 'verify.holds_part') : `${t('verify.fails')} ${result.failed}`}</span>
        </div>
      ) : null}
    </Card>
  );
}

function Lower({ n }: { n: number }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const may = useMay('whatif:run');
  const book = useJson<Book>('/v1/rulebooks/in-force');
  const chosen = book.data ? tryLimit(speedLimits(book.data.rules)) : null;
  return (
    <Card
      n={n}
      title={t('home.lower')}
      foot={
        chosen && may ? (
          <a class="button primary" href={`/rulebook?tab=whatif&rule=${encodeURIComponent(chosen.limit.rule)}&above=${chosen.above}`}>
            {t('home.lower_go', { above: number(chosen.above, prefer) })}
          </a>
        ) : (
          <a class="button" href={may ? '/rulebook?tab=whatif' : '/rulebook'}>
            {t('nav.rulebook')}
          </a>
        )
      }
    >
      {chosen ? (
        <>
          <p class="sentence">{chosen.limit.title}</p>
          <p>{t('home.lower_help', { now: number(chosen.limit.above, prefer, 1), above: number(chosen.above, prefer) })}</p>
        </>
      ) : book.data ? (
        <p>{t('home.lower_none')}</p>
      ) : book.problem ? (
        <ProblemNote problem={book.problem} retry={book.reload} />
      ) : (
        <Loading />
      )}
    </Card>
  );
}

function Everybody({ n }: { n: number }): JSX.Element {
  const t = useWords();
  return (
    <Card n={n} title={t('home.everybody')} foot={<a class="button primary" href="/public">{t('login.public')}</a>}>
      <p>{t('home.everybody_help')}</p>
    </Card>
  );
}

function Inside(): JSX.Element {
  const t = useWords();
  const mayRules = useMay('rulebooks:read');
  const mayAppeal = useMay('appeals:own');
  const denied = useJson<Page<TerminalRow>>('/v1/terminals', { outcome: 'deny', limit: 100 });
  const any = useJson<Page<TerminalRow>>(denied.data?.items.length === 0 ? '/v1/terminals' : null, { limit: 1 });
  const row = telling(denied.data?.items ?? []);
  return (
    <>
      <Counts />
      <div class="cards">
        <Refused n={1} row={row} busy={denied.loading} />
        <Proof n={2} row={row ?? any.data?.items[0]} busy={denied.loading || any.loading} />
        {mayRules ? <Lower n={3} /> : <Everybody n={3} />}
      </div>
      {denied.problem ? <ProblemNote problem={denied.problem} retry={denied.reload} /> : null}
      {mayAppeal ? (
        <Note>
          {t('home.appeal')} <a href="/appeals?new=1">{t('appeals.open')}</a>
        </Note>
      ) : null}
    </>
  );
}

export default function Home(): JSX.Element {
  const t = useWords();
  const state = useSession();
  const fleet = useMay('terminals:read');
  const demo = state.kind === 'in' && state.session.home.demo;
  const mayStatus = useMay('status:read');
  return (
    <div class="page">
      <div class="hero">
        <h1>{t('home.title')}</h1>
        <p class="intro">{t('home.intro')}</p>
        {demo ? <p class="quiet">{t('app.demo_help')}</p> : null}
      </div>
      {state.kind === 'asking' ? <Loading /> : null}
      {state.kind === 'failed' ? <ProblemNote problem={state.problem} /> : null}
      {state.kind === 'in' && fleet ? <Inside /> : null}
      {state.kind === 'in' && !fleet ? (
        <div class="cards">
          <Card n={1} title={t('nav.status')} foot={<a class="button primary" href={mayStatus ? '/status' : '/public'}>{t(mayStatus ? 'nav.status' : 'nav.public')}</a>}>
            <p>{t('home.no_fleet', { roles: state.session.principal.roles.join(', ') })}</p>
          </Card>
          <Proof n={2} row={undefined} busy={false} />
          <Everybody n={3} />
        </div>
      ) : null}
      {state.kind === 'out' ? (
        <div class="cards">
          <Card n={1} title={t('home.login')} foot={<a class="button primary" href="/login">{t('login.title')}</a>}>
            <p>{t('login.how')}</p>
            <pre class="command">groundrule access login</pre>
          </Card>
          <Proof n={2} row={undefined} busy={false} />
          <Everybody n={3} />
        </div>
      ) : null}
      <Section title={t('home.more')}>
        <ul>
          <li>{t('home.more_keys')} <kbd>?</kbd></li>
          <li>{t('home.more_language')}</li>
          <li>{t('home.more_link')}</li>
        </ul>
      </Section>
    </div>
  );
}
