/** Shapes of the service's answers, as far as the console reads them. Times are RFC 3339 in UTC. */

export interface Session {
  principal: { id: string; name: string; roles: string[]; permissions: string[]; tenant: string };
  home: { id: string; demo: boolean; languages: string[] };
  server: { version: string; started_at: string; now: string };
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export type Outcome = 'serve' | 'restrict' | 'review' | 'deny';

export interface MapAnswer {
  version: number | string;
  at: string | null;
  total: number;
  in_view: number;
  mode: 'points' | 'cells';
  points?: { id: string[]; lon: number[]; lat: number[]; outcome: Outcome[]; state: string[]; kind?: (string | null)[] };
  cells?: {
    lon: number[]; lat: number[]; count: number[];
    serve: number[]; restrict: number[]; review: number[]; deny: number[]; never_served: number[];
    pending_registration?: number[]; degraded?: number[];
    west?: number[]; south?: number[]; east?: number[]; north?: number[];
  };
}

export interface AreaHit {
  id: string;
  name?: string;
  membership: string;
  probability: number;
}

export interface TerminalRow {
  id: string;
  outcome: Outcome;
  state: string;
  rule: string | null;
  reason: string;
  observed_at: string;
  lat: number | null;
  lon: number | null;
  areas: (string | AreaHit)[];
  /** Null for owners and regulators. */
  speed_m_s?: number | null;
  kind?: Registered | null;
}

/** As what a terminal is registered. */
export interface Registered {
  readonly plan: string | null;
  readonly purpose: string | null;
  readonly programmes: readonly string[];
  readonly protected_class: string | null;
}

interface CountedChoice {
  readonly value: string;
  readonly terminals: number;
}

/** By what terminals can be chosen. */
export interface TerminalChoices {
  readonly reasons: readonly CountedChoice[];
  readonly rules: readonly CountedChoice[];
  readonly plans: readonly CountedChoice[];
  readonly purposes: readonly CountedChoice[];
  readonly programmes: readonly CountedChoice[];
  readonly protected: readonly CountedChoice[];
}

export interface TerminalAnswer extends TerminalRow {
  register?: Record<string, unknown> | null;
}

export interface DecisionRow {
  observed_at: string;
  decided_at: string;
  outcome: Outcome;
  state: string;
  rule: string | null;
  reason?: string;
  reasons?: (string | { code: string; rule?: string; class?: string })[];
  obligations?: string[];
  lat?: number | null;
  lon?: number | null;
  areas?: (string | AreaHit)[];
  rulebook?: string;
}

export interface AppliedRule {
  rule: string;
  title: string;
  tier?: string;
  reason?: string;
  outcome: Outcome;
  decisive?: boolean;
  class?: string;
  findings: string[];
}

export interface NearMiss {
  rule: string;
  title: string;
  outcome: Outcome;
  sentence?: string;
  did_not_hold?: string[];
  note?: string;
}

export interface Explanation {
  at: string;
  observed_at?: string;
  audience?: 'operator' | 'owner';
  outcome: Outcome;
  state: string;
  reason: string;
  sentence?: string;
  reason_sentence?: string;
  message?: string | null;
  /** Of the message. */
  language?: string | null;
  /** How it moved, and how high it said to be; for the operator. */
  speed_m_s?: number | null;
  alt_m?: number | null;
  /** Acknowledged, and in no run yet. */
  not_in_history_yet?: boolean;
  rule?: string | null;
  title?: string | null;
  basis?: string | null;
  requested_by?: string | null;
  source?: string | null;
  appeal?: string | null;
  place?: string | null;
  retry?: string | null;
  obligations: string[];
  applied?: AppliedRule[];
  nearest?: NearMiss[];
  relief?: string[];
  would_have_to_differ?: string[];
  also?: string[];
  would_still_deny?: string[];
  areas?: AreaHit[];
  position?: { lat_deg: number; lon_deg: number } | null;
  /** What radio and satellite navigation say, in words. */
  heard?: string[];
  /** Id of the verification that was attached to the observation. */
  verification?: string;
}

export interface TrackAnswer {
  items?: TrackPoint[];
  observed_at?: string[];
  lat?: (number | null)[];
  lon?: (number | null)[];
  outcome?: Outcome[];
  state?: string[];
}

export interface TrackPoint {
  observed_at: string;
  lat: number | null;
  lon: number | null;
  outcome?: Outcome;
  state?: string;
}

export interface AreaFeature {
  type: 'Feature';
  id?: string;
  geometry: GeoJSON.Geometry;
  properties: Record<string, unknown>;
}

export interface Job {
  id: string;
  kind: string;
  state: 'queued' | 'running' | 'done' | 'failed';
  progress: { step: string; done: number; total: number } | null;
  result: unknown;
  problem: { title: string; detail?: string; status?: number; help?: string } | null;
}

export interface LedgerAnswer {
  origin: string;
  size: number;
  root: string;
  checkpoint: string;
  checkpoint_at: string | null;
  witnesses: { name: string; cosigned_at: string | null; ok: boolean }[];
  quorum: boolean;
  policy: string;
}
