/** Reviews: emergencies, late contacts and enactments, looked at by people who had no part in them, against a clock. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { send } from '../api/client';
import { usePages } from '../api/resource';
import { Empty, Facts, Icon, Loading, PageHead, ProblemNote, Section, Tag, Time } from '../components/basic';
import { ChecksField, Form, LongField, SelectField, TextField, useDraftOf, useKeyOf } from '../components/form';
import { Code, Due, LogLink, Note, PartyName, ShortId, Tabs, useDoing } from '../components/parts';
import { HandIn, SignFile } from '../governance/hand_in';
import { peopleOf, useCharter } from '../governance/people';
import type { Emergency, Review, ToSign } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { navigate, usePlace } from '../router';
import { useMay } from '../session';

const VERDICTS = ['upheld', 'reversed', 'partly'] as const;

/** Where the case of a review is shown. */
export function caseHref(review: Pick<Review, 'of' | 'kind'>): string {
  return review.kind === 'emergency' ? `/emergencies#${review.of}` : review.kind === 'contact' ? `/contacts/${review.of}` : `/proposals/${review.of}`;
}

function Conclude({ of, onDone }: { of: Review; onDone: () => void }): JSX.Element {
  const t = useWords();
  const people = peopleOf(useCharter(), 'review');
  const [draft, set] = useDraftOf({ reviewers: [] as string[], typed: '', verdict: 'upheld', findings: '', remedy: '' });
  const [made, setMade] = useState<ToSign | null>(null);
  const doing = useDoing();
  const file = `${of.id.slice(0, 15)}.json`;
  return (
    <details class="close">
      <summary>{t('reviews.conclude')}</summary>
      <p class="quiet">{t('reviews.conclude_intro')}</p>
      <Form
        label={t('reviews.conclude')}
        problem={doing.problem}
        busy={doing.busy}
        send={t('emergencies.draft')}
        note={t('reviews.findings_note')}
        onSubmit={() =>
          doing.run(async () => {
            const reviewers = people.length ? draft.reviewers : draft.typed.split(/[\s,]+/).filter(Boolean);
            setMade(await send<ToSign>(`/v1/reviews/${encodeURIComponent(of.id)}/findings`, { reviewers, verdict: draft.verdict, findings: draft.findings, remedy: draft.remedy }));
          })
        }
      >
        {people.length ? (
          <ChecksField name="reviewers" legend={t('reviews.reviewers')} options={people} chosen={draft.reviewers} onValue={(reviewers) => set({ reviewers })} />
        ) : (
          <TextField wide name="reviewers" label={t('reviews.reviewers')} value={draft.typed} onValue={(typed) => set({ typed })} hint="party-…, party-…" most={2000} />
        )}
        <SelectField name="verdict" label={t('proposals.verdict')} value={draft.verdict} onValue={(verdict) => set({ verdict })} options={VERDICTS.map((each) => [each, codeWord(t, 'verdict', each)] as const)} />
        <LongField name="findings" label={t('reviews.findings')} value={draft.findings} onValue={(findings) => set({ findings })} />
        <LongField optional name="remedy" label={t('reviews.remedy')} rows={2} value={draft.remedy} onValue={(remedy) => set({ remedy })} />
      </Form>
      {made ? <SignFile of={made} file={file} command={`groundrule review sign ${file} --key MY.key --out MY.sig`} /> : null}
      <h3>{t('sign.step_3')}</h3>
      <HandIn
        kind="review"
        several
        wrong={(read) => (read.of === of.id ? null : t('reviews.another'))}
        onSend={async (envelopes) => {
          await send('/v1/reviews/conclusions', { envelopes });
          onDone();
          return t('reviews.concluded');
        }}
      />
    </details>
  );
}

function Card({ of, onDone }: { of: Review; onDone: () => void }): JSX.Element {
  const t = useWords();
  const may = useMay('reviews:write');
  const open = of.state === 'open';
  return (
    <Section
      id={of.id}
      title={
        <>
          {t('reviews.of')} <a href={caseHref(of)}>{codeWord(t, 'case', of.kind)}</a>
        </>
      }
      actions={
        <span class="row">
          {open ? <Tag tone={of.overdue ? 'bad' : 'warn'}>{t(of.overdue ? 'public.overdue' : 'reviews.state_open')}</Tag> : <Code group="verdict" code={of.state} />}
        </span>
      }
    >
      <Facts
        of={[
          [t('reviews.case'), <ShortId value={of.of} href={caseHref(of)} />],
          [t('contacts.due'), open ? <Due at={of.due} overdue={of.overdue} ended={false} /> : <Time at={of.due} detail="minute" />],
          [t('reviews.reviewers'), of.reviewers.length ? of.reviewers.map((each, i) => <>{i ? ', ' : ''}<PartyName of={each} /></>) : null],
          [t('reviews.findings'), of.findings],
          [t('reviews.remedy'), of.remedy],
          [t('reviews.at'), of.concluded_at ? <Time at={of.concluded_at} detail="minute" /> : null],
          [t('nav.ledger'), <><LogLink index={of.log_index} />{of.concluded_index === null ? null : <> · <LogLink index={of.concluded_index} /></>}</>],
        ]}
      />
      {of.state === 'reversed' ? <Note tone="warn">{t('reviews.reversed_help')}</Note> : null}
      {may && open ? <Conclude of={of} onDone={onDone} /> : null}
    </Section>
  );
}

