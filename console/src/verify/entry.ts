/** Check in the browser that an entry stands in the public log: its bytes, its place, the signed head, the witnesses. */
import { base64, check, decimal, equal, Failed, hex, utf8, type Bytes } from './bytes';
import { openCheckpoint, type Opened } from './checkpoint';
import { canVerifyEd25519 } from './keys';
import { parsePolicy, reached, type Policy } from './policy';
import { leafHash, rootByPath } from './tree';

export const ENTRY_STEPS = ['policy', 'entry', 'inclusion', 'log', 'witness'] as const;
export type EntryStepName = (typeof ENTRY_STEPS)[number];

export interface EntryStep {
  readonly name: EntryStepName;
  readonly state: 'holds' | 'fails' | 'open' | 'skipped';
  readonly detail: string;
}

export interface EntryResult {
  readonly holds: boolean;
  readonly complete: boolean;
  readonly steps: readonly EntryStep[];
  readonly size: number | null;
  readonly index: number | null;
}

interface Proof {
  readonly index: number;
  readonly path: readonly Bytes[];
  readonly note: Bytes;
}

/** Read a c2sp.org/tlog-proof@v1; an extra line, as receipts have, is passed over. */
export function parseProof(text: string): Proof {
  const cut = text.indexOf('\n\n');
  check(cut > 0 && text.length <= 2_000_000, 'there is no blank line between the proof and its checkpoint');
  const lines = text.slice(0, cut).split('\n');
  check(lines[0] === 'c2sp.org/tlog-proof@v1', 'the first line is not c2sp.org/tlog-proof@v1');
  const rest = lines[1]?.startsWith('extra ') ? lines.slice(2) : lines.slice(1);
  const place = rest[0] ?? '';
  check(place.startsWith('index '), 'the proof has no line index');
  const path = rest.slice(1).map((line) => base64(line, 'a hash of the proof', 32));
  check(path.length <= 63, 'the path is too long');
  return { index: decimal(place.slice(6), 'the index'), path, note: utf8(text.slice(cut + 2)) };
}

/** Check an entry. Always returns: what went wrong stands in the step where it did.
 *
 * `entry` is the text as it was hashed; `index` where the page says that it stands.
 */
export async function verifyEntry(proof: string, entry: string, index: number, policyText: string): Promise<EntryResult> {
  let policy!: Policy;
  let given!: Proof;
  let leaf!: Bytes;
  let tree!: Opened;
  const ed25519 = await canVerifyEd25519();
  const run: Record<EntryStepName, () => Promise<readonly ['holds' | 'open', string]>> = {
    policy: async () => {
      policy = await parsePolicy(policyText);
      return ['holds', policy.quorum === 'none' ? 'quorum none' : policy.witnesses.map((each) => each.name).join(', ')];
    },
    entry: async () => {
      given = parseProof(proof);
      check(given.index === index, `the proof is about entry ${given.index}`);
      leaf = await leafHash(utf8(entry));
      return ['holds', hex(leaf)];
    },
    inclusion: async () => {
      // Signatures are looked at below; here only what the head says.
      tree = await openCheckpoint(given.note, ed25519 ? policy : { logs: [], witnesses: [], groups: new Map(), quorum: 'none' });
      const root = await rootByPath(given.index, tree.size, leaf, given.path);
      check(equal(root, tree.root), 'the path does not lead to the root of the head');
      return ['holds', `${given.index} / ${tree.size}`];
    },
    log: async () => {
      if (!ed25519) return ['open', 'no Ed25519'];
      check(policy.logs.some((key) => key.name === tree.origin), `the policy names no log ${tree.origin}`);
      check(tree.log.ed25519 !== 'absent' || tree.log.mldsa !== 'absent', `no log of the policy named ${tree.origin} signed it`);
      return [tree.log.ed25519 === 'holds' || tree.log.mldsa === 'holds' ? 'holds' : 'open', tree.origin];
    },
    witness: async () => {
      if (!ed25519) return ['open', 'no Ed25519'];
      const seen = new Set(tree.times.keys());
      if (!reached(policy, seen)) {
        check(reached(policy, new Set([...seen, ...tree.unknown])), `only ${[...seen].sort().join(', ') || 'none'} hold; the quorum is ${policy.quorum}`);
        return ['open', tree.unknown.join(', ')];
      }
      return ['holds', policy.quorum === 'none' ? 'quorum none' : [...seen].sort().join(', ')];
    },
  };
  const steps: EntryStep[] = [];
  let failed = false;
  for (const name of ENTRY_STEPS) {
    if (failed) {
      steps.push({ name, state: 'skipped', detail: '' });
      continue;
    }
    try {
      const [state, detail] = await run[name]();
      steps.push({ name, state, detail });
    } catch (error) {
      failed = true;
      steps.push({ name, state: 'fails', detail: error instanceof Failed ? error.message : `cannot be read: ${String(error)}` });
    }
  }
  return { holds: !failed, complete: !failed && steps.every((step) => step.state === 'holds'), steps, size: failed ? null : tree.size, index: failed ? null : given.index };
}

