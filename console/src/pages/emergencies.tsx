/** Emergencies: two persons, one direction, a narrow scope, a clock that runs out, and a review that must follow. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useInterval, useJson, usePages } from '../api/resource';
import { Empty, Facts, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { Due, LogLink, Note, PartyName, ShortId, type Party } from '../components/parts';
import { span } from '../evidence/spans';
import { codeWord, useWords } from '../i18n';
import { useSettings } from '../settings';

interface Emergency {
  readonly id: string;
  readonly log_index: number;
  readonly witnessed: boolean;
  readonly condition: string;
  readonly direction: string;
  readonly areas: readonly string[];
  readonly terminals: readonly string[];
  readonly ops: readonly string[];
  readonly openers: readonly Party[];
  readonly opened_at: string | null;
  readonly ttl_s: number;
  readonly ends_at: string | null;
  readonly remaining_s: number;
  readonly state: 'active' | 'expired' | 'reverted' | 'closed';
  readonly closed_at: string | null;
  readonly renewal_of: string | null;
  readonly returns_to: string;
  readonly review: { readonly verdict: string | null; readonly due: string | null; readonly remaining_s: number; readonly overdue: boolean };
}

interface Overview {
  readonly active: number;
  readonly opened_in_30_days: number;
  readonly frozen: boolean;
  readonly overdue_reviews: readonly string[];
  readonly conditions: readonly string[];
}

function Card({ of }: { of: Emergency }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const [now, setNow] = useState(Date.now());
  useInterval(() => setNow(Date.now()), of.state === 'active' ? 1_000 : null);
  const ends = of.ends_at ? new Date(of.ends_at).getTime() : 0;
  const left = of.state === 'active' ? Math.max(0, (ends - now) / 1_000) : 0;
  return (
    <Section
      id={of.id}
      title={codeWord(t, 'condition', of.condition)}
      actions={
        <span class="row">
          <Tag tone={of.state === 'active' ? 'bad' : 'plain'}>{codeWord(t, 'emergency_state', of.state)}</Tag>
          <Tag tone={of.direction === 'permit_only' ? 'good' : 'warn'}>{codeWord(t, 'direction', of.direction)}</Tag>
        </span>
      }
    >
      {of.state === 'active' ? (
        <>
          <p class="sentence">{t('emergencies.left', { span: span(left, prefer) })}</p>
          <progress max={of.ttl_s} value={left} aria-label={t('emergencies.remaining')} />
        </>
      ) : null}
      <Facts
        of={[
          [t('emergencies.scope'), [...of.areas, ...of.terminals].length ? <>{of.areas.join(', ')} {of.terminals.map((each) => <ShortId value={each} />)}</> : null],
          [t('emergencies.ops'), of.ops.map((each) => codeWord(t, 'op', each)).join(', ')],
          [t('emergencies.openers'), of.openers.map((each, i) => <>{i ? ', ' : ''}<PartyName of={each} /></>)],
          [t('appeals.opened'), <Time at={of.opened_at} />],
          [t('emergencies.ends'), <Time at={of.ends_at} />],
          [t('emergencies.closed'), of.closed_at ? <Time at={of.closed_at} /> : null],
          [t('contacts.review'), of.review.verdict ? codeWord(t, 'verdict', of.review.verdict) : <Due at={of.review.due} overdue={of.review.overdue} ended={false} />],
          [t('nav.ledger'), <><LogLink index={of.log_index} /> {of.witnessed ? null : <Tag tone="warn">{t('emergencies.unwitnessed')}</Tag>}</>],
          [t('emergencies.renews'), of.renewal_of ? <ShortId value={of.renewal_of} href={`/emergencies#${of.renewal_of}`} /> : null],
        ]}
      />
    </Section>
  );
}

export default function Emergencies(): JSX.Element {
  const t = useWords();
  const pages = usePages<Emergency>('/v1/emergencies', { limit: 20 });
  const overview = useJson<Overview>('/v1/emergencies', { limit: 1 });
  const o = overview.data;
  useInterval(pages.reload, 30_000);
  return (
    <div class="page">
      <PageHead title={t('nav.emergencies')} intro={t('emergencies.intro')} />
      {o ? (
        <Section title={t('emergencies.power')}>
          <dl class="figures">
            <div><dt>{t('emergencies.active')}</dt><dd>{o.active}</dd></div>
            <div><dt>{t('emergencies.in_30')}</dt><dd>{o.opened_in_30_days}</dd></div>
            <div><dt>{t('public.reviews_overdue')}</dt><dd>{o.overdue_reviews.length}</dd></div>
          </dl>
          {o.frozen ? <Note tone="warn">{t('emergencies.frozen')}</Note> : null}
          {o.conditions.length ? <p class="quiet">{t('emergencies.conditions')} {o.conditions.map((each) => codeWord(t, 'condition', each)).join(', ')}</p> : null}
        </Section>
      ) : null}
      {pages.problem ? <ProblemNote problem={pages.problem} retry={pages.reload} /> : null}
      {pages.data?.length === 0 ? (
        <Empty title={t('emergencies.none')}>
          <p>{t('emergencies.none_help')}</p>
          <pre class="command">groundrule emergency --help</pre>
        </Empty>
      ) : null}
      {pages.data?.map((each) => <Card key={each.id} of={each} />)}
      {pages.more ? (
        <button type="button" class="button" onClick={pages.more}>
          {t('common.more')}
        </button>
      ) : null}
    </div>
  );
}
