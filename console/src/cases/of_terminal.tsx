/** What detectors found about one terminal, beside its decisions; for those who may read cases. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import type { Page } from '../api/types';
import { Fetched, Section, Time } from '../components/basic';
import { useWords } from '../i18n';
import { useSettings } from '../settings';
import { StateTag } from './parts';
import { caseOf, STATES, type CaseRow, type SignalRow } from './types';
import { foundWords, kindsWords, kindWord, weightWord } from './words';

const MOST = 5;

export function OfTerminal({ id }: { id: string }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const signals = useJson<Page<SignalRow>>('/v1/signals', { terminal: id, limit: MOST });
  const cases = useJson<Page<CaseRow>>('/v1/cases', { terminal: id, state: STATES, limit: MOST });
  return (
    <Section title={t('signals.of_terminal')} id="signals">
      <Fetched of={signals}>
        {(page) =>
          page.items.length ? (
            <>
              {cases.data?.items.length ? (
                <>
                  <h3>{t('signals.cases_of_terminal')}</h3>
                  <ul class="plain">
                    {cases.data.items.map((each) => (
                      <li>
                        <a href={`/cases/${each.id}`}>{kindsWords(t, each.kinds)}</a> <StateTag state={each.state} />{' '}
                        <span class="quiet">
                          {t('cases.weighs')}: {weightWord(t, each.weight)}
                        </span>
                      </li>
                    ))}
                  </ul>
                </>
              ) : null}
              <h3>{t('nav.signals')}</h3>
              <ul class="plain">
                {page.items.map((each) => {
                  const at = caseOf(each);
                  return (
                    <li>
                      <Time at={each.raised_at} detail="minute" /> {at ? <a href={at}>{kindWord(t, each.kind)}</a> : kindWord(t, each.kind)} <span class="quiet">{foundWords(each, t, prefer)}</span>
                    </li>
                  );
                })}
              </ul>
              {page.next ? (
                <p>
                  <a href={`/signals?terminal=${encodeURIComponent(id)}`}>{t('signals.all_of_terminal')}</a>
                </p>
              ) : null}
            </>
          ) : (
            <p class="quiet">{t('signals.none_of_terminal')}</p>
          )
        }
      </Fetched>
    </Section>
  );
}
