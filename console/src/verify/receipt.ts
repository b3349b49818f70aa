/** Check a receipt step by step, with nothing but the receipt, a policy and this browser (docs/verify-without-us.md).
 *
 * What a step cannot check, because the browser does not know an algorithm, is said, and is never taken as checked.
 */
import { base64, check, compare, concat, decimal, decodeUtf8, equal, Failed, parseCanonical, canonical, sha256, shaped, utf8, whole, type Bytes, type Json } from './bytes';
import { openCheckpoint, type Opened } from './checkpoint';
import { canVerifyEd25519 } from './keys';
import { parsePolicy, reached, type Policy } from './policy';
import { leafHash, rootByPath } from './tree';

export const STEPS = ['policy', 'file', 'log', 'log_pq', 'witness', 'inclusion', 'batch', 'fields', 'pinned'] as const;
export type StepName = (typeof STEPS)[number];
export type StepState = 'holds' | 'fails' | 'open' | 'skipped';

export interface Step {
  readonly name: StepName;
  readonly state: StepState;
  /** What is wrong, or what was found; English, as in the other verifiers. */
  readonly detail?: string;
}

export interface Pinned {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

export interface Result {
  readonly holds: boolean;
  /** All steps hold, and none was left open. */
  readonly complete: boolean;
  readonly steps: readonly Step[];
  readonly fields: Readonly<Record<string, Json>>;
  readonly head: { readonly origin: string; readonly size: number; readonly root: string } | null;
  readonly index: number | null;
  readonly minute: string | null;
  readonly policyDigest: string | null;
  readonly witnesses: readonly string[];
  readonly failedWitnesses: readonly string[];
  /** Latest instant at which the entry can have been made, by the word of the quorum [ms since 1970]. */
  readonly existedBefore: number | null;
}

const KINDS = new Set(
  'heartbeat decision-batch request proposal approval rejection enactment snapshot-published emergency-open emergency-close review contact contact-update screening charter key-event evidence sealed unsealed erasure correction manifest'.split(' '),
);
const MINUTE = /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:00\.000Z$/;
const INSTANT = /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$/;
const HEX = /^[0-9a-f]{64}$/;

interface File {
  readonly index: number;
  readonly path: readonly Bytes[];
  readonly note: Bytes;
  readonly receipt: Record<'v' | 'entry' | 'batch_index' | 'leaf_index' | 'inner_path' | 'commitments' | 'fields', Json>;
}

function findBlank(bytes: Uint8Array): number {
  for (let i = 0; i + 1 < bytes.length; i++) if (bytes[i] === 10 && bytes[i + 1] === 10) return i;
  return -1;
}

/** Read a c2sp.org/tlog-proof@v1 whose extra line is a receipt. */
export function parseFile(bytes: Uint8Array): File {
  check(bytes.length <= 2_000_000, 'the file is too long for a receipt');
  const cut = findBlank(bytes);
  check(cut > 0, 'there is no blank line between the proof and its checkpoint');
  const lines = decodeUtf8(bytes.slice(0, cut), 'the proof').split('\n');
  check(lines[0] === 'c2sp.org/tlog-proof@v1', 'the first line is not c2sp.org/tlog-proof@v1');
  const [, extra = '', place = ''] = lines;
  check(extra.startsWith('extra ') && place.startsWith('index '), 'the proof has no lines extra and index');
  const index = decimal(place.slice(6), 'the index');
  const path = lines.slice(3).map((line) => base64(line, 'a hash of the proof', 32));
  check(path.length <= 63, 'the path is too long');
  const receipt = shaped(
    parseCanonical(base64(extra.slice(6), 'the extra line'), 'the receipt'),
    ['v', 'entry', 'batch_index', 'leaf_index', 'inner_path', 'commitments', 'fields'],
    'the receipt',
  );
  check(receipt.v === 1, 'the receipt is of another version');
  check(whole(receipt.batch_index, 'the index of the batch') === index, 'the receipt names another index');
  check([receipt.inner_path, receipt.commitments, receipt.fields].every(Array.isArray), 'a list of the receipt is none');
  return { index, path, note: bytes.slice(cut + 2) as Bytes, receipt };
}

interface Batch {
  readonly minute: string;
  readonly policyDigest: string;
  readonly innerRoot: Bytes;
  readonly bucketSize: number;
}

/** Read an entry of the log that must be a batch of decisions (formats 1 and 2). */
export function parseBatch(bytes: Uint8Array): Batch {
  check(bytes.length <= 60_000, 'the entry is too long');
  const entry = shaped(parseCanonical(bytes, 'the entry'), ['v', 'kind', 'stream', 'seq', 't', 'body'], 'the entry');
  check(entry.v === 1 && typeof entry.kind === 'string' && KINDS.has(entry.kind), 'the kind of the entry is unknown');
  check(typeof entry.stream === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(entry.stream), 'the stream of the entry is malformed');
  whole(entry.seq, 'the number of the entry');
  check(typeof entry.t === 'string' && INSTANT.test(entry.t), 'the time of the entry is malformed');
  check(entry.kind === 'decision-batch', `the entry is of the kind ${entry.kind}`);
  const body = shaped(entry.body, ['minute', 'policy_digest', 'evaluator_digest', 'inner_root', 'bucket_size'], 'the batch');
  check(typeof body.minute === 'string' && MINUTE.test(body.minute), 'the minute of the batch is malformed');
  check(typeof body.policy_digest === 'string' && HEX.test(body.policy_digest), 'policy_digest of the batch is malformed');
  check(typeof body.evaluator_digest === 'string' && HEX.test(body.evaluator_digest), 'evaluator_digest of the batch is malformed');
  const bucketSize = whole(body.bucket_size, 'the bucket size');
  check(bucketSize >= 256 && Number.isInteger(Math.log2(bucketSize)), 'the bucket size is no power of two from 256');
  return { minute: body.minute, policyDigest: body.policy_digest, innerRoot: base64(body.inner_root, 'the inner root', 32), bucketSize };
}

/** Hash that commits to a field of a record (format 3). */
export function commitment(name: string, salt: Uint8Array, value: Json): Promise<Bytes> {
  return sha256(utf8('groundrule/commit/v1\0'), new Uint8Array([name.length]), utf8(name), salt, utf8(canonical(value)));
}

/** When the witnesses in order of their times first met the quorum [ms]. */
function quorumTime(policy: Policy, times: ReadonlyMap<string, number>): number | null {
  if (policy.quorum === 'none') return null;
  for (const bound of [...times.values()].sort((a, b) => a - b)) {
    const seen = new Set([...times].filter(([, time]) => time <= bound).map(([name]) => name));
    if (reached(policy, seen)) return bound * 1_000;
  }
  return null;
}

/** Check a receipt. Always returns: what went wrong stands in the step where it did. */
export async function verifyReceipt(receipt: Uint8Array, policyText: string, pinned: readonly Pinned[] = []): Promise<Result> {
  const steps: Step[] = [];
  const facts: { -readonly [K in keyof Omit<Result, 'holds' | 'complete' | 'steps'>]: Result[K] } = {
    fields: {}, head: null, index: null, minute: null, policyDigest: null, witnesses: [], failedWitnesses: [], existedBefore: null,
  };
  let policy!: Policy;
  let file!: File;
  let tree!: Opened;
  let batch!: Batch;
  let hidden: readonly Bytes[] = [];
  const ed25519 = await canVerifyEd25519();

  const run: Record<StepName, () => Promise<{ state: 'holds' | 'open'; detail?: string }>> = {
    policy: async () => {
      policy = await parsePolicy(policyText);
      return { state: 'holds', detail: policy.quorum === 'none' ? 'quorum none' : policy.witnesses.map((each) => each.name).join(', ') };
    },
    file: async () => {
      file = parseFile(receipt);
      facts.index = file.index;
      return { state: 'holds' };
    },
    log: async () => {
      if (!ed25519) {
        // Without the algorithm nothing is known about any signature; the head is read all the same, for the steps below.
        tree = await openUnsigned(file.note);
        facts.head = headOf(tree);
        return { state: 'open', detail: 'no Ed25519' };
      }
      tree = await openCheckpoint(file.note, policy);
      facts.head = headOf(tree);
      check(policy.logs.some((key) => key.name === tree.origin), `the policy names no log ${tree.origin}`);
      if (tree.log.ed25519 === 'absent') {
        check(tree.log.mldsa !== 'absent', `no log of the policy named ${tree.origin} signed it`);
        return { state: tree.log.mldsa === 'holds' ? 'holds' : 'open', detail: 'ML-DSA-44' };
      }
      return { state: 'holds', detail: tree.origin };
    },
    log_pq: async () => {
      if (!ed25519 || tree.log.mldsa === 'unknown') return { state: 'open' };
      if (tree.log.mldsa === 'holds') return { state: 'holds', detail: tree.origin };
      const asked = policy.logs.some((key) => key.type === 6 && key.name === tree.origin);
      return asked ? { state: 'open', detail: 'absent' } : { state: 'holds', detail: 'none' };
    },
    witness: async () => {
      if (!ed25519) return { state: 'open', detail: 'no Ed25519' };
      const seen = new Set(tree.times.keys());
      facts.witnesses = [...seen].sort();
      facts.failedWitnesses = tree.failed;
      if (!reached(policy, seen)) {
        // Cosignatures in an algorithm that is not known here might complete the quorum elsewhere.
        const perhaps = new Set([...seen, ...tree.unknown]);
        check(reached(policy, perhaps), `only ${[...seen].sort().join(', ') || 'none'} hold; the quorum is ${policy.quorum}`);
        return { state: 'open', detail: tree.unknown.join(', ') };
      }
      facts.existedBefore = quorumTime(policy, tree.times);
      return { state: 'holds', detail: policy.quorum === 'none' ? 'quorum none' : facts.witnesses.join(', ') };
    },
    inclusion: async () => {
      const entry = base64(file.receipt.entry, 'the entry');
      const root = await rootByPath(file.index, tree.size, await leafHash(entry), file.path);
      check(equal(root, tree.root), 'the path does not lead to the signed root');
      batch = parseBatch(entry);
      facts.minute = batch.minute;
      facts.policyDigest = batch.policyDigest;
      return { state: 'holds', detail: `${file.index} / ${tree.size}` };
    },
    batch: async () => {
      hidden = (file.receipt.commitments as readonly Json[]).map((each) => base64(each, 'a commitment', 32));
      check(hidden.length === 24 && hidden.every((each, i) => i === 0 || compare(hidden[i - 1]!, each) < 0), 'the commitments are not 24, sorted and distinct');
      const path = (file.receipt.inner_path as readonly Json[]).map((each) => base64(each, 'a hash of the inner path', 32));
      const root = await rootByPath(whole(file.receipt.leaf_index, 'the index of the leaf'), batch.bucketSize, await leafHash(concat(...hidden)), path);
      check(equal(root, batch.innerRoot), 'the path does not lead to the root of the batch');
      return { state: 'holds', detail: batch.minute };
    },
    fields: async () => {
      const found: Record<string, Json> = {};
      for (const each of file.receipt.fields as readonly Json[]) {
        const field = shaped(each, ['name', 'value', 'salt'], 'a field');
        check(typeof field.name === 'string' && /^[a-z][a-z0-9_]{0,254}$/.test(field.name), 'the name of a field is malformed');
        const opened = await commitment(field.name, base64(field.salt, 'a salt', 32), field.value);
        check(hidden.some((one) => equal(one, opened)), `the field ${field.name} is not what was committed`);
        check(!Object.hasOwn(found, field.name), `the field ${field.name} is opened twice`);
        found[field.name] = field.value;
      }
      facts.fields = found;
      return { state: 'holds', detail: String(Object.keys(found).length) };
    },
    pinned: async () => {
      const own = headOf(tree);
      const known = pinned.filter((each) => each.origin === own.origin);
      const other = known.find((each) => each.size === own.size && each.root !== own.root);
      check(!other, `the log has shown this browser another root for the same size ${own.size}: two histories`);
      return { state: 'holds', detail: known.length ? `${known.length}` : 'first' };
    },
  };

  let failed = false;
  for (const name of STEPS) {
    if (failed) {
      steps.push({ name, state: 'skipped' });
      continue;
    }
    try {
      steps.push({ name, ...(await run[name]()) });
    } catch (error) {
      failed = true;
      steps.push({ name, state: 'fails', detail: error instanceof Failed ? error.message : `cannot be read: ${String(error)}` });
    }
  }
  const known = failed ? { ...facts, fields: {} } : facts;
  return { holds: !failed, complete: !failed && steps.every((step) => step.state === 'holds'), steps, ...known };
}

function headOf(tree: Opened): { origin: string; size: number; root: string } {
  return { origin: tree.origin, size: tree.size, root: btoa(String.fromCharCode(...tree.root)) };
}

async function openUnsigned(note: Bytes): Promise<Opened> {
  return openCheckpoint(note, { logs: [], witnesses: [], groups: new Map(), quorum: 'none' });
}
