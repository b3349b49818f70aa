/** Parts that the pages of cases, signals and behaviours share. */
import type { JSX } from 'preact';
import { Icon, ProblemNote, Tag, type Tone } from '../components/basic';
import { Tabs } from '../components/parts';
import { useWords } from '../i18n';
import { useSession } from '../session';
import type { Acting } from './acts';
import { useSettings } from '../settings';
import type { CaseRow, CaseState, SignalRow } from './types';
import { kindsWords, strengthWords } from './words';

const TONES: Readonly<Record<CaseState, Tone>> = { open: 'warn', assigned: 'info', confirmed: 'plain', dismissed: 'plain', reopened: 'warn' };

export function StateTag({ state }: { state: CaseState }): JSX.Element {
  const t = useWords();
  return <Tag tone={TONES[state] ?? 'plain'}>{t(`case_state.${state}`)}</Tag>;
}

export function CaseTabs({ current }: { current: 'cases' | 'signals' | 'behaviours' }): JSX.Element {
  const t = useWords();
  return <Tabs label={t('nav.cases')} current={current} of={[['cases', t('nav.cases'), '/cases'], ['signals', t('nav.signals'), '/signals'], ['behaviours', t('nav.behaviours'), '/behaviours']]} />;
}

/** A person by the id that acts carry; the reader is `you`. */
export function Person({ id }: { id: string }): JSX.Element {
  const t = useWords();
  const state = useSession();
  return <span title={id}>{state.kind === 'in' && state.session.principal.id === id ? t('cases.you') : id}</span>;
}

export function TerminalLinks({ of, most = 3, count = of.length }: { of: readonly string[]; most?: number; count?: number }): JSX.Element {
  const t = useWords();
  return (
    <>
      {of.slice(0, most).map((each, i) => (
        <>
          {i ? ', ' : ''}
          <a href={`/terminals/${encodeURIComponent(each)}`}>{each}</a>
        </>
      ))}
      {count > most ? ` ${t('cases.and_more', { n: count - Math.min(most, of.length) })}` : ''}
    </>
  );
}

/** How strong a signal is, and what that word rests on. */
export function Strength({ of }: { of: Pick<SignalRow, 'strength' | 'basis'> }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  return (
    <>
      <span title={of.strength.toFixed(2)}>{strengthWords(t, of, prefer)}</span>
      <span class="quiet under">{t(of.basis === 'calibrated' ? 'signals.calibrated' : 'signals.thumb')}</span>
    </>
  );
}

/** What was done, said once to everybody, with the way back. */
export function Said({ by: { done, said, problem, start } }: { by: Acting }): JSX.Element {
  const t = useWords();
  const of = done?.of as CaseRow | undefined;
  return (
    <>
      <div role="status" class="case-said">
        {said ? <p class="note warn">{said}</p> : null}
        {done && of ? (
          <p class="note">
            {t(`cases.done_${done.what}`)} <a href={`/cases/${of.id}`}>{kindsWords(t, of.kinds)}</a>{' '}
            {of.state === 'confirmed' || of.state === 'dismissed' ? (
              <button type="button" class="button link" onClick={() => start(of, 'reopen')}>
                {t('cases.undo')}
              </button>
            ) : null}
          </p>
        ) : null}
      </div>
      {problem ? <ProblemNote problem={problem} /> : null}
    </>
  );
}

/** Signals came while somebody works on a list: it is read again when they say so, and never moves under their hands. */
export function News({ n, onRead }: { n: number; onRead: () => void }): JSX.Element | null {
  const t = useWords();
  if (!n) return null;
  return (
    <p class="note" role="status">
      {t('cases.news', { n })}{' '}
      <button type="button" class="button" onClick={onRead}>
        <Icon name="down" />
        {t('cases.read_again')}
      </button>
    </p>
  );
}
