/** What can be found out about rules from what they say, without asking the service. */
import { answer, type AnswerKey } from '../marks';
import type { PointRow } from '../map/answers';
import type { ChangedTerminal, RuleRow } from './types';

/** Rules that hold all words of a search, anywhere in what is shown of them. */
export function matching<R extends Pick<RuleRow, 'id' | 'title' | 'basis' | 'reason' | 'text' | 'requested_by' | 'source'>>(rules: readonly R[], search: string): R[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return rules.filter((rule) => {
    const whole = [rule.id, rule.title, rule.basis, rule.reason, rule.reason.replaceAll('_', ' '), rule.text, rule.requested_by, rule.source].join('\n').toLowerCase();
    return words.every((word) => whole.includes(word));
  });
}

export interface SpeedLimit {
  readonly rule: string;
  readonly title: string;
  /** Faster than this is not served as usual [km/h]. */
  readonly above: number;
  readonly outcome: string;
  /** It holds in some places, as limits of law do, and not for a plan or a terminal. */
  readonly placed: boolean;
}

const SPEED = /(speed_km_h:\s*\{[^}]*?above:\s*)(\d+(?:\.\d+)?)/;
const RELEASE = /(speed_km_h:\s*\{[^}]*?release_below:\s*)(\d+(?:\.\d+)?)/;

/** Rules that ask how fast something is, with their limit. */
export function speedLimits(rules: readonly RuleRow[]): SpeedLimit[] {
  return rules.flatMap((rule) => {
    const found = SPEED.exec(rule.text);
    return found ? [{ rule: rule.id, title: rule.title, above: Number(found[2]), outcome: rule.outcome, placed: /^\s*where:/m.test(rule.text) }] : [];
  });
}

/** The limit to try first: of a rule for places that denies, the lowest; four fifths of it, in round figures. */
export function tryLimit(limits: readonly SpeedLimit[]): { limit: SpeedLimit; above: number } | null {
  const limit = [...limits].sort((a, b) => Number(b.placed) - Number(a.placed) || Number(b.outcome === 'deny') - Number(a.outcome === 'deny') || a.above - b.above)[0];
  return limit ? { limit, above: lower(limit.above) } : null;
}

export function lower(above: number): number {
  return above > 20 ? Math.round((above * 0.8) / 5) * 5 : Math.max(1, Math.round(above * 0.8));
}

/** The text of a rulebook in which one rule has another speed limit; null where the rule has none that can be found.
 *
 * A limit for being released again that would not lie below the new one goes down by the same amount.
 */
export function withSpeed(text: string, rule: Pick<RuleRow, 'text' | 'line'>, above: number): string | null {
  const lines = text.split('\n');
  const count = rule.text.split('\n').length;
  const first = rule.line - 1;
  if (rule.line < 1 || first + count > lines.length) return null;
  const own = lines.slice(first, first + count).join('\n');
  const found = SPEED.exec(own);
  if (!found) return null;
  const before = Number(found[2]);
  let changed = own.replace(SPEED, (_, head: string) => `${head}${above}`);
  const release = RELEASE.exec(own);
  if (release) {
    const lower = Math.max(0, Number(release[2]) - before + above);
    changed = changed.replace(RELEASE, (_, head: string) => `${head}${lower}`);
  }
  return [...lines.slice(0, first), changed, ...lines.slice(first + count)].join('\n');
}

/** The key of an answer as a what-if writes it: `serve`, or `deny (never_served)`. */
export function answerOf(text: string): AnswerKey {
  const found = /^(\w+)(?: \((\w+)\))?$/.exec(text);
  return answer(found?.[1] ?? text, found?.[2]);
}

/** Terminals whose answer would change, as points by their new answer; those without a place are left out. */
export function spotsOf(changed: readonly ChangedTerminal[]): PointRow[] {
  return changed.flatMap((row) => (row.lat_deg === null || row.lon_deg === null ? [] : [{ id: row.terminal_id, lat: row.lat_deg, lon: row.lon_deg, key: answerOf(row.after) }]));
}
