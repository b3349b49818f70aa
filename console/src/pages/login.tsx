/** Log in by a one-time link: /login#token=… */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Problem } from '../api/client';
import { Loading, PageHead, ProblemNote } from '../components/basic';
import { useWords } from '../i18n';
import { navigate, usePlace } from '../router';
import { login, useSession } from '../session';

/** The token in a link, in what stands behind its `#`, or by itself. */
export function tokenIn(text: string): string | null {
  const found = /(?:^|[#?&])token=([^&\s]+)/.exec(text);
  if (found?.[1]) {
    try {
      return decodeURIComponent(found[1]);
    } catch {
      return null;
    }
  }
  return /^[A-Za-z0-9_.~-]{8,200}$/.test(text) ? text : null;
}

export default function Login(): JSX.Element {
  const t = useWords();
  const place = usePlace();
  const state = useSession();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const use = (token: string) => {
    setBusy(true);
    setProblem(null);
    login(token).then(
      () => navigate('/', { replace: true }),
      (error: unknown) => {
        setBusy(false);
        setProblem(error instanceof Problem ? error : new Problem({ title: String(error), status: 0 }));
      },
    );
  };
  useEffect(() => {
    const token = tokenIn(place.hash);
    if (!token) return;
    // The token works once; it must not stay in the address or the history.
    window.history.replaceState(null, '', '/login');
    use(token);
  }, [place.hash]);
  if (busy) return <Loading what={t('login.wait')} />;
  return (
    <div class="page narrow">
      <PageHead title={t('login.title')} intro={t('login.used')} />
      {problem ? <ProblemNote problem={new Problem({ ...problem.body, title: t('login.failed'), status: problem.status === 401 ? 400 : problem.status })} /> : null}
      <form
        class="card form"
        onSubmit={(event) => {
          event.preventDefault();
          const field = event.currentTarget.elements.namedItem('token') as HTMLInputElement;
          const token = tokenIn(field.value.trim());
          if (token) use(token);
          else field.setCustomValidity(t('login.paste'));
        }}
      >
        <label class="field wide">
          <span>{t('login.paste')}</span>
          <input name="token" type="text" autocomplete="off" spellcheck={false} required onInput={(event) => event.currentTarget.setCustomValidity('')} />
        </label>
        <button type="submit" class="button primary">
          {t('login.go')}
        </button>
        <p class="quiet">{t('login.how')}</p>
        <pre class="command">groundrule access login</pre>
        {state.kind === 'in' ? (
          <a class="button" href="/map">
            {t('nav.map')}
          </a>
        ) : null}
      </form>
    </div>
  );
}
