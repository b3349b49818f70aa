/** The frame of every page: menu, search, preferences, and the page itself. */
import { Component, type ComponentChildren, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Choice, Dialog, Empty, Icon, Loading, ProblemNote, Tag } from './components/basic';
import { loadLanguage, useWords } from './i18n';
import { isTyping, pageKeys } from './keys';
import { NotAllowed } from './components/parts';
import { MENU, ROUTES, suffices, type Needs, type Route } from './pages';
import { match, navigate, usePlace } from './router';
import { askSession, logout, useSession } from './session';
import { change, LANGUAGES, settings, useSettings, type Language } from './settings';
import { useStore } from './store';

const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch', uk: 'Українська' };

/** A page that fails leaves the menu standing. */
class Guard extends Component<{ title: string; help: string; children: ComponentChildren }, { failed: boolean }> {
  override state = { failed: false };
  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ failed: true });
  }
  override render(): ComponentChildren {
    if (!this.state.failed) return this.props.children;
    return (
      <div class="page">
        <Empty title={this.props.title}>
          <p>{this.props.help}</p>
        </Empty>
      </div>
    );
  }
}

/** Shortcuts of the whole console; single letters act only outside of fields. */
function useShortcuts(showHelp: () => void): void {
  useEffect(() => {
    let going = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      if (going && Date.now() - going < 1_500) {
        going = 0;
        const item = MENU.flatMap((group) => group.items).find((each) => each.key === event.key.toLowerCase());
        if (item) {
          event.preventDefault();
          navigate(item.href);
        }
        return;
      }
      if (event.key === 'g') going = Date.now();
      else if (event.key === '?') showHelp();
      else if (event.key === 'u') change({ clock: settings.get().clock === 'utc' ? 'local' : 'utc' });
      else if (event.key === '/') {
        event.preventDefault();
        document.getElementById('find')?.focus();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}

const SHOWN_AS: Readonly<Record<string, string>> = { ArrowDown: '↓', ArrowUp: '↑', Enter: '⏎' };

function Shortcuts({ onClose }: { onClose: () => void }): JSX.Element {
  const t = useWords();
  const ofPage = useStore(pageKeys);
  const row = (keys: string[], words: string) => (
    <div>
      <dt>
        {keys.map((key) => (
          <kbd>{key}</kbd>
        ))}
      </dt>
      <dd>{words}</dd>
    </div>
  );
  return (
    <Dialog title={t('keys.title')} onClose={onClose}>
      {ofPage.length ? (
        <>
          <h3>{t('keys.here')}</h3>
          <dl class="keys">{ofPage.map((each) => row(each.keys.map((key) => SHOWN_AS[key] ?? key), t(each.words)))}</dl>
          <h3>{t('keys.everywhere')}</h3>
        </>
      ) : null}
      <dl class="keys">
        {row(['?'], t('keys.help'))}
        {row(['/'], t('keys.search'))}
        {row(['u'], t('keys.clock'))}
        {row(['Esc'], t('keys.escape'))}
        {row(['←', '↑', '→', '↓'], t('keys.map_move'))}
        {row(['+', '−'], t('keys.map_zoom'))}
        {MENU.flatMap((group) => group.items).map((item) => row(['g', item.key], t(item.title)))}
      </dl>
    </Dialog>
  );
}

function Preferences(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  return (
    <>
      <label class="field">
        <span>{t('settings.language')}</span>
        <select value={prefer.language} onChange={(event) => change({ language: event.currentTarget.value as Language })}>
          {LANGUAGES.map((language) => (
            <option value={language} lang={language}>
              {LANGUAGE_NAMES[language]}
            </option>
          ))}
        </select>
      </label>
      <div class="clock">
        <Choice label={t('settings.clock')} value={prefer.clock} options={[['utc', t('settings.utc')], ['local', t('settings.local')]]} onChange={(clock) => change({ clock })} />
      </div>
      <Choice label={t('settings.units')} value={prefer.units} options={[['metric', t('settings.metric')], ['nautical', t('settings.nautical')]]} onChange={(units) => change({ units })} />
      <Choice label={t('settings.theme')} value={prefer.theme} options={[['system', t('settings.system')], ['light', t('settings.light')], ['dark', t('settings.dark')]]} onChange={(theme) => change({ theme })} />
    </>
  );
}

/** A button with a small panel below it that closes on Escape and on a click elsewhere. */
function Menu({ label, icon, children }: { label: string; icon: 'settings' | 'contact'; children: ComponentChildren }): JSX.Element {
  const [open, setOpen] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const away = (event: Event) => {
      if (!ref.current?.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      setOpen(false);
      ref.current?.querySelector('button')?.focus();
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('focusin', away);
      document.removeEventListener('keydown', escape);
    };
  }, [open]);
  return (
    <div class="menu" ref={ref}>
      <button type="button" class="icon-button" aria-expanded={open} aria-label={label} title={label} onClick={() => setOpen(!open)}>
        <Icon name={icon} />
      </button>
      {open ? <div class="menu-panel">{children}</div> : null}
    </div>
  );
}

function Find(): JSX.Element {
  const t = useWords();
  return (
    <form
      class="find"
      role="search"
      aria-label={t('app.search')}
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('find') as HTMLInputElement;
        const value = field.value.trim();
        if (value) navigate(`/terminals?q=${encodeURIComponent(value)}`);
        field.blur();
      }}
    >
      <Icon name="search" />
      <input id="find" name="find" type="search" autocomplete="off" spellcheck={false} maxLength={200} aria-label={t('app.search')} placeholder={t('app.search')} />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

function Header({ onMenu, onHelp }: { onMenu: () => void; onHelp: () => void }): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const state = useSession();
  const session = state.kind === 'in' ? state.session : null;
  return (
    <header class="bar">
      <button type="button" class="icon-button only-narrow" aria-label={t('app.menu')} onClick={onMenu}>
        <Icon name="menu" />
      </button>
      <a class="brand" href="/" aria-label={t('app.name')}>
        <img src="/mark.svg" alt="" width="26" height="26" />
        <span>{t('app.name')}</span>
      </a>
      {session?.home.demo ? (
        <span title={t('app.demo_help')}>
          <Tag tone="info">{t('app.demo')}</Tag>
        </span>
      ) : null}
      {session?.principal.permissions.includes('terminals:read') ? <Find /> : <span class="grow" />}
      <Choice label={t('settings.clock')} hideLabel value={prefer.clock} options={[['utc', t('settings.utc')], ['local', t('settings.local')]]} onChange={(clock) => change({ clock })} />
      <Menu label={t('app.settings')} icon="settings">
        <Preferences />
      </Menu>
      <button type="button" class="icon-button only-wide" aria-label={t('keys.show')} title={`${t('keys.show')} (?)`} onClick={onHelp}>
        <Icon name="help" />
      </button>
      {session ? (
        <Menu label={t('app.account')} icon="contact">
          <p class="strong">{session.principal.name}</p>
          <p class="quiet">
            {t('app.roles')}: {session.principal.roles.join(', ')}
          </p>
          <p class="quiet">{t('app.version', { version: session.server.version })}</p>
          <button type="button" class="button" onClick={() => void logout()}>
            {t('app.logout')}
          </button>
        </Menu>
      ) : null}
    </header>
  );
}

function Navigation({ path, open, onClose }: { path: string; open: boolean; onClose: () => void }): JSX.Element {
  const t = useWords();
  const state = useSession();
  const may = (needs?: Needs) => suffices(needs, state.kind === 'in' ? state.session.principal.permissions : []);
  return (
    <nav class={`nav${open ? ' open' : ''}`} aria-label={t('app.navigation')}>
      <button type="button" class="icon-button only-narrow nav-close" aria-label={t('app.close_menu')} onClick={onClose}>
        <Icon name="close" />
      </button>
      {MENU.map((group) => {
        const items = group.items.filter((item) => may(item.needs));
        return items.length ? (
          <div class="nav-group">
            <h2>{t(group.title)}</h2>
            <ul>
              {items.map((item) => (
                <li>
                  <a href={item.href} aria-current={path === item.href || (item.href !== '/' && path.startsWith(`${item.href}/`)) || item.also?.includes(path) ? 'page' : undefined} onClick={onClose}>
                    <Icon name={item.icon} />
                    <span>{t(item.title)}</span>
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ) : null;
      })}
    </nav>
  );
}

function LoggedOut({ ended }: { ended: boolean }): JSX.Element {
  const t = useWords();
  return (
    <div class="page narrow">
      <Empty title={t(ended ? 'login.ended' : 'login.none')}>
        <p>{t('login.how')}</p>
        <pre class="command">groundrule access login</pre>
        <p class="row">
          <a class="button" href="/login">
            {t('login.title')}
          </a>
          <a class="button" href="/public">
            {t('login.public')}
          </a>
          <a class="button" href="/verify">
            {t('nav.verify')}
          </a>
        </p>
      </Empty>
    </div>
  );
}

export function App(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const place = usePlace();
  const state = useSession();
  const [menu, setMenu] = useState(false);
  const [help, setHelp] = useState(false);
  useShortcuts(() => setHelp(true));

  useEffect(() => void loadLanguage(prefer.language), [prefer.language]);

  let route: Route | undefined;
  let params: Record<string, string> = {};
  for (const each of ROUTES) {
    const found = match(each.path, place.path);
    if (found) {
      route = each;
      params = found;
      break;
    }
  }
  const title = route ? t(route.title) : t('missing.title');
  const shown = params['id'] ?? title;
  useEffect(() => {
    document.title = `${shown} · ${t('app.name')}`;
  }, [shown, t('app.name')]);

  let content: ComponentChildren;
  if (!route) {
    content = (
      <div class="page narrow">
        <Empty title={t('missing.title')}>
          <p>{t('missing.help')}</p>
          <a class="button" href="/">
            {t('nav.home')}
          </a>
        </Empty>
      </div>
    );
  } else if (state.kind === 'asking' && !route.open) content = <Loading />;
  else if (state.kind === 'failed' && !route.open) {
    content = (
      <div class="page narrow">
        <ProblemNote problem={state.problem} retry={() => void askSession()} />
      </div>
    );
  } else if (state.kind === 'out' && !route.open) content = <LoggedOut ended={state.ended} />;
  else if (state.kind === 'in' && !suffices(route.needs, state.session.principal.permissions)) content = <NotAllowed needs={[route.needs ?? []].flat()[0] ?? ''} />;
  else {
    const Page = route.page;
    content = (
      <Guard key={place.path} title={t('problem.page')} help={t('problem.page_help')}>
        <Page key={route.path + JSON.stringify(params)} params={params} />
      </Guard>
    );
  }

  return (
    <>
      <a class="skip" href="#main">
        {t('app.skip')}
      </a>
      <Header onMenu={() => setMenu(true)} onHelp={() => setHelp(true)} />
      <div class="frame">
        <Navigation path={place.path} open={menu} onClose={() => setMenu(false)} />
        <main id="main" tabIndex={-1} class={route?.full ? 'full' : undefined}>
          {content}
        </main>
      </div>
      {help ? <Shortcuts onClose={() => setHelp(false)} /> : null}
    </>
  );
}