function Opening({ onDone }: { onDone: () => void }): JSX.Element {
  const t = useWords();
  const { query } = usePlace();
  const [of, setOf] = useState(query.get('of') ?? '');
  const keyOf = useKeyOf();
  const doing = useDoing();
  return (
    <Section title={t('reviews.new')} id="new">
      <p class="quiet">{t('reviews.new_intro')}</p>
      <Form
        label={t('reviews.new')}
        problem={doing.problem}
        busy={doing.busy}
        send={t('reviews.new')}
        onSubmit={() =>
          doing.run(async () => {
            const sent = { of: of.trim() };
            const made = await send<{ id: string }>('/v1/reviews', sent, { key: keyOf(sent) });
            onDone();
            if (made) navigate(`/reviews#${made.id}`);
          })
        }
      >
        <TextField wide name="of" label={t('reviews.case')} help={t('reviews.case_help')} value={of} onValue={setOf} hint="emergency-… · contact-…" pattern="(emergency|contact)-[0-9a-f]{32}|[0-9a-f]{64}" wrong={t('reviews.case_help')} />
      </Form>
    </Section>
  );
}

/** Emergencies whose review is due and was not opened by anybody yet. */
function Unopened({ reviews }: { reviews: readonly Review[] }): JSX.Element | null {
  const t = useWords();
  const may = useMay('reviews:write');
  const mayRead = useMay('emergencies:read');
  const found = usePages<Emergency>(mayRead ? '/v1/emergencies' : null, { limit: 100 });
  const opened = new Set(reviews.map((each) => each.of));
  const due = (found.data ?? []).filter((each) => each.review.verdict === null && !opened.has(each.id));
  if (!due.length) return null;
  return (
    <Section title={t('reviews.unopened')}>
      <ul class="rules">
        {due.map((each) => (
          <li>
            <div class="rule-head">
              <a class="rule-title" href={`/emergencies#${each.id}`}>
                {codeWord(t, 'condition', each.condition)}
              </a>
              <span class="row">
                <Due at={each.review.due} overdue={each.review.overdue} ended={false} />
                {may ? (
                  <a class="button" href={`/reviews?new=1&of=${each.id}`}>
                    {t('reviews.new')}
                  </a>
                ) : null}
              </span>
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export default function Reviews(): JSX.Element {
  const t = useWords();
  const may = useMay('reviews:write');
  const { query, hash } = usePlace();
  const show = query.get('show') ?? '';
  const writing = query.get('new') === '1' && may;
  const pages = usePages<Review>('/v1/reviews', { limit: 100 });
  const rows = (pages.data ?? []).filter((each) => (show === 'open' ? each.state === 'open' : show === 'overdue' ? each.overdue : true));
  const count = (of: (each: Review) => boolean) => (pages.data && !pages.more ? ` (${pages.data.filter(of).length})` : '');
  const tabs: [string, string, string][] = [
    ['', t('common.all'), '/reviews'],
    ['open', `${t('reviews.state_open')}${count((each) => each.state === 'open')}`, '/reviews?show=open'],
    ['overdue', `${t('requests.overdue')}${count((each) => each.overdue)}`, '/reviews?show=overdue'],
  ];
  if (may) tabs.push(['new', t('reviews.new'), '/reviews?new=1']);
  const there = rows.some((each) => `#${each.id}` === hash);
  useEffect(() => {
    if (there) document.getElementById(hash.slice(1))?.scrollIntoView();
  }, [there, hash]);
  return (
    <div class="page">
      <PageHead title={t('nav.reviews')} intro={t('reviews.intro')} />
      <Tabs label={t('nav.reviews')} of={tabs} current={writing ? 'new' : show} />
      {writing ? <Opening onDone={pages.reload} /> : null}
      {!writing && pages.data === null ? pages.problem ? <ProblemNote problem={pages.problem} retry={pages.reload} /> : <Loading /> : null}
      {!writing && pages.data && !rows.length ? (
        <Empty title={t(show === 'overdue' ? 'public.no_reviews' : show === 'open' ? 'reviews.none_open' : 'reviews.none')}>
          <p>{t('reviews.none_help')}</p>
          {may ? (
            <a class="button" href="/reviews?new=1">
              <Icon name="appeal" />
              {t('reviews.new')}
            </a>
          ) : null}
        </Empty>
      ) : null}
      {!writing && show !== 'overdue' && pages.data ? <Unopened reviews={pages.data} /> : null}
      {writing ? null : rows.map((each) => <Card key={each.id} of={each} onDone={pages.reload} />)}
      {pages.more && !writing ? (
        <button type="button" class="button" onClick={pages.more}>
          {t('common.more')}
        </button>
      ) : null}
      <Note>{t('reviews.note')}</Note>
    </div>
  );
}
