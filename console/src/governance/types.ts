/** Shapes of the service's answers about governance, as far as the console reads them. */
import type { Party } from '../components/parts';

export interface ProposalRow {
  readonly id: string;
  readonly log_index: number;
  readonly at: string | null;
  readonly class: string;
  readonly state: 'open' | 'ready' | 'enacted' | 'rejected' | 'expired';
  readonly standing: string;
  readonly author: Party;
  readonly rationale: string;
  readonly objects: readonly string[];
  readonly changed: number;
  readonly approvals: number;
  readonly needed: number;
  readonly expires_at: string | null;
}

export interface Impact {
  readonly digest: string;
  readonly changed: number;
  readonly counts: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
  readonly lines: readonly string[];
  readonly not_seen: readonly string[];
  readonly protected_changed: readonly string[];
  readonly countries: readonly string[];
  readonly conflict_areas: readonly string[];
  readonly sanctions_exceptions: readonly string[];
  readonly wartime_denials: number;
  readonly suppressed: number;
  readonly runs: readonly { readonly engine: string; readonly version: string; readonly result_digest: string }[];
  readonly policy_before: string;
  readonly policy_after: string;
}

export interface ListUsed {
  readonly source: string;
  readonly date: string;
  readonly sha256: string;
}

export interface PartyScreening {
  readonly party: Party;
  readonly result: 'clear' | 'listed' | 'open' | 'never';
  readonly id: string | null;
  readonly log_index: number | null;
  readonly performed_at: string | null;
  readonly valid_until: string | null;
  readonly candidates: number;
  readonly lists: readonly ListUsed[];
}

export interface Signed {
  readonly party: Party;
  readonly unit: string | null;
  readonly group: string | null;
  readonly verdict: string;
  readonly at: string | null;
  readonly role: string;
  readonly expires_at: string | null;
  readonly counts: boolean;
  readonly log_index: number;
  readonly digest: string;
}

export interface Proposal extends ProposalRow {
  readonly reversal_plan: string;
  readonly effective_from: string | null;
  readonly effective_until: string | null;
  readonly supersedes: string | null;
  readonly superseded_by: readonly string[];
  readonly base_policy_digest: string;
  readonly current: boolean;
  readonly changes: readonly { readonly op: string; readonly object: string; readonly lines: readonly string[]; readonly before_sha256: string | null; readonly after_sha256: string | null }[];
  readonly impact: Impact;
  readonly requests: readonly { readonly id: string; readonly requester: Party; readonly asks: readonly string[]; readonly outcome: string }[];
  readonly beneficiaries: readonly Party[];
  readonly screening: readonly PartyScreening[];
  readonly conflicts: readonly { readonly party: Party; readonly reason: string; readonly sentence: string }[];
  readonly needs: { readonly role: string; readonly persons: number; readonly groups: number; readonly notice_hours: number; readonly members: readonly Party[] };
  readonly signed: readonly Signed[];
  readonly missing: string;
  readonly blocks: readonly { readonly code: string; readonly sentence: string }[];
  readonly contacts_in_scope: readonly string[];
  readonly enactment: { readonly log_index: number; readonly at: string | null; readonly policy_before?: string; readonly policy_after?: string; readonly in_force?: boolean; readonly witnessed?: boolean } | null;
}

export interface Envelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly sig: string; readonly keyid?: string }[];
}

export interface OutcomeView {
  readonly outcome: string;
  readonly reason: string;
  readonly at: string | null;
  readonly conflicts: readonly string[];
  readonly priority: string | null;
}

