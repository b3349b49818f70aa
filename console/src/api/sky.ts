/** What the service says of satellites, verifications and interference. */

export interface Constellation {
  readonly id: string;
  readonly satellites: number;
  readonly usable: number;
  readonly stale: number;
  readonly future: number;
  readonly failed: number;
  readonly newest_epoch: string;
  readonly oldest_epoch: string;
  readonly median_age_days: number;
  readonly grades: readonly string[];
  readonly generated: boolean;
  readonly incomplete: string | null;
}

export interface Constellations {
  readonly at: string;
  readonly elements: number;
  readonly constellations: readonly Constellation[];
}

export interface Positions {
  readonly at: string;
  readonly total: number;
  readonly without_position: number;
  readonly constellations: readonly string[];
  readonly satellite: readonly number[];
  readonly name: readonly string[];
  readonly constellation: readonly number[];
  readonly lon: readonly number[];
  readonly lat: readonly number[];
  readonly height_km: readonly number[];
  readonly age_h: readonly number[];
}

export interface Sighting {
  readonly satellite: number;
  readonly name: string;
  readonly constellation: string;
  readonly elevation_deg: number;
  readonly azimuth_deg: number;
  readonly range_km: number;
  readonly lon: number;
  readonly lat: number;
  readonly age_h: number;
  readonly generated: boolean;
}

export interface Sightings {
  readonly at: string;
  readonly total: number;
  readonly constellations: readonly { readonly constellation: string; readonly seen: number }[];
  readonly satellites: readonly Sighting[];
  readonly without_position: number;
}

export interface SatelliteTrack {
  readonly satellite: number;
  readonly lon: readonly number[];
  readonly lat: readonly number[];
}

export type Verdict = 'consistent' | 'inconsistent' | 'ambiguous' | 'insufficient' | 'fault';

export interface VerificationRow {
  readonly id: string;
  readonly terminal: string;
  readonly at: string;
  readonly audience: 'operator' | 'owner';
  readonly verdict: Verdict;
  readonly sentence: string;
  readonly appeal: string;
  readonly assurance?: string;
  readonly conditions?: readonly string[];
  readonly lat?: number;
  readonly lon?: number;
  readonly major_95_m?: number;
  readonly minor_95_m?: number;
  readonly distance_m?: number;
  readonly usable?: boolean;
  readonly grade?: string;
}

type Line = [number, number][];

export interface DrawnPlace {
  readonly lon: number;
  readonly lat: number;
  readonly weight: number | null;
  readonly ellipse: Line | null;
  readonly major_95_m: number | null;
}

export interface DrawnSatellite {
  readonly satellite: number;
  readonly name: string;
  readonly used: boolean;
  readonly why: string | null;
  readonly grade: string;
  readonly age_h: number | null;
  readonly range_km: number | null;
  readonly track: Line | null;
  readonly circle: Line | null;
}

export interface Drawing {
  readonly claim: { readonly lon: number; readonly lat: number; readonly sigma_m: number | null } | null;
  readonly places: readonly DrawnPlace[];
  readonly satellites: readonly DrawnSatellite[];
  readonly feasible: Line | null;
}

export interface VerificationReport {
  readonly words: string;
  readonly first: string;
  readonly at: string;
  readonly verdict_by_class: Readonly<Record<string, string>>;
  readonly could_have_seen: Readonly<Record<string, number | null>>;
  readonly worst_minimal_detectable_offset_m: number | null;
  readonly tolerated_m: number;
  readonly velocity: { readonly speed_m_s: number | null; readonly sigma_m_s: number | null } | string;
  readonly tests: readonly { readonly test: string; readonly statistic: number | null; readonly threshold: number | null; readonly fires: boolean }[];
  readonly inputs: string;
  readonly model: string;
}

export interface VerificationDrawn extends VerificationRow {
  readonly report?: VerificationReport;
  readonly drawing?: Drawing;
}

export interface InterferenceCell {
  readonly h3_cell: string;
  readonly kind: string;
  readonly from: string;
  readonly until: string;
  readonly terminals: number;
  readonly share: number;
  readonly pattern?: string;
}

export interface InterferenceAnswer {
  readonly state: 'ready' | 'working';
  readonly from: string;
  readonly until: string;
  readonly seen_rows: number;
  readonly terminals: number | null;
  readonly suspended: number | null;
  readonly internal: boolean;
  readonly least_terminals: number;
  readonly least_holders: number;
  readonly cells: { readonly features: readonly unknown[] } | null;
}
