import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { base64, canonical, Failed, parseCanonical, toBase64, utf8, type Bytes } from '../src/verify/bytes';
import { canVerifyEd25519, parseKey } from '../src/verify/keys';
import { parsePolicy, reached } from '../src/verify/policy';
import { STEPS, verifyReceipt } from '../src/verify/receipt';
import { leafHash, nodeHash, rootByPath } from '../src/verify/tree';

interface Fixtures {
  policy: string;
  receipts: string[];
  mutants: { of: number; what: string; change: [number, number, string]; holds: boolean; mldsa: boolean }[];
}
const fixtures = JSON.parse(readFileSync(new URL('./fixtures/receipts.json', import.meta.url), 'utf8')) as Fixtures;

function mutated(of: number, [at, cut, put]: [number, number, string]): Bytes {
  const before = utf8(fixtures.receipts[of]!);
  return Uint8Array.from([...before.slice(0, at), ...base64(put, 'a mutant'), ...before.slice(at + cut)]) as Bytes;
}

describe('receipts made by the service', () => {
  it('needs Ed25519 to say anything', async () => expect(await canVerifyEd25519()).toBe(true));

  it.each(fixtures.receipts.map((_, i) => i))('holds for receipt %i', async (i) => {
    const found = await verifyReceipt(utf8(fixtures.receipts[i]!), fixtures.policy);
    expect(found.steps.filter((step) => step.state === 'fails')).toEqual([]);
    expect(found.holds).toBe(true);
    expect(found.witnesses).toEqual(['east', 'north', 'south']);
    expect(found.existedBefore).toBeGreaterThan(Date.UTC(2025, 0));
    expect(Object.keys(found.fields)).toContain('outcome');
    expect(found.fields['terminal_id']).toMatch(/^ut-/);
    // Node 20 knows no ML-DSA-44: the step is left open, and said to be.
    expect(['open', 'holds']).toContain(found.steps.find((step) => step.name === 'log_pq')?.state);
  });

  it('knows at least 100 changed receipts that are refused', () => {
    expect(fixtures.mutants.filter((each) => !each.holds && !each.mldsa).length).toBeGreaterThanOrEqual(300);
  });

  it('judges every changed receipt as the small Python program does', async () => {
    const differ: string[] = [];
    for (const mutant of fixtures.mutants) {
      const found = await verifyReceipt(mutated(mutant.of, mutant.change), fixtures.policy);
      // What only the ML-DSA-44 signature shows cannot be seen here; then the result must not call itself complete.
      const agrees = mutant.mldsa && !mutant.holds ? !found.holds || !found.complete : found.holds === mutant.holds;
      if (!agrees) differ.push(`${mutant.what}: ${found.holds}`);
      if (!found.holds) expect(found.fields).toEqual({});
    }
    expect(differ).toEqual([]);
  });

  it('stops at the first step that does not hold, and names it', async () => {
    const mutant = fixtures.mutants.find((each) => each.what === 'outcome: another value')!;
    const found = await verifyReceipt(mutated(mutant.of, mutant.change), fixtures.policy);
    expect(found.steps.map((step) => step.name)).toEqual([...STEPS]);
    expect(found.steps.find((step) => step.state === 'fails')).toMatchObject({ name: 'fields', detail: 'the field outcome is not what was committed' });
    expect(found.steps.at(-1)?.state).toBe('skipped');
  });

  it('refuses another root of the same size than the browser has seen', async () => {
    const first = await verifyReceipt(utf8(fixtures.receipts[0]!), fixtures.policy);
    const head = first.head!;
    expect((await verifyReceipt(utf8(fixtures.receipts[0]!), fixtures.policy, [head])).holds).toBe(true);
    const other = await verifyReceipt(utf8(fixtures.receipts[0]!), fixtures.policy, [{ ...head, root: toBase64(new Uint8Array(32)) }]);
    expect(other.holds).toBe(false);
    expect(other.steps.at(-1)).toMatchObject({ name: 'pinned', state: 'fails' });
  });
});

