/** Forms: fields with a name, what they are for, and what is wrong with them; what the service refuses stands at the field it names. */
import { createContext, type ComponentChildren, type JSX } from 'preact';
import { useContext, useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Problem } from '../api/client';
import { useWords, type Translate } from '../i18n';
import { useSettings, type Settings } from '../settings';
import { Icon, ProblemNote } from './basic';

interface Wrong {
  readonly at: string;
  readonly says: string;
  /** What stands there, where the service names it; then `says` is what would be right. */
  readonly value?: string;
}

const Errors = createContext<readonly Wrong[]>([]);

/** `request.ask[0].op` as `ask.0.op`: without the object's own name, with numbers as parts. */
export function placeOf(field: string): string {
  return field.replace(/\[(\d+)\]/g, '.$1').replace(/^(body|data|request|contact|contactgiven|newrequest|newcontact|nilreturn|nil_return|proposal|newproposal|emergency|newemergency|review|partyrecord|update)\./, '');
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? '' : '.'}`;

/** What a problem of the service says about single fields. A sentence that names a field in backticks counts, too. */
export function wrongIn(problem: Problem | null): Wrong[] {
  if (!problem) return [];
  const { field, detail, help, errors } = problem.body;
  const found: Wrong[] = [];
  for (const each of errors ?? []) {
    const key = each['key'] ?? each['field'];
    if (typeof key === 'string') found.push({ at: placeOf(key), says: String(each['message'] ?? each['detail'] ?? detail ?? '') });
  }
  const named = field ?? /`([a-z_]+(?:[.[][a-z0-9_\]]+)*)`/.exec(detail ?? '')?.[1];
  const value = /^\S+ is `(.*)`$/.exec(detail ?? '')?.[1];
  if (named && !found.length) found.push(value !== undefined && help ? { at: placeOf(named), says: sentence(help), value } : { at: placeOf(named), says: [detail ?? problem.body.title, help].filter(Boolean).map((each) => sentence(each!)).join(' ') });
  return found;
}

/** Whether what is wrong at a place is wrong at a field: at the field itself, or within it. */
export function concerns(name: string, at: string): boolean {
  return at === name || at.startsWith(`${name}.`) || at.replace(/\.\d+(?=\.|$)/g, '') === name;
}

/** What a browser finds wrong with a control, in the language of the page. */
function complaint(t: Translate, control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement): string {
  const { validity } = control;
  const own = control.dataset['wrong'];
  if (validity.valueMissing) return t('form.required');
  if ((validity.patternMismatch || validity.typeMismatch) && own) return own;
  if (validity.rangeUnderflow || validity.rangeOverflow) return t('form.range', { min: (control as HTMLInputElement).min || '–', max: (control as HTMLInputElement).max || '–' });
  if (validity.tooLong) return t('form.too_long', { n: (control as HTMLInputElement).maxLength });
  return t('form.invalid');
}

/** A form that sends nothing while a field is wrong, leads to the first wrong one, and says what the service refused. */
export function Form({ label, problem, busy, send, onSubmit, actions, note, children }: {
  label: string;
  problem: Problem | null;
  busy: boolean;
  /** Words of the button. */
  send: string;
  /** `by` names the button that was pressed, if it has a name. */
  onSubmit: (by: string) => void;
  actions?: ComponentChildren;
  note?: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  const t = useWords();
  const form = useRef<HTMLFormElement>(null);
  const [own, setOwn] = useState<Wrong[]>([]);
  const wrong = own.length ? own : wrongIn(problem).map((each) => (each.value === undefined ? each : { at: each.at, says: `${t('form.not_this', { value: each.value })} ${each.says}` }));
  useEffect(() => {
    if (!wrong.length && !problem) return;
    const first = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]') ?? form.current?.querySelector<HTMLElement>('.problem');
    if (!first) return;
    if (!first.matches('input, select, textarea')) first.tabIndex = -1;
    first.focus();
  }, [own, problem]);
  return (
    <form
      ref={form}
      class="form"
      aria-label={label}
      noValidate
      aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault();
        if (busy) return;
        const controls = [...event.currentTarget.elements] as HTMLInputElement[];
        const found = controls.filter((each) => each.name && each.willValidate && !each.validity.valid).map((each) => ({ at: each.name, says: complaint(t, each) }));
        setOwn(found);
        if (!found.length) onSubmit((event.submitter as HTMLButtonElement | null)?.value ?? '');
      }}
      onInput={() => own.length && setOwn([])}
    >
      <Errors.Provider value={wrong}>
        {children}
        {own.length ? (
          <p class="form-wrong" role="alert">
            <Icon name="warn" />
            {t('form.wrong', { n: own.length })}
          </p>
        ) : problem ? (
          <ProblemNote problem={problem} />
        ) : null}
        <div class="form-foot">
          <button type="submit" class="button primary" disabled={busy} value="send">
            {busy ? t('common.loading') : send}
          </button>
          {actions}
          {note ? <p class="quiet">{note}</p> : null}
        </div>
      </Errors.Provider>
    </form>
  );
}

/** Fields that belong together, under a heading that screen readers say with each. */
export function Group({ title, help, name, children }: { title: ComponentChildren; help?: ComponentChildren; name?: string; children: ComponentChildren }): JSX.Element {
  const wrong = useContext(Errors).find((each) => each.at === name);
  const id = useId();
  return (
    <fieldset class="group" aria-describedby={help || wrong ? id : undefined}>
      <legend>{title}</legend>
      {help || wrong ? (
        <div id={id}>
          {help ? <p class="quiet">{help}</p> : null}
          {wrong ? <Complaint says={wrong.says} /> : null}
        </div>
      ) : null}
      <div class="group-fields">{children}</div>
    </fieldset>
  );
}

function Complaint({ says, id }: { says: string; id?: string }): JSX.Element {
  return (
    <span class="field-wrong" id={id}>
      <Icon name="warn" />
      <span>{says}</span>
    </span>
  );
}

export interface Control {
  readonly id: string;
  readonly name: string;
  readonly required: boolean;
  readonly 'aria-invalid': 'true' | undefined;
  readonly 'aria-describedby': string | undefined;
}

interface Described {
  readonly name: string;
  readonly label: ComponentChildren;
  readonly help?: ComponentChildren;
  /** May stay empty, which is said beside the label. */
  readonly optional?: boolean;
  readonly wide?: boolean;
}

/** A label, a control, what it is for, and what is wrong with it. */
export function Field({ name, label, help, optional = false, wide = false, children }: Described & { children: (control: Control) => JSX.Element }): JSX.Element {
  const t = useWords();
  const id = useId();
  const wrong = useContext(Errors).find((each) => concerns(name, each.at));
  const described = [help ? `${id}-help` : '', wrong ? `${id}-wrong` : ''].filter(Boolean).join(' ');
  return (
    <div class={`field${wide ? ' wide' : ''}${wrong ? ' wrong' : ''}`}>
      <label for={id}>
        {label}
        {optional ? <span class="optional"> {t('form.optional')}</span> : null}
      </label>
      {children({ id, name, required: !optional, 'aria-invalid': wrong ? 'true' : undefined, 'aria-describedby': described || undefined })}
      {help ? (
        <span class="field-help" id={`${id}-help`}>
          {help}
        </span>
      ) : null}
      {wrong ? <Complaint id={`${id}-wrong`} says={wrong.says} /> : null}
    </div>
  );
}

export function TextField({ value, onValue, most = 400, hint, list, pattern, wrong, ...field }: Described & {
  value: string;
  onValue: (value: string) => void;
  most?: number;
  hint?: string;
  /** Values to choose from, with words for each; others may be typed. */
  list?: readonly (readonly [string, string])[] | undefined;
  pattern?: string;
  /** What to say when the pattern does not fit. */
  wrong?: string;
}): JSX.Element {
  return (
    <Field {...field}>
      {(control) => (
        <>
          <input {...control} maxLength={most} autocomplete="off" spellcheck={false} placeholder={hint} value={value} list={list?.length ? `${control.id}-list` : undefined} pattern={pattern} data-wrong={wrong} onInput={(event) => onValue(event.currentTarget.value)} />
          {list?.length ? (
            <datalist id={`${control.id}-list`}>
              {list.map(([key, words]) => (
                <option value={key}>{words}</option>
              ))}
            </datalist>
          ) : null}
        </>
      )}
    </Field>
  );
}

export function LongField({ value, onValue, rows = 4, most = 20_000, hint, ...field }: Described & { value: string; onValue: (value: string) => void; rows?: number; most?: number; hint?: string }): JSX.Element {
  return (
    <Field wide {...field}>
      {(control) => <textarea {...control} rows={rows} maxLength={most} placeholder={hint} value={value} onInput={(event) => onValue(event.currentTarget.value)} />}
    </Field>
  );
}

export function NumberField({ value, onValue, min, max, ...field }: Described & { value: string; onValue: (value: string) => void; min: number; max: number }): JSX.Element {
  return <Field {...field}>{(control) => <input {...control} type="number" step="1" min={min} max={max} value={value} onInput={(event) => onValue(event.currentTarget.value)} />}</Field>;
}

export function SelectField({ value, onValue, options, none, ...field }: Described & {
  value: string;
  onValue: (value: string) => void;
  options: readonly (readonly [string, string])[];
  /** Words for nothing chosen; without them the first option is. */
  none?: string;
}): JSX.Element {
  return (
    <Field {...field}>
      {(control) => (
        <select {...control} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
          {none === undefined ? null : <option value="">{none}</option>}
          {options.map(([key, words]) => (
            <option value={key} selected={key === value}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** What stands in a field of a time, by the clock that the reader has chosen, as an instant in UTC; empty stays empty. */
export function instantOf(value: string, clock: Settings['clock']): string {
  if (!value) return '';
  const made = new Date(clock === 'utc' ? `${value}Z` : value);
  return Number.isNaN(made.getTime()) ? value : made.toISOString();
}

/** A day and time by the reader's clock; callers keep what `instantOf` reads. */
export function TimeField({ value, onValue, label, ...field }: Described & { value: string; onValue: (value: string) => void }): JSX.Element {
  const t = useWords();
  const { clock } = useSettings();
  return (
    <Field {...field} label={<>{label} <span class="optional">({t(clock === 'utc' ? 'settings.utc' : 'settings.local')})</span></>}>
      {(control) => <input {...control} type="datetime-local" value={value} onInput={(event) => onValue(event.currentTarget.value)} />}
    </Field>
  );
}

export function CheckField({ name, label, help, checked, onValue }: { name: string; label: ComponentChildren; help?: ComponentChildren; checked: boolean; onValue: (checked: boolean) => void }): JSX.Element {
  const id = useId();
  return (
    <div class="check-field">
      <label class="check">
        <input type="checkbox" name={name} checked={checked} aria-describedby={help ? id : undefined} onChange={(event) => onValue(event.currentTarget.checked)} />
        <span>{label}</span>
      </label>
      {help ? (
        <span class="field-help" id={id}>
          {help}
        </span>
      ) : null}
    </div>
  );
}

/** Several of a few. */
export function ChecksField({ name, legend, options, chosen, onValue, empty }: {
  name: string;
  legend: ComponentChildren;
  options: readonly (readonly [string, ComponentChildren])[];
  chosen: readonly string[];
  onValue: (chosen: string[]) => void;
  empty?: ComponentChildren;
}): JSX.Element {
  const wrong = useContext(Errors).find((each) => concerns(name, each.at));
  const id = useId();
  return (
    <fieldset class="checks" aria-describedby={wrong ? id : undefined}>
      <legend>{legend}</legend>
      {options.length ? (
        options.map(([key, words]) => (
          <label class="check">
            <input type="checkbox" name={name} value={key} aria-invalid={wrong ? 'true' : undefined} checked={chosen.includes(key)} onChange={(event) => onValue(event.currentTarget.checked ? [...chosen, key] : chosen.filter((each) => each !== key))} />
            <span>{words}</span>
          </label>
        ))
      ) : (
        <p class="quiet">{empty}</p>
      )}
      {wrong ? <Complaint id={id} says={wrong.says} /> : null}
    </fieldset>
  );
}

/** A draft that is changed part by part. */
export function useDraftOf<T extends object>(initial: T): [T, (part: Partial<T>) => void] {
  const [draft, setDraft] = useState(initial);
  return [draft, (part) => setDraft((old) => ({ ...old, ...part }))];
}

/** A key for a body: the same body sent again, after a failure on the way, has the effect of one. */
export function useKeyOf(): (body: unknown) => string {
  const kept = useRef({ body: '', key: '' });
  return (body) => {
    const text = JSON.stringify(body);
    if (kept.current.body !== text) kept.current = { body: text, key: crypto.randomUUID() };
    return kept.current.key;
  };
}

/** Non-empty lines, without spaces around. */
export function linesOf(text: string): string[] {
  return [...new Set(text.split('\n').map((line) => line.trim()).filter(Boolean))];
}

/** Without members that are empty: what is not said is not sent. */
export function given<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== '' && each !== null && each !== undefined)) as Partial<T>;
}