export interface RequestRow {
  readonly id: string;
  readonly log_index: number;
  readonly asks: readonly { readonly op: string; readonly object: string; readonly from: string | null; readonly until: string | null; readonly detail: string }[];
  readonly requester: Party;
  readonly on_behalf_of: readonly Party[];
  readonly conveyed_by: Party | null;
  readonly received_by: Party;
  readonly channel: string;
  readonly occurred_at: string | null;
  readonly received_at: string | null;
  readonly recorded_at: string | null;
  readonly late_s: number;
  readonly basis: { readonly kind: string; readonly reference: string };
  readonly purpose: string;
  readonly outcome: string;
  readonly outcomes: readonly OutcomeView[];
  readonly due: string | null;
  readonly ended: boolean;
  readonly overdue: boolean;
  readonly appeal: boolean;
  readonly proposals: readonly string[];
  readonly conflicting: readonly string[];
  readonly text_sha256: string;
}

export interface Screening {
  readonly id: string;
  readonly log_index: number;
  readonly subject: Party;
  readonly performed_at: string | null;
  readonly valid_until: string | null;
  readonly lists: readonly ListUsed[];
  readonly candidates: readonly { readonly entry: string; readonly score: number; readonly disposition: string; readonly by: Party | null; readonly reason: string }[];
  readonly listed: boolean;
  readonly unresolved: boolean;
  readonly hits: readonly Hit[];
}

export interface RequestView extends RequestRow {
  readonly text: string | null;
  readonly screenings: readonly Screening[];
}

export interface ContactRow {
  readonly id: string;
  readonly log_index: number;
  readonly person: Party;
  readonly counterparty: Party;
  readonly counterparty_kind: string;
  readonly reported_by: Party;
  readonly capacity: string;
  readonly channel: string;
  readonly pattern: string;
  readonly topics: readonly string[];
  readonly occurred_from: string | null;
  readonly occurred_to: string | null;
  readonly reported_at: string | null;
  readonly basis: string;
  readonly status: string;
  readonly allegation: boolean;
  readonly late: boolean;
  readonly due: string | null;
  readonly took_s: number | null;
  readonly review: string | null;
  readonly verdict: string | null;
  readonly re_review: readonly { readonly log_index: number; readonly act: string; readonly of: string; readonly touches: boolean }[];
  readonly evidence: readonly { readonly sha256: string; readonly url: string | null; readonly lang: string | null; readonly machine_translated: boolean }[];
  readonly request: string | null;
}

export interface ContactsPage {
  readonly items: ContactRow[];
  readonly next: string | null;
  readonly nil_returns?: readonly { readonly person: Party; readonly from: string | null; readonly until: string | null }[];
  readonly nil_overdue?: readonly Party[] | null;
}

export interface AppealRow {
  readonly id: string;
  readonly log_index: number;
  readonly of: string;
  readonly terminal: string | null;
  readonly decided_at: string | null;
  readonly protected: boolean | null;
  readonly who: string | null;
  readonly opened_at: string | null;
  readonly due: string | null;
  readonly remaining_s: number;
  readonly overdue: boolean;
  readonly ended: boolean;
  readonly outcome: string;
  readonly outcomes: readonly OutcomeView[];
  readonly stages: readonly string[];
}

export interface AppealNotice extends AppealRow {
  readonly decision: readonly string[];
  readonly next: readonly string[];
  readonly opening: { readonly batch_index: number; readonly leaf_index: number; readonly leaf: string; readonly salt: string; readonly commitment: string };
}

export interface Hit {
  readonly source: string;
  readonly entry: string;
  readonly name: string;
  readonly kind: string;
  readonly asked: string;
  readonly score: number;
  readonly verdict: string;
  readonly programmes: readonly string[];
  readonly features: {
    readonly name_score: number;
    readonly words: readonly { readonly query: string; readonly listed: string; readonly link: string; readonly likeness: number }[];
    readonly only_query: readonly string[];
    readonly only_listed: readonly string[];
    readonly order: string | null;
    readonly birth: readonly [string, number];
    readonly country: readonly [string, number];
    readonly identifiers: readonly string[];
    readonly weak_name: boolean;
    readonly lines: readonly string[];
  };
}

export interface Comparison {
  readonly lists: readonly { readonly source: string; readonly date: string; readonly sha256: string; readonly entries: number; readonly complete: boolean }[];
  readonly algorithm: string;
  readonly version: string;
  readonly threshold: number;
  readonly screened: readonly { readonly names: readonly string[]; readonly hits: readonly Hit[]; readonly problem?: string | null }[];
}