describe('policies', () => {
  const lines = fixtures.policy.trimEnd().split('\n');
  const variants: [string, string][] = [
    ['no end of the last line', fixtures.policy.trimEnd()],
    ['no quorum', lines.filter((line) => !line.startsWith('quorum')).join('\n') + '\n'],
    ['two quorums', fixtures.policy + 'quorum none\n'],
    ['a word that nobody knows', fixtures.policy + 'trust me\n'],
    ['a group of nobody', fixtures.policy.replace('group quorum-group 2 north east south', 'group quorum-group 1')],
    ['a threshold above the members', fixtures.policy.replace('quorum-group 2', 'quorum-group 4')],
    ['a threshold of zero', fixtures.policy.replace('quorum-group 2', 'quorum-group 0')],
    ['a member that is not defined', fixtures.policy.replace('2 north east south', '2 north east west')],
    ['a member twice', fixtures.policy.replace('2 north east south', '2 north east east')],
    ['a witness twice', fixtures.policy.replace(lines.find((line) => line.startsWith('witness north'))!, (line) => `${line}\n${line.replace('witness north', 'witness again')}`)],
    ['a control character', fixtures.policy.replace('quorum ', 'quorum\u0000 ')],
    ['a key id that is not the key’s', fixtures.policy.replace(/witness north (\S+)\+[0-9a-f]{8}/, 'witness north $1+00000000')],
  ];
  it.each(variants)('refuses %s', async (_, text) => {
    await expect(parsePolicy(text)).rejects.toThrow(Failed);
    expect((await verifyReceipt(utf8(fixtures.receipts[0]!), text)).steps[0]?.state).toBe('fails');
  });

  it('counts members of groups in groups', async () => {
    const policy = await parsePolicy(fixtures.policy);
    expect(reached(policy, new Set(['north', 'south']))).toBe(true);
    expect(reached(policy, new Set(['north']))).toBe(false);
    expect(reached(policy, new Set(['north', 'north', 'west']))).toBe(false);
  });

  it('fails a receipt whose witnesses are too few, and one of another log', async () => {
    const all = fixtures.policy.replace('quorum-group 2', 'quorum-group all');
    expect((await verifyReceipt(utf8(fixtures.receipts[0]!), all)).holds).toBe(true);
    const alone = lines.filter((line) => !line.startsWith('log ')).join('\n') + '\n';
    expect((await verifyReceipt(utf8(fixtures.receipts[0]!), alone)).steps.find((step) => step.state === 'fails')?.name).toBe('log');
  });

  it('refuses weak keys', async () => {
    const zero = new Uint8Array(33);
    zero[0] = 4;
    await expect(parseKey(`x+00000000+${toBase64(zero)}`)).rejects.toThrow(Failed);
  });
});

describe('trees', () => {
  it('leads from every leaf of every small tree to its root, and from no other', async () => {
    for (let size = 1; size <= 17; size++) {
      const leaves = await Promise.all(Array.from({ length: size }, (_, i) => leafHash(new Uint8Array([i]))));
      const root = async (hashes: Bytes[]): Promise<Bytes> => {
        if (hashes.length === 1) return hashes[0]!;
        const k = 2 ** Math.floor(Math.log2(hashes.length - 1));
        return nodeHash(await root(hashes.slice(0, k)), await root(hashes.slice(k)));
      };
      const path = async (m: number, hashes: Bytes[]): Promise<Bytes[]> => {
        if (hashes.length === 1) return [];
        const k = 2 ** Math.floor(Math.log2(hashes.length - 1));
        return m < k ? [...(await path(m, hashes.slice(0, k))), await root(hashes.slice(k))] : [...(await path(m - k, hashes.slice(k))), await root(hashes.slice(0, k))];
      };
      const whole = toBase64(await root(leaves));
      for (let m = 0; m < size; m++) {
        const proof = await path(m, leaves);
        expect(toBase64(await rootByPath(m, size, leaves[m]!, proof))).toBe(whole);
        if (size > 1) {
          expect(toBase64(await rootByPath(m, size, leaves[(m + 1) % size]!, proof))).not.toBe(whole);
          await expect(rootByPath(m, size, leaves[m]!, proof.slice(1))).rejects.toThrow(Failed);
        }
        await expect(rootByPath(m, size, leaves[m]!, [...proof, leaves[0]!])).rejects.toThrow(Failed);
      }
      await expect(rootByPath(size, size, leaves[0]!, [])).rejects.toThrow(Failed);
    }
  });
});

describe('canonical JSON', () => {
  it.each(['{"b":1,"a":2}', '{"a":1,"a":1}', '{"a": 1}', '1.0', '1e3', '-0', '9007199254740993', '"\\u0041"', '"\\ud800"', '[1,]', '{"a":1} ', '', '01', '1.5'])('refuses %s', (text) => {
    expect(() => parseCanonical(utf8(text), 'it')).toThrow(Failed);
  });
  it.each(['{"a":2,"b":1}', '[]', 'null', '"é"', '"\\n"', '-9007199254740991', '{"\u{10000}":1,"\uffff":2}'])('reads %s', (text) => {
    expect(canonical(parseCanonical(utf8(text), 'it'))).toBe(text);
  });
});
