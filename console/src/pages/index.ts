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
  /** Permission without which the page would show nothing; of several, one is enough. */
  readonly needs?: Needs;
}

export type Needs = string | readonly string[];

/** Whether permissions suffice for a page. */
export function suffices(needs: Needs | undefined, permissions: readonly string[]): boolean {
  return needs === undefined || [needs].flat().some((each) => permissions.includes(each));
}

export interface MenuItem {
  readonly href: string;
  readonly title: Key;
  readonly icon: IconName;
  /** Permission without which the page would show nothing; then it is not in the menu. Of several, one is enough. */
  readonly needs?: Needs;
  /** Other pages that belong to it. */
  readonly also?: readonly string[];
  /** Letter after `g` that leads there. */
  readonly key: string;
}

export const ROUTES: readonly Route[] = [
  { path: '/', title: 'nav.home', page: lazy(() => import('./home')), open: true },
  { path: '/map', title: 'nav.map', page: lazy(() => import('./map')), full: true, needs: 'map:read' },
  { path: '/terminals', title: 'nav.terminals', page: lazy(() => import('./terminals')), needs: 'terminals:read' },
  { path: '/terminals/:id', title: 'terminal.id', page: lazy(() => import('./terminal')), needs: 'terminals:read' },
  { path: '/satellites', title: 'nav.satellites', page: lazy(() => import('./satellites')), full: true, needs: 'satellites:read' },
  { path: '/verifications', title: 'nav.verifications', page: lazy(() => import('./verifications')), needs: 'verifications:read' },
  { path: '/verifications/:id', title: 'nav.verifications', page: lazy(() => import('./verification')), needs: 'verifications:read' },
  { path: '/interference', title: 'nav.interference', page: lazy(() => import('./interference')), full: true, needs: 'interference:read' },
  { path: '/cases', title: 'nav.cases', page: lazy(() => import('./cases')), needs: 'cases:read' },
  { path: '/cases/:id', title: 'nav.cases', page: lazy(() => import('./case')), needs: 'cases:read' },
  { path: '/signals', title: 'nav.signals', page: lazy(() => import('./signals')), needs: 'cases:read' },
  { path: '/behaviours', title: 'nav.behaviours', page: lazy(() => import('./behaviours')), needs: 'cases:read' },
  { path: '/rulebook', title: 'nav.rulebook', page: lazy(() => import('./rulebook')), needs: 'rulebooks:read' },
  { path: '/proposals', title: 'nav.proposals', page: lazy(() => import('./proposals')), needs: 'proposals:read' },
  { path: '/proposals/:id', title: 'nav.proposals', page: lazy(() => import('./proposal')), needs: 'proposals:read' },
  { path: '/requests', title: 'nav.requests', page: lazy(() => import('./requests')), needs: 'requests:read' },
  { path: '/requests/:id', title: 'nav.requests', page: lazy(() => import('./request')), needs: 'requests:read' },
  { path: '/contacts', title: 'nav.contacts', page: lazy(() => import('./contacts')), needs: 'contacts:read' },
  { path: '/contacts/:id', title: 'nav.contacts', page: lazy(() => import('./contact')), needs: 'contacts:read' },
  { path: '/appeals', title: 'nav.appeals', page: lazy(() => import('./appeals')), needs: ['appeals:read', 'appeals:own'] },
  { path: '/appeals/:id', title: 'nav.appeals', page: lazy(() => import('./appeal')), needs: ['appeals:read', 'appeals:own'] },
  { path: '/emergencies', title: 'nav.emergencies', page: lazy(() => import('./emergencies')), needs: 'emergencies:read' },
  { path: '/charter', title: 'nav.charter', page: lazy(() => import('./charter')), needs: 'charter:read' },
  { path: '/reviews', title: 'nav.reviews', page: lazy(() => import('./reviews')), needs: 'reviews:read' },
  { path: '/refusals', title: 'nav.refusals', page: lazy(() => import('./refusals')), needs: 'charter:read' },
  { path: '/oversight', title: 'nav.oversight', page: lazy(() => import('./oversight')), needs: 'oversight:run' },
  { path: '/screening', title: 'nav.screening', page: lazy(() => import('./screening')), needs: 'screenings:run' },
  { path: '/lists', title: 'nav.lists', page: lazy(() => import('./lists')), needs: 'lists:read' },
  { path: '/lists/:id', title: 'nav.lists', page: lazy(() => import('./list')), needs: 'lists:read' },
  { path: '/reports', title: 'nav.reports', page: lazy(() => import('./reports')), needs: 'reports:read' },
  { path: '/reports/:id', title: 'nav.reports', page: lazy(() => import('./report')), needs: 'reports:read' },
  { path: '/propositions/:id', title: 'nav.reports', page: lazy(() => import('./proposition')), needs: 'reports:read' },
  { path: '/dossiers', title: 'nav.dossiers', page: lazy(() => import('./dossiers')), needs: ['dossiers:run', 'dossiers:read'] },
  { path: '/log', title: 'nav.ledger', page: lazy(() => import('./log')), needs: 'ledger:read' },
  { path: '/log/:id', title: 'nav.ledger', page: lazy(() => import('./entry')), needs: 'ledger:read' },
  { path: '/public', title: 'nav.public', page: lazy(() => import('./public')), open: true },
  { path: '/status', title: 'nav.status', page: lazy(() => import('./status')), needs: 'status:read' },
  { path: '/verify', title: 'nav.verify', page: lazy(() => import('./verify')), open: true },
  { path: '/login', title: 'login.title', page: lazy(() => import('./login')), open: true },
];

