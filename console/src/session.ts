/** Who is logged in. */
import { call, Problem, send, whenLoggedOut } from './api/client';
import type { Session } from './api/types';
import { createStore, useStore } from './store';

export type SessionState =
  | { readonly kind: 'asking' }
  | { readonly kind: 'in'; readonly session: Session }
  | { readonly kind: 'out'; readonly ended: boolean }
  | { readonly kind: 'failed'; readonly problem: Problem };

export const sessionStore = createStore<SessionState>({ kind: 'asking' });

whenLoggedOut(() => {
  if (sessionStore.get().kind === 'in') sessionStore.set({ kind: 'out', ended: true });
});

export async function askSession(): Promise<void> {
  try {
    const response = await call('/v1/session', { quiet: true });
    sessionStore.set({ kind: 'in', session: (await response.json()) as Session });
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) sessionStore.set({ kind: 'out', ended: false });
    else sessionStore.set({ kind: 'failed', problem: error instanceof Problem ? error : new Problem({ title: String(error), status: 0 }) });
  }
}

/** Use up a one-time login link. The token never reaches a log: it stands behind the `#` of the address. */
export async function login(token: string): Promise<void> {
  await send('/v1/sessions', { token }, { quiet: true });
  await askSession();
}

export async function logout(): Promise<void> {
  try {
    await call('/v1/sessions/current', { method: 'DELETE', quiet: true });
  } finally {
    sessionStore.set({ kind: 'out', ended: false });
  }
}

export const useSession = (): SessionState => useStore(sessionStore);

/** Whether whoever is logged in holds a permission such as `map:read`. */
export function useMay(permission: string): boolean {
  const state = useSession();
  return state.kind === 'in' && state.session.principal.permissions.includes(permission);
}
