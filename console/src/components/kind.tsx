/** As what a terminal is registered, in words. Nobody knows what it is fixed to: only what the register says, and what it does. */
import type { JSX } from 'preact';
import type { Registered } from '../api/types';
import { codeWord, useWords, type Translate } from '../i18n';

/** `Roam · programmes: rail · military`; what is usual is not said. */
export function kindWords(kind: Registered, t: Translate): string {
  return [
    kind.plan ? codeWord(t, 'plan', kind.plan) : t('kind.no_plan'),
    ...kind.programmes.map((each) => codeWord(t, 'programme', each)),
    kind.protected_class ? codeWord(t, 'protected', kind.protected_class) : null,
    kind.purpose && kind.purpose !== 'civil' ? codeWord(t, 'purpose', kind.purpose) : null,
  ]
    .filter(Boolean)
    .join(' · ');
}

export function Kind({ of }: { of: Registered | null | undefined }): JSX.Element {
  const t = useWords();
  return of ? <>{kindWords(of, t)}</> : <span class="quiet">{t('kind.none')}</span>;
}