export const MENU: readonly { readonly title: Key; readonly items: readonly MenuItem[] }[] = [
  {
    title: 'nav.group_watch',
    items: [
      { href: '/', title: 'nav.home', icon: 'home', key: 'h' },
      { href: '/map', title: 'nav.map', icon: 'map', needs: 'map:read', key: 'm' },
      { href: '/terminals', title: 'nav.terminals', icon: 'terminal', needs: 'terminals:read', key: 't' },
      { href: '/satellites', title: 'nav.satellites', icon: 'satellite', needs: 'satellites:read', key: 'b' },
      { href: '/verifications', title: 'nav.verifications', icon: 'place', needs: 'verifications:read', key: 'j' },
      { href: '/interference', title: 'nav.interference', icon: 'waves', needs: 'interference:read', key: 'x' },
      { href: '/cases', title: 'nav.cases', icon: 'case', needs: 'cases:read', key: 'z', also: ['/signals', '/behaviours'] },
    ],
  },
  {
    title: 'nav.group_decide',
    items: [
      { href: '/rulebook', title: 'nav.rulebook', icon: 'rulebook', needs: 'rulebooks:read', key: 'r' },
      { href: '/proposals', title: 'nav.proposals', icon: 'proposal', needs: 'proposals:read', key: 'p' },
      { href: '/lists', title: 'nav.lists', icon: 'list', needs: 'lists:read', key: 'i' },
      { href: '/emergencies', title: 'nav.emergencies', icon: 'warn', needs: 'emergencies:read', key: 'e' },
      { href: '/charter', title: 'nav.charter', icon: 'charter', needs: 'charter:read', key: 'k' },
    ],
  },
  {
    title: 'nav.group_outside',
    items: [
      { href: '/requests', title: 'nav.requests', icon: 'request', needs: 'requests:read', key: 'q' },
      { href: '/contacts', title: 'nav.contacts', icon: 'contact', needs: 'contacts:read', key: 'c' },
      { href: '/appeals', title: 'nav.appeals', icon: 'appeal', needs: ['appeals:read', 'appeals:own'], key: 'a' },
      { href: '/screening', title: 'nav.screening', icon: 'search', needs: 'screenings:run', key: 'n' },
      { href: '/reports', title: 'nav.reports', icon: 'report', needs: 'reports:read', key: 'o' },
    ],
  },
  {
    title: 'nav.group_account',
    items: [
      { href: '/log', title: 'nav.ledger', icon: 'ledger', needs: 'ledger:read', key: 'l' },
      { href: '/verify', title: 'nav.verify', icon: 'verify', key: 'v' },
      { href: '/reviews', title: 'nav.reviews', icon: 'clock', needs: 'reviews:read', key: 'w' },
      { href: '/refusals', title: 'nav.refusals', icon: 'refusal', needs: 'charter:read', key: 'f' },
      { href: '/dossiers', title: 'nav.dossiers', icon: 'dossier', needs: ['dossiers:run', 'dossiers:read'], key: 'd' },
      { href: '/oversight', title: 'nav.oversight', icon: 'table', needs: 'oversight:run', key: 'y' },
      { href: '/public', title: 'nav.public', icon: 'public', key: 'u' },
      { href: '/status', title: 'nav.status', icon: 'status', needs: 'status:read', key: 's' },
    ],
  },
];
