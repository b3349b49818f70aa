/** A claim: what a report says that somebody says. Never a fact, whoever confirmed that it is said. */
import type { JSX } from 'preact';
import { send } from '../api/client';
import { ProblemNote, Tag, Time, type Tone } from '../components/basic';
import { useDoing } from '../components/parts';
import { codeWord, useWords } from '../i18n';
import { useMay } from '../session';
import type { Claim } from './types';

/** Where a reference of a claim leads in the console; null where there is no page. */
export function hrefOf(ref: string): string | null {
  const cut = ref.indexOf(':');
  const id = encodeURIComponent(ref.slice(cut + 1));
  const pages: Record<string, string> = { terminal: `/terminals/${id}`, contact: `/contacts/${id}`, request: `/requests/${id}`, change: `/proposals/${id}`, rule: `/rulebook?rule=${id}`, area: `/map?area=${id}` };
  return pages[ref.slice(0, cut)] ?? null;
}

export function Refs({ of }: { of: readonly string[] }): JSX.Element {
  return (
    <>
      {of.map((ref) => {
        const href = hrefOf(ref);
        return <span class="spaced">{href ? <a href={href}>{ref}</a> : ref}</span>;
      })}
    </>
  );
}

export function stanceTone(stance: string): Tone {
  return stance === 'denies' ? 'bad' : stance === 'confirms' ? 'info' : stance === 'reports' ? 'plain' : 'warn';
}

export function ClaimCard({ claim, chosen, origin, onDone, reportHref }: { claim: Claim; chosen: boolean; origin?: string; onDone?: () => void; reportHref?: string }): JSX.Element {
  const t = useWords();
  const may = useMay('reports:write');
  const doing = useDoing();
  const decide = (verdict: 'confirm' | 'reject') =>
    doing.run(async () => {
      await send(`/v1/claims/${claim.id}/decisions`, { verdict });
      onDone?.();
    });
  return (
    <li class={`claim${chosen ? ' decisive' : ''}`} id={claim.id}>
      <p class="claim-head">
        <span title={t('reports.never_fact')}>
          <Tag tone="warn">{t('reports.claim')}</Tag>
        </span>
        <Tag tone={stanceTone(claim.stance)}>{codeWord(t, 'stance', claim.stance)}</Tag>
        {claim.kind === 'opinion' ? <Tag>{t('reports.opinion')}</Tag> : null}
        <Tag tone={claim.status === 'confirmed' ? 'good' : claim.status === 'rejected' ? 'bad' : 'plain'}>{codeWord(t, 'claim_status', claim.status)}</Tag>
        {origin ? <Tag tone="info">{origin}</Tag> : null}
      </p>
      {claim.statement && claim.statement.trim() !== claim.text.trim() ? <p class="strong">{claim.statement}</p> : null}
      <p class="quiet">
        {t('reports.who')} {claim.who || claim.attribution.outlet || t('common.unknown')}
        {claim.happened ? ` · ${t('reports.happened')} ${claim.happened}` : ''}
      </p>
      <blockquote>{reportHref ? <a href={reportHref}>{claim.text}</a> : <a href={`?claim=${claim.id}`}>{claim.text}</a>}</blockquote>
      {claim.about.length ? (
        <p class="quiet">
          {t('reports.about')} <Refs of={claim.about} />
        </p>
      ) : null}
      {claim.proposition && !reportHref ? (
        <p>
          <a href={`/propositions/${claim.proposition}`}>{t('reports.compare')}</a>
        </p>
      ) : null}
      {claim.problems.map((problem) => (
        <p class="quiet">
          <Tag tone="warn">{codeWord(t, 'claim_problem', problem.split(':')[0] ?? problem)}</Tag>
        </p>
      ))}
      <p class="quiet">
        {claim.suggested_by ? t('reports.suggested_by', { rule: claim.suggested_by }) : t('reports.entered')}
        {claim.decided_by ? <> · {claim.decided_by} <Time at={claim.decided_at} detail="minute" /></> : null}
      </p>
      {may && claim.status === 'suggested' && onDone ? (
        <p class="row">
          <button type="button" class="button" disabled={doing.busy} title={t('reports.confirm_help')} onClick={() => decide('confirm')}>
            {t('reports.confirm')}
          </button>
          <button type="button" class="button" disabled={doing.busy} onClick={() => decide('reject')}>
            {t('reports.reject')}
          </button>
        </p>
      ) : null}
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
    </li>
  );
}
