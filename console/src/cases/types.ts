/** Shapes of the service's answers about signals, cases and behaviours. */
import type { Query } from '../api/client';

export const STATES = ['open', 'assigned', 'confirmed', 'dismissed', 'reopened'] as const;
export type CaseState = (typeof STATES)[number];
export type What = 'assign' | 'release' | 'confirm' | 'dismiss' | 'reopen' | 'note';
export type Basis = 'calibrated' | 'rule_of_thumb';

export interface Found {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface Seen {
  readonly at: string;
  /** Whose, where it is not the signal's own. */
  readonly terminal: string | null;
  readonly lat: number | null;
  readonly lon: number | null;
}

export interface SignalRow {
  readonly id: string;
  readonly kind: string;
  readonly cause: string;
  readonly terminal: string;
  readonly group: string | null;
  readonly raised_at: string;
  readonly from_at: string;
  readonly until_at: string;
  readonly strength: number;
  readonly basis: Basis;
  readonly lat: number | null;
  readonly lon: number | null;
  readonly found: readonly Found[];
  readonly observations: readonly Seen[];
}

export interface CaseRow {
  readonly id: string;
  readonly state: CaseState;
  readonly since: string;
  readonly assignee: string | null;
  readonly reason: string | null;
  readonly weight: number;
  readonly kinds: readonly string[];
  /** The first hundred. */
  readonly terminals: readonly string[];
  readonly terminal_count: number;
  readonly signal_count: number;
  readonly groups: readonly string[];
  readonly from_at: string;
  readonly until_at: string;
  readonly lat: number | null;
  readonly lon: number | null;
}

export interface ActRow {
  readonly id: string;
  readonly at: string;
  readonly by: string;
  readonly what: What;
  readonly to: string | null;
  readonly reason: string | null;
  readonly covers: number;
}

export interface CaseShown extends CaseRow {
  readonly signals: readonly SignalRow[];
  readonly acts: readonly ActRow[];
  readonly can: readonly What[];
}

export interface Measured {
  readonly false_alarms: number;
  readonly terminal_days: number;
  readonly per_day: number;
  readonly upper95: number;
  readonly on: string;
  readonly recall: number | null;
  readonly posterior: number | null;
}

export interface Behaviour {
  readonly kind: string;
  readonly cause: string;
  readonly lasting_s: number;
  readonly basis: Basis;
  readonly measured: Measured | null;
  readonly confirmed: number;
  readonly false_alarms: number;
  readonly undecided: number;
}

export interface Behaviours {
  readonly base_rate: number;
  readonly items: readonly Behaviour[];
  readonly dismissals: Readonly<Record<string, string>>;
}

/** All kinds of signals, in the service's order; a test compares. */
export const KINDS = [
  'drone_flight', 'over_speed', 'moving_without_plan', 'impossible_travel', 'cloned_identity', 'border_crossing', 'control_line_crossing', 'used_elsewhere',
  'dormant_at_front', 'roaming_beyond_limits', 'straw_registration', 'account_risk', 'compound', 'convoy', 'gnss_inhibited', 'spoofed_position',
  'served_against_decision', 'refused_against_decision', 'displaced_fix',
] as const;

/** Dismissals that say that the detector was wrong; the others say nothing about detectors. A test compares with the service. */
export const FALSE_ALARMS: readonly string[] = ['innocent', 'permitted', 'disturbed_area', 'bad_data'];

/** Digits of a signal that name its case. */
const ID_DIGITS = 16;

/** Every signal names its case; null where a signal makes none, because it says nothing about anybody. */
export function caseOf(signal: Pick<SignalRow, 'id' | 'cause'>): string | null {
  return signal.cause === 'data' ? null : `/cases/case-${signal.id.slice(0, ID_DIGITS)}`;
}

/** What the address of the list asks of the service. Without a state it asks for cases that wait. */
export function askedOf(query: URLSearchParams): Query {
  const state = query.get('state');
  const kind = query.get('kind');
  return {
    state: state === 'all' ? STATES : STATES.filter((each) => each === state),
    kind: kind && (KINDS as readonly string[]).includes(kind) ? kind : null,
    terminal: query.get('terminal'),
    assignee: query.get('assignee'),
    hidden: query.get('hidden') === '1' || null,
  };
}
