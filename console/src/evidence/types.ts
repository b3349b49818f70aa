/** Shapes of the service's answers about reports, claims and dossiers. */
export interface ReportRow {
  readonly id: string;
  readonly sha256: string;
  readonly title: string;
  readonly publisher: string;
  readonly published_at: string;
  readonly language: string;
  readonly media_type: string;
  readonly translation: string;
  readonly recorded_at: string | null;
  readonly recorded_by: string;
  readonly claims: { readonly suggested: number; readonly confirmed: number; readonly rejected: number };
}

export interface Claim {
  readonly id: string;
  readonly report: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly kind: string;
  readonly statement: string;
  readonly stance: string;
  readonly attribution: { readonly named: readonly string[]; readonly unnamed: readonly string[]; readonly unnamed_count: number | null; readonly outlet: string };
  readonly who: string;
  readonly about: readonly string[];
  readonly happened: string;
  readonly proposition: string;
  readonly status: string;
  readonly suggested_by: string;
  readonly decided_by: string;
  readonly decided_at: string | null;
  readonly problems: readonly string[];
}

export interface Report extends ReportRow {
  readonly authors: readonly string[];
  readonly modified_at: string;
  readonly declared_language: string;
  readonly canonical_url: string;
  readonly captured_at: string | null;
  readonly captured_by: string;
  readonly source_url: string;
  readonly file_name: string;
  readonly size_bytes: number;
  readonly member: string;
  readonly about_translation: { readonly kind: string; readonly by: string; readonly from_language: string; readonly original_url: string; readonly original: string; readonly original_missing: boolean };
  readonly extractor: string;
  readonly readings: number;
  readonly outlets: readonly string[];
  readonly problems: readonly { readonly code: string; readonly where: string; readonly detail: string }[];
  readonly links: readonly string[];
  readonly text: string;
  readonly text_cut: boolean;
  readonly spans: readonly { readonly start: number; readonly end: number; readonly role: string }[];
  readonly statements: readonly Claim[];
}

export interface SideBySide {
  readonly id: string;
  readonly sentence: string;
  readonly about: readonly string[];
  readonly articles: number;
  readonly independent_origins: number;
  readonly supporting_origins: number;
  readonly stances: Readonly<Record<string, number>>;
  readonly origins: readonly { readonly name: string; readonly reports: readonly string[]; readonly claims: readonly string[]; readonly stances: Readonly<Record<string, number>>; readonly joined_by: readonly string[]; readonly named: readonly string[]; readonly unnamed_at_least: number }[];
  readonly voices: readonly { readonly claim: Claim; readonly publisher: string; readonly published_at: string; readonly origin: number }[];
  readonly contradictions: readonly { readonly kind: string; readonly claims: readonly string[]; readonly detail: string }[];
}

export interface KeptFile {
  readonly name: string;
  readonly href: string;
  readonly bytes: number;
  readonly media_type: string;
}

export interface DossierMade {
  readonly kind: string;
  readonly id: string;
  readonly for: string;
  readonly title: string;
  readonly summary: readonly { readonly standing: string; readonly says: string }[];
  readonly statements: Readonly<Record<string, number>>;
  readonly files: readonly KeptFile[];
  readonly until: string | null;
  readonly manifest_sha256: string;
  readonly log_entry: number | null;
  readonly not_proved: readonly string[];
  readonly not_made: readonly string[];
}