export interface ListsAnswer {
  readonly sanctions: readonly {
    readonly source: string;
    readonly format: string;
    readonly published_at: string | null;
    readonly recorded_at: string | null;
    readonly digest: string;
    readonly entries: number;
    readonly broken: number;
    readonly complete: boolean;
    readonly age_s: number;
    readonly asked_at: string | null;
    readonly stale: boolean;
    readonly snapshots: number;
  }[];
  readonly policy: readonly {
    readonly id: string;
    readonly title: string | null;
    readonly source: string | null;
    readonly entries: Readonly<Record<string, number>>;
    readonly quotas: Readonly<Record<string, number>>;
    readonly signed: boolean;
    readonly governed: boolean;
  }[];
}

export interface Charter {
  readonly governed: boolean;
  readonly policy_digest: string | null;
  readonly version: number | null;
  readonly digest: string | null;
  readonly log_index: number | null;
  readonly issued_at: string | null;
  readonly expires_at: string | null;
  readonly expired: boolean;
  readonly persons: readonly { readonly party: Party; readonly unit: string; readonly group: string; readonly keys: readonly { readonly vkey: string; readonly from: string | null; readonly until: string | null; readonly custody: string }[]; readonly roles: readonly string[] }[];
  readonly roles: readonly { readonly name: string; readonly expression: string; readonly minimum: number; readonly members: readonly Party[]; readonly substitutes: readonly Party[] }[];
  readonly classes: readonly { readonly name: string; readonly role: string; readonly persons: number; readonly of_persons: number; readonly groups: number; readonly notice_hours: number }[];
  readonly covered: readonly { readonly party: Party; readonly as: string }[];
  readonly limits: Readonly<Record<string, number | readonly string[]>>;
  readonly history: readonly { readonly version: number; readonly digest: string; readonly log_index: number; readonly issued_at: string | null; readonly expires_at: string | null }[];
  readonly violations: readonly string[];
}

export interface Proposed {
  readonly id: string;
  readonly log_index: number | null;
  readonly class: string;
  readonly changes: readonly string[];
  readonly impact: Impact;
  readonly by: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly terminals: number;
  readonly without_position: number;
  readonly contacts_in_scope: readonly string[];
  readonly standing: string;
}

/** Exact bytes that persons sign on their own devices. */
export interface ToSign {
  readonly id: string;
  readonly digest: string;
  readonly payload: string;
  readonly payload_type: string;
}

export interface Emergency {
  readonly id: string;
  readonly log_index: number;
  readonly witnessed: boolean;
  readonly condition: string;
  readonly direction: string;
  readonly areas: readonly string[];
  readonly terminals: readonly string[];
  readonly ops: readonly string[];
  readonly openers: readonly Party[];
  readonly opened_at: string | null;
  readonly ttl_s: number;
  readonly ends_at: string | null;
  readonly remaining_s: number;
  readonly state: 'active' | 'expired' | 'reverted' | 'closed';
  readonly closed_at: string | null;
  readonly renewal_of: string | null;
  readonly returns_to: string;
  readonly review: { readonly verdict: string | null; readonly due: string | null; readonly remaining_s: number; readonly overdue: boolean };
}

export interface EmergencyOverview {
  readonly active: number;
  readonly opened_in_30_days: number;
  readonly frozen: boolean;
  readonly overdue_reviews: readonly string[];
  readonly conditions: readonly string[];
}

export interface Review {
  readonly id: string;
  readonly log_index: number;
  readonly of: string;
  readonly kind: 'emergency' | 'contact' | 'proposal';
  readonly due: string | null;
  readonly remaining_s: number;
  readonly overdue: boolean;
  readonly state: string;
  readonly reviewers: readonly Party[];
  readonly findings: string;
  readonly remedy: string;
  readonly concluded_at: string | null;
  readonly concluded_index: number | null;
}
