/** Hooks that read from the service: one answer, pages of a list, a job, events. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { getJson, getText, Problem, type Query } from './client';
import type { Job, Page } from './types';

export interface Resource<T> {
  readonly data: T | null;
  readonly problem: Problem | null;
  readonly loading: boolean;
  readonly reload: () => void;
}

function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem({ title: String(error), status: 0, code: 'console' });
}

function useFetched<T>(key: string | null, fetcher: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<{ key: string | null; data: T | null; problem: Problem | null; loading: boolean }>({
    key, data: null, problem: null, loading: key !== null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (key === null) {
      setState({ key, data: null, problem: null, loading: false });
      return undefined;
    }
    const abort = new AbortController();
    // What is shown stays while the same thing is read again; another thing begins empty.
    setState((old) => ({ key, data: old.key === key ? old.data : null, problem: null, loading: true }));
    fetcher(abort.signal).then(
      (data) => !abort.signal.aborted && setState({ key, data, problem: null, loading: false }),
      (error: unknown) => !abort.signal.aborted && setState({ key, data: null, problem: asProblem(error), loading: false }),
    );
    return () => abort.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.key === key;
  return { data: current ? state.data : null, problem: current ? state.problem : null, loading: current ? state.loading : key !== null, reload };
}

/** Read JSON; null as a path reads nothing yet. */
export function useJson<T>(path: string | null, query: Query = {}): Resource<T> {
  return useFetched(path === null ? null : `${path} ${JSON.stringify(query)}`, (signal) => getJson<T>(path!, query, signal));
}

export function useText(path: string | null, query: Query = {}): Resource<string> {
  return useFetched(path === null ? null : `${path} ${JSON.stringify(query)}`, (signal) => getText(path!, query, signal));
}

export interface Pages<T> extends Resource<T[]> {
  readonly more: (() => void) | null;
}

/** Read a list page by page; `more` reads the next one, and is null at the end. */
export function usePages<T>(path: string | null, query: Query = {}): Pages<T> {
  const first = useJson<Page<T>>(path, query);
  const [rest, setRest] = useState<{ of: Page<T> | null; items: T[]; next: string | null; problem: Problem | null; loading: boolean }>({
    of: null, items: [], next: null, problem: null, loading: false,
  });
  const current = rest.of === first.data ? rest : { of: first.data, items: [], next: first.data?.next ?? null, problem: null, loading: false };
  const next = first.data ? (current.items.length || current.next === null ? current.next : first.data.next) : null;
  const more = useCallback(() => {
    if (path === null || next === null || current.loading) return;
    setRest({ ...current, loading: true });
    getJson<Page<T>>(path, { ...query, cursor: next }).then(
      (page) => setRest({ of: first.data, items: [...current.items, ...page.items], next: page.next, problem: null, loading: false }),
      (error: unknown) => setRest({ ...current, loading: false, problem: asProblem(error) }),
    );
  }, [path, next, current]);
  return {
    data: first.data ? [...first.data.items, ...current.items] : null,
    problem: first.problem ?? current.problem,
    loading: first.loading || current.loading,
    reload: first.reload,
    more: next === null ? null : more,
  };
}

/** Follow a job until it is done or has failed. */
export function useJob(id: string | null): Resource<Job> {
  const job = useJson<Job>(id === null ? null : `/v1/jobs/${encodeURIComponent(id)}`);
  const state = job.data?.state;
  useEffect(() => {
    if (id === null || state === 'done' || state === 'failed' || job.problem) return undefined;
    const timer = window.setInterval(job.reload, 700);
    return () => window.clearInterval(timer);
  }, [id, state, job.problem === null]);
  return job;
}

export interface ServiceEvent {
  readonly type: string;
  readonly data: unknown;
}

/** Hear the service's events. `connected` is false while there is no stream; then callers ask again from time to time. */
export function useEvents(types: readonly string[], listener: (event: ServiceEvent) => void, enabled = true): boolean {
  const [connected, setConnected] = useState(false);
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    if (!enabled || typeof EventSource === 'undefined') return undefined;
    const source = new EventSource('/v1/events');
    const hear = (event: MessageEvent<string>) => {
      try {
        latest.current({ type: event.type, data: JSON.parse(event.data) as unknown });
      } catch {
        latest.current({ type: event.type, data: event.data });
      }
    };
    source.onopen = () => setConnected(true);
    source.onerror = () => setConnected(false);
    source.onmessage = hear;
    for (const type of types) source.addEventListener(type, hear);
    return () => source.close();
  }, [enabled, types.join(' ')]);
  return connected;
}

/** Call again and again, but not while the page is hidden. */
export function useInterval(callback: () => void, ms: number | null): void {
  const latest = useRef(callback);
  latest.current = callback;
  useEffect(() => {
    if (ms === null) return undefined;
    const timer = window.setInterval(() => {
      if (!document.hidden) latest.current();
    }, ms);
    return () => window.clearInterval(timer);
  }, [ms]);
}
