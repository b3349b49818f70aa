/** Say that a decision is wrong: which one, and why. An owner does it; an officer takes down what came by letter or call. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import { useJson } from '../api/resource';
import type { DecisionRow, Page, TerminalRow } from '../api/types';
import { ProblemNote, Section } from '../components/basic';
import { useDoing, type Party } from '../components/parts';
import { time } from '../format';
import { codeWord, useWords } from '../i18n';
import { answer } from '../marks';
import { navigate, setQuery, usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';
import type { AppealNotice } from './types';

const CHANNELS = ['letter', 'call', 'meeting', 'email', 'other'] as const;

/** Decisions folded to those at which the answer changed; newest first. */
export function turns(rows: readonly DecisionRow[]): DecisionRow[] {
  return rows.filter((row, i) => {
    const older = rows[i + 1];
    return !older || older.outcome !== row.outcome || older.state !== row.state || older.reason !== row.reason;
  });
}

export function AppealForm({ own }: { own: boolean }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const terminal = query.get('terminal') ?? '';
  const [at, setAt] = useState(query.get('at') ?? '');
  const [text, setText] = useState('');
  const [name, setName] = useState('');
  const [by, setBy] = useState('');
  const [channel, setChannel] = useState('email');
  const doing = useDoing();
  const terminals = useJson<Page<TerminalRow>>(own ? '/v1/terminals' : null, { limit: 200 });
  const decisions = useJson<Page<DecisionRow>>(terminal ? `/v1/terminals/${encodeURIComponent(terminal)}/decisions` : null, { limit: 200 });
  const mayCharter = useMay('charter:read');
  const charter = useJson<{ roles?: readonly { name: string; members: readonly Party[] }[] }>(!own && mayCharter ? '/v1/charter' : null);
  const registrars = charter.data?.roles?.find((role) => role.name === 'registrar')?.members ?? [];
  const offered = turns(decisions.data?.items ?? []);
  return (
    <Section title={t(own ? 'appeals.open' : 'appeals.take')} id="appeal">
      <p>{t(own ? 'appeals.open_intro' : 'appeals.take_intro')}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          doing.run(async () => {
            const body = { terminal, text, ...(at ? { at } : {}), ...(name ? { name } : {}), ...(own ? {} : { received_by: by, channel }) };
            const made = await send<AppealNotice>(own ? '/v1/own/appeals' : '/v1/appeals', body, { key: crypto.randomUUID() });
            if (made) navigate(`/appeals/${made.id}`);
          });
        }}
      >
        <div class="filters">
          <label class="field">
            <span>{t('appeals.terminal')}</span>
            {own && terminals.data?.items.length ? (
              <select required value={terminal} onChange={(event) => (setQuery({ terminal: event.currentTarget.value || null }), setAt(''))}>
                <option value="">–</option>
                {terminals.data.items.map((each) => (
                  <option value={each.id} selected={each.id === terminal}>
                    {each.id} ({t(`answer.${answer(each.outcome, each.state)}`)})
                  </option>
                ))}
              </select>
            ) : (
              <input required maxLength={200} autocomplete="off" spellcheck={false} value={terminal} onChange={(event) => (setQuery({ terminal: event.currentTarget.value.trim() || null }), setAt(''))} />
            )}
          </label>
          <label class="field">
            <span>{t('appeals.which')}</span>
            <select value={at} onChange={(event) => setAt(event.currentTarget.value)}>
              <option value="">{t('appeals.latest')}</option>
              {offered.map((each) => (
                <option value={each.observed_at} selected={each.observed_at === at}>
                  {time(each.observed_at, prefer, 'minute')}: {t(`answer.${answer(each.outcome, each.state)}`)}, {codeWord(t, 'reason', each.reason ?? '')}
                </option>
              ))}
            </select>
          </label>
        </div>
        {decisions.problem ? <ProblemNote problem={decisions.problem} /> : null}
        <label class="field wide">
          <span>{t('appeals.ground')}</span>
          <textarea required rows={5} maxLength={200_000} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <div class="filters">
          <label class="field">
            <span>{t('appeals.name')}</span>
            <input maxLength={400} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          {own ? null : (
            <>
              <label class="field">
                <span>{t('appeals.received_by')}</span>
                {registrars.some((each) => each.name) ? (
                  <select required value={by} onChange={(event) => setBy(event.currentTarget.value)}>
                    <option value="">–</option>
                    {registrars.map((each) => (
                      <option value={each.id} selected={each.id === by}>{each.name ?? each.id}</option>
                    ))}
                  </select>
                ) : (
                  <input required maxLength={400} autocomplete="off" spellcheck={false} placeholder="party-…" value={by} onInput={(event) => setBy(event.currentTarget.value)} />
                )}
              </label>
              <label class="field">
                <span>{t('requests.channel')}</span>
                <select value={channel} onChange={(event) => setChannel(event.currentTarget.value)}>
                  {CHANNELS.map((each) => (
                    <option value={each} selected={each === channel}>{codeWord(t, 'channel', each)}</option>
                  ))}
                </select>
              </label>
            </>
          )}
        </div>
        <p class="quiet">{t('appeals.private')}</p>
        <button type="submit" class="button primary" disabled={doing.busy}>
          {doing.busy ? t('common.loading') : t('appeals.send')}
        </button>
      </form>
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
    </Section>
  );
}
