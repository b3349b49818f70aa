/** Shapes of the service's answers about rulebooks. */
export interface BookRow {
  readonly id: string;
  readonly version: number;
  readonly title: string;
  readonly digest: string;
  readonly in_force: boolean;
  readonly from: string | null;
  readonly rules: number;
}

export interface RuleRow {
  readonly id: string;
  readonly title: string;
  readonly tier: string;
  readonly outcome: string;
  readonly reason: string;
  readonly state: string;
  readonly emergency: boolean;
  readonly effective_from: string | null;
  readonly effective_until: string | null;
  readonly basis: string;
  readonly requested_by: string | null;
  readonly source: string | null;
  readonly date: string | null;
  readonly illustrative: boolean;
  readonly appeal: string | null;
  readonly text: string;
  readonly line: number;
}

export interface Book {
  readonly id: string;
  readonly version: number;
  readonly title: string;
  readonly operator: string;
  readonly digest: string;
  readonly in_force: boolean;
  readonly notice: string | null;
  readonly default_outcome: string;
  readonly default_reason: string;
  readonly tiers: readonly string[];
  readonly rules: readonly RuleRow[];
  readonly text: string;
}

export interface Difference {
  readonly kind: string;
  readonly subject: string;
  readonly id: string;
  readonly sentence: string;
  readonly affects_past: boolean;
}

export interface Mistake {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly help: string | null;
}

export interface Checked {
  readonly good: boolean;
  readonly id: string | null;
  readonly version: number | null;
  readonly digest: string | null;
  readonly rules: number;
  readonly mistakes: readonly Mistake[];
  readonly differences: readonly Difference[];
  readonly cases: number;
  readonly failed: readonly string[];
}

export interface Analysed {
  readonly sound: boolean;
  readonly text: string;
  readonly guarantees: readonly { readonly id: string; readonly title: string; readonly verdict: string; readonly broken_by: string | null; readonly note: string }[];
  readonly unreachable: readonly string[];
  readonly contradictions: readonly { readonly tier: string; readonly serving: string; readonly denying: string }[];
  readonly left_to_the_default: readonly string[];
  readonly countries_without_a_line: readonly string[];
  readonly deny_on_a_doubt: readonly string[];
  readonly not_decided: readonly string[];
}

export interface ChangedTerminal {
  readonly terminal_id: string;
  readonly lat_deg: number | null;
  readonly lon_deg: number | null;
  readonly before: string;
  readonly after: string;
  readonly rule_before: string;
  readonly rule_after: string;
  readonly country: string;
  readonly plan: string;
  readonly programme: string;
  readonly class: string;
}

export interface WhatIf {
  readonly rulebook: { readonly id: string; readonly version: number; readonly digest: string };
  readonly against: string;
  readonly differences: readonly Difference[];
  readonly terminals: number;
  readonly observations: number;
  readonly changed_observations: number;
  readonly changed_terminals: number;
  readonly by: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly changed: readonly ChangedTerminal[];
  readonly listed: number;
}
