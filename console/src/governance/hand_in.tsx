/** The way of a signature: exact bytes go out as a file, a command signs them on an own device, the signed files come in. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Copy, Digest, Facts, Icon, ProblemNote } from '../components/basic';
import { save, useDoing } from '../components/parts';
import { useWords } from '../i18n';
import { base64 } from '../verify/bytes';
import { kindOf, readEnvelope, type Read } from './envelope';
import type { Envelope, ToSign } from './types';

/** A command line, to be copied whole. */
export function Command({ text }: { text: string }): JSX.Element {
  const t = useWords();
  return (
    <div class="command-line">
      <pre class="command">{text}</pre>
      <Copy text={text} label={t('form.copy_command')} />
    </div>
  );
}

/** Bytes to be signed, as files, and the command that shows and signs them. */
export function SignFile({ of, file, command, beside, children }: {
  of: ToSign;
  /** Name of the file. */
  file: string;
  command: string;
  /** A second file that whoever signs needs beside it. */
  beside?: { readonly name: string; readonly text: string; readonly help: string } | null;
  children?: ComponentChildren;
}): JSX.Element {
  const t = useWords();
  return (
    <>
      <Facts
        of={[
          [t('handin.id'), <code>{of.id}</code>],
          [t('handin.digest'), <Digest value={of.digest} />],
        ]}
      />
      {children}
      <ol class="how">
        <li>
          <p class="strong">{t('handin.step_1')}</p>
          <p class="row">
            <button type="button" class="button" onClick={() => save(file, new Blob([base64(of.payload, file)], { type: 'application/json' }))}>
              <Icon name="download" />
              {file}
            </button>
            {beside ? (
              <button type="button" class="button" onClick={() => save(beside.name, beside.text, 'application/json')}>
                <Icon name="download" />
                {beside.name}
              </button>
            ) : null}
          </p>
          {beside ? <p class="quiet">{beside.help}</p> : null}
        </li>
        <li>
          <p class="strong">{t('handin.step_2')}</p>
          <Command text={command} />
          <p class="quiet">{t('handin.step_2_help')}</p>
        </li>
      </ol>
    </>
  );
}

interface Given {
  readonly name: string;
  readonly read: Read | null;
}

/** Signed files come in: each is looked at here, and what is plainly the wrong one is not sent. */
export function HandIn({ kind, several = false, says, wrong, onSend }: {
  /** Kind of object that must have been signed. */
  kind: string;
  several?: boolean;
  says?: (read: Read) => string;
  wrong?: (read: Read) => string | null;
  /** Sends the envelopes; gives the sentence about what became of them. */
  onSend: (envelopes: readonly Envelope[]) => Promise<string>;
}): JSX.Element {
  const t = useWords();
  const [files, setFiles] = useState<readonly Given[]>([]);
  const [taken, setTaken] = useState('');
  const doing = useDoing();
  const take = (chosen: FileList | null | undefined) => {
    if (!chosen?.length) return;
    setTaken('');
    doing.clear();
    const all = [...chosen].slice(0, several ? 20 : 1);
    void Promise.all(all.map((file) => file.text().then((text) => ({ name: file.name, read: readEnvelope(text) })))).then((read) => {
      const names = new Set(read.map((each) => each.name));
      setFiles(several ? [...files.filter((each) => !names.has(each.name)), ...read] : read);
    });
  };
  const amiss = (each: Given): string | null => (!each.read ? t('sign.no_envelope') : kindOf(each.read.envelope) !== kind ? t('handin.other_kind') : (wrong?.(each.read) ?? null));
  const good = files.filter((each) => amiss(each) === null);
  return (
    <div
      class="hand-in"
      aria-busy={doing.busy}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        take(event.dataTransfer?.files);
      }}
    >
      <p class="row">
        <label class="button">
          <Icon name="dossier" />
          {t(several ? 'handin.choose' : 'sign.choose')}
          <input type="file" class="unseen" multiple={several} aria-label={t(several ? 'handin.choose' : 'sign.choose')} onChange={(event) => take(event.currentTarget.files)} />
        </label>
        <span class="quiet">{t('sign.drop')}</span>
      </p>
      {files.length ? (
        <ul class="files" aria-label={t('handin.files')}>
          {files.map((each) => {
            const bad = amiss(each);
            return (
              <li class={bad ? 'bad' : undefined}>
                <Icon name={bad ? 'warn' : 'check'} />
                <span>
                  <span class="strong">{each.name}</span> {bad ?? (each.read ? says?.(each.read) : null)}
                </span>
                <button type="button" class="icon-button small" aria-label={t('handin.drop_file', { name: each.name })} onClick={() => setFiles(files.filter((other) => other !== each))}>
                  <Icon name="close" />
                </button>
              </li>
            );
          })}
        </ul>
      ) : null}
      {files.length ? (
        <button
          type="button"
          class="button primary"
          disabled={doing.busy || !good.length || good.length < files.length}
          onClick={() =>
            doing.run(async () => {
              setTaken(await onSend(good.map((each) => each.read!.envelope)));
              setFiles([]);
            })
          }
        >
          {doing.busy ? t('common.loading') : t('sign.hand_in')}
        </button>
      ) : null}
      {doing.problem ? <ProblemNote problem={doing.problem} /> : null}
      {taken ? (
        <p class="note" role="status">
          {taken}
        </p>
      ) : null}
    </div>
  );
}
