/** What one kind of signal says, what else looks like it, and how often it is wrong. */
import type { JSX } from 'preact';
import { codeWord, useWords, type Key } from '../i18n';
import { useSettings } from '../settings';
import type { Behaviour } from './types';
import { decidedWords, rateWords, worthWords } from './words';

export function KindWords({ kind }: { kind: string }): JSX.Element | null {
  const t = useWords();
  const rests = t(`signal_rests.${kind}` as Key);
  // A kind that the console does not know yet has its name and its numbers.
  if (rests === `signal_rests.${kind}`) return null;
  return (
    <>
      <p>{rests}</p>
      <p>
        <span class="strong">{t('cases.looks_like')}</span> {codeWord(t, 'signal_else', kind)}
      </p>
    </>
  );
}

/** How often it is wrong: measured beforehand, and by persons here. */
export function KindRates({ of, base }: { of: Behaviour; base: number }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const worth = worthWords(of.measured?.posterior ?? null, base, t, prefer);
  return (
    <ul class="rates">
      <li>{rateWords(of.measured, t, prefer)}</li>
      {worth ? <li>{worth}</li> : null}
      <li>{decidedWords(of, t, prefer)}</li>
    </ul>
  );
}
