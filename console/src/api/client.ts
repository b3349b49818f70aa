/** Talks to the service. Errors arrive as problem details (RFC 9457) and stay what they are. */

export interface ProblemBody {
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly type?: string;
  readonly instance?: string;
  readonly code?: string;
  readonly help?: string;
  readonly field?: string;
  readonly value?: string;
  readonly line?: number;
  readonly column?: number;
  readonly row?: number;
  readonly refusal?: string;
  readonly errors?: readonly Record<string, unknown>[];
}

/** What went wrong, as the service said it; status 0: the service was not reached. */
export class Problem extends Error {
  readonly body: ProblemBody;

  constructor(body: ProblemBody) {
    super(body.detail || body.title);
    this.name = 'Problem';
    this.body = body;
  }

  get status(): number {
    return this.body.status;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | null | undefined | readonly string[]>>;

export function address(path: string, query: Query = {}): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (typeof value === 'object' && value !== null) for (const each of value) parts.append(name, each);
    else if (value !== null && value !== undefined && value !== '') parts.set(name, String(value));
  }
  const text = parts.toString();
  return text ? `${path}?${text}` : path;
}

type Watch = (problem: Problem) => void;
let onUnauthorised: Watch = () => undefined;

/** Called when the service says that nobody is logged in any more. */
export function whenLoggedOut(watch: Watch): void {
  onUnauthorised = watch;
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: ProblemBody = { title: response.statusText || `HTTP ${response.status}`, status: response.status };
  if ((response.headers.get('content-type') ?? '').includes('json')) {
    try {
      const body = (await response.json()) as Partial<ProblemBody> & { message?: string };
      return new Problem({ ...fallback, ...body, title: body.title ?? body.message ?? fallback.title, status: response.status });
    } catch {
      return new Problem(fallback);
    }
  }
  return new Problem(fallback);
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'PATCH';
  readonly query?: Query;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly accept?: string;
  /** The same key makes a repeated POST have the effect of one. */
  readonly key?: string;
  /** A 401 is an answer here, and not the end of the session. */
  readonly quiet?: boolean;
}

export async function call(path: string, options: Call = {}): Promise<Response> {
  const method = options.method ?? 'GET';
  const headers: Record<string, string> = { Accept: options.accept ?? 'application/json' };
  if (method !== 'GET') headers['X-Groundrule-Request'] = '1';
  if (options.key) headers['Idempotency-Key'] = options.key;
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(address(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-cache',
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem({ title: 'unreachable', status: 0, code: 'unreachable' });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401 && !options.quiet) onUnauthorised(problem);
    throw problem;
  }
  return response;
}

export async function getJson<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const response = await call(path, { query, ...(signal ? { signal } : {}) });
  return (await response.json()) as T;
}

export async function getText(path: string, query: Query = {}, signal?: AbortSignal): Promise<string> {
  const response = await call(path, { query, accept: 'text/plain', ...(signal ? { signal } : {}) });
  return response.text();
}

export async function send<T>(path: string, body?: unknown, options: Omit<Call, 'body'> = {}): Promise<T | null> {
  const response = await call(path, { method: 'POST', ...options, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  return text ? (JSON.parse(text) as T) : null;
}
