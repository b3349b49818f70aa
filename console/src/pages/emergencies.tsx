/** Emergencies: two persons, one direction, a narrow scope, a clock that runs out, and a review that must follow. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useInterval, useJson, usePages } from '../api/resource';
import { Empty, Facts, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { Due, LogLink, NotAllowedHere, Note, PartyName, ShortId, Tabs } from '../components/parts';
import { span } from '../evidence/spans';
import { CloseEmergency, EmergencyForm } from '../governance/emergency_form';
import type { Emergency, EmergencyOverview } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';

function Card({ of, onDone }: { of: Emergency; onDone: () => void }): JSX.Element {
  const t = useWords();
  const may = useMay('emergencies:write');
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
      {may && of.state === 'active' ? <CloseEmergency of={of} onDone={onDone} /> : null}
    </Section>
  );
}

export default function Emergencies(): JSX.Element {
  const t = useWords();
  const may = useMay('emergencies:write');
  const { query, hash } = usePlace();
  const writing = query.get('new') === '1';
  const pages = usePages<Emergency>('/v1/emergencies', { limit: 20 });
  const overview = useJson<EmergencyOverview>('/v1/emergencies', { limit: 1 });
  const o = overview.data;
  const again = () => (pages.reload(), overview.reload());
  useInterval(pages.reload, writing ? null : 30_000);
  // Cards come after the address was opened: what it points to is brought into view when it is there.
  const there = pages.data?.some((each) => `#${each.id}` === hash);
  useEffect(() => {
    if (there) document.getElementById(hash.slice(1))?.scrollIntoView();
  }, [there, hash]);
  const tabs: [string, string, string][] = [['', t('common.all'), '/emergencies']];
  if (may) tabs.push(['new', t('emergencies.new'), '/emergencies?new=1']);
  return (
    <div class="page">
      <PageHead title={t('nav.emergencies')} intro={t('emergencies.intro')} />
      <Tabs label={t('nav.emergencies')} of={tabs} current={writing ? 'new' : ''} />
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
      {writing ? may ? o ? <EmergencyForm conditions={o.conditions} onDone={again} /> : null : <NotAllowedHere needs="emergencies:write" /> : null}
      {pages.problem ? <ProblemNote problem={pages.problem} retry={pages.reload} /> : null}
      {!writing && pages.data?.length === 0 ? (
        <Empty title={t('emergencies.none')}>
          <p>{t('emergencies.none_help')}</p>
          {may ? (
            <a class="button" href="/emergencies?new=1">
              {t('emergencies.new')}
            </a>
          ) : (
            <pre class="command">groundrule emergency --help</pre>
          )}
        </Empty>
      ) : null}
      {writing ? null : pages.data?.map((each) => <Card key={each.id} of={each} onDone={again} />)}
      {pages.more && !writing ? (
        <button type="button" class="button" onClick={pages.more}>
          {t('common.more')}
        </button>
      ) : null}
    </div>
  );
}
