/** Every page, its address and its place in the menu. A new page is one line here and one module beside. */
import type { FunctionComponent } from 'preact';
import { lazy } from '../components/lazy';
import type { IconName } from '../components/basic';
import type { Key } from '../i18n';

export interface PageProps {
  /** Parts of the address, by the names in `path`. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Route {
  readonly path: string;
  readonly title: Key;
  readonly page: FunctionComponent<PageProps>;
  /** Drawn up to the edges and without scrolling, as a map is. */
  readonly full?: boolean;
  /** Needs no login. */
  readonly open?: boolean;
}

export interface MenuItem {
  readonly href: string;
  readonly title: Key;
  readonly icon: IconName;
  /** Permission without which the page would show nothing; then it is not in the menu. */
  readonly needs?: string;
  /** Letter after `g` that leads there. */
  readonly key: string;
}

const record = lazy(() => import('./record'));

export const ROUTES: readonly Route[] = [
  { path: '/map', title: 'nav.map', page: lazy(() => import('./map')), full: true },
  { path: '/terminals', title: 'nav.terminals', page: lazy(() => import('./terminals')) },
  { path: '/terminals/:id', title: 'terminal.id', page: lazy(() => import('./terminal')) },
  { path: '/rulebook', title: 'nav.rulebook', page: record },
  { path: '/proposals', title: 'nav.proposals', page: record },
  { path: '/requests', title: 'nav.requests', page: record },
  { path: '/contacts', title: 'nav.contacts', page: record },
  { path: '/appeals', title: 'nav.appeals', page: record },
  { path: '/reports', title: 'nav.reports', page: record },
  { path: '/dossiers', title: 'nav.dossiers', page: record },
  { path: '/log', title: 'nav.ledger', page: record },
  { path: '/lists', title: 'nav.lists', page: record },
  { path: '/public', title: 'nav.public', page: record, open: true },
  { path: '/status', title: 'nav.status', page: record },
  { path: '/verify', title: 'nav.verify', page: lazy(() => import('./verify')), open: true },
  { path: '/login', title: 'login.title', page: lazy(() => import('./login')), open: true },
];

export const MENU: readonly { readonly title: Key; readonly items: readonly MenuItem[] }[] = [
  {
    title: 'nav.group_watch',
    items: [
      { href: '/map', title: 'nav.map', icon: 'map', needs: 'map:read', key: 'm' },
      { href: '/terminals', title: 'nav.terminals', icon: 'terminal', needs: 'terminals:read', key: 't' },
    ],
  },
  {
    title: 'nav.group_decide',
    items: [
      { href: '/rulebook', title: 'nav.rulebook', icon: 'rulebook', needs: 'rulebooks:read', key: 'r' },
      { href: '/proposals', title: 'nav.proposals', icon: 'proposal', needs: 'proposals:read', key: 'p' },
      { href: '/lists', title: 'nav.lists', icon: 'list', needs: 'lists:read', key: 'i' },
      { href: '/requests', title: 'nav.requests', icon: 'request', needs: 'requests:read', key: 'q' },
      { href: '/contacts', title: 'nav.contacts', icon: 'contact', needs: 'contacts:read', key: 'c' },
      { href: '/appeals', title: 'nav.appeals', icon: 'appeal', needs: 'appeals:read', key: 'a' },
    ],
  },
  {
    title: 'nav.group_account',
    items: [
      { href: '/log', title: 'nav.ledger', icon: 'ledger', needs: 'ledger:read', key: 'l' },
      { href: '/verify', title: 'nav.verify', icon: 'verify', key: 'v' },
      { href: '/reports', title: 'nav.reports', icon: 'report', needs: 'reports:read', key: 'o' },
      { href: '/dossiers', title: 'nav.dossiers', icon: 'dossier', needs: 'dossiers:read', key: 'd' },
      { href: '/public', title: 'nav.public', icon: 'public', key: 'u' },
      { href: '/status', title: 'nav.status', icon: 'status', needs: 'status:read', key: 's' },
    ],
  },
];
