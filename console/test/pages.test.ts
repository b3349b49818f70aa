import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Problem } from '../src/api/client';
import { concerns, given, instantOf, linesOf, wrongIn } from '../src/components/form';
import { holds, shortId } from '../src/components/parts';
import { stairs } from '../src/evidence/chart';
import { hrefOf } from '../src/evidence/claim';
import { cut, span } from '../src/evidence/spans';
import { payloadOf } from '../src/evidence/value';
import { turns } from '../src/governance/appeal_form';
import { kindOf, readEnvelope } from '../src/governance/envelope';
import { changeOf, ENTRY, idsIn, newChange } from '../src/governance/changes';
import { NOBODY, partyOf } from '../src/governance/people';
import { around } from '../src/map/spots';
import { standingOf } from '../src/pages/charter';
import { editionsFor } from '../src/pages/dossiers';
import { telling } from '../src/pages/home';
import { MENU, ROUTES, suffices } from '../src/pages';
import { gist } from '../src/pages/log';
import { impactRows } from '../src/governance/impact';
import { monthBefore } from '../src/pages/oversight';
import { caseHref } from '../src/pages/reviews';
import { namesIn } from '../src/pages/screening';
import { ASKED, rolesThatMay } from '../src/roles';
import { answerOf, lower, matching, speedLimits, spotsOf, tryLimit, withSpeed } from '../src/rulebook/words';
import { hex, sha256, toBase64, utf8 } from '../src/verify/bytes';
import { parseProof, verifyEntry } from '../src/verify/entry';

/** Roles of the service as data, read with what little TOML they use. */
function serviceRoles(): Map<string, Set<string>> {
  const text = readFileSync(new URL('../../src/groundrule/api/roles.toml', import.meta.url), 'utf8').replace(/^#.*$/gm, '');
  const list = (part: string, name: string) => [...(new RegExp(`^${name} = \\[([^\\]]*)\\]`, 'm').exec(part)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map((found) => found[1]!);
  const parts = new Map(text.split(/^\[/m).slice(1).map((part) => [part.slice(0, part.indexOf(']')), part] as const));
  const of = (name: string): string[] => [...list(parts.get(name)!, 'includes').flatMap(of), ...list(parts.get(name)!, 'permissions')];
  return new Map([...parts.keys()].map((name) => [name, new Set(of(name))]));
}

describe('who may see which page', () => {
  const roles = serviceRoles();
  it('is what the service says', () => {
    expect(roles.size).toBeGreaterThan(7);
    for (const permission of ASKED) expect([permission, [...rolesThatMay(permission)].sort()]).toEqual([permission, [...roles].filter(([, held]) => held.has(permission)).map(([name]) => name).sort()]);
  });
  it('is known for every page that needs something', () => {
    for (const each of [...ROUTES, ...MENU.flatMap((group) => group.items)]) for (const needs of [each.needs ?? []].flat()) expect(rolesThatMay(needs).length, needs).toBeGreaterThan(0);
    expect(suffices(['appeals:read', 'appeals:own'], ['appeals:own'])).toBe(true);
    expect(suffices('appeals:read', ['appeals:own'])).toBe(false);
    expect(suffices(undefined, [])).toBe(true);
  });
  it('has a page behind every item, and a key of its own for each', () => {
    const items = MENU.flatMap((group) => group.items);
    for (const item of items) expect(ROUTES.find((route) => route.path === item.href)?.needs).toEqual(item.needs);
    expect(new Set(items.map((item) => item.key)).size).toBe(items.length);
  });
  it('offers editions of dossiers as the service gives them', () => {
    expect(editionsFor(['owner'])).toEqual(['owner']);
    expect(editionsFor(['regulator'])).toEqual(['regulator']);
    expect(editionsFor(['owner', 'auditor'])[0]).toBe('operator');
  });
});

const rule = (id: string, text: string, line: number, more = {}) => ({ id, title: id, tier: 'rules', outcome: 'deny', reason: 'moving_too_fast', state: 'normal', emergency: false, effective_from: null, effective_until: null, basis: 'an order', requested_by: null, source: null, date: null, illustrative: true, appeal: null, text, line, ...more });

describe('rules', () => {
  const text = 'rulebook: x\nrules:\n  - id: a\n    what: {speed_km_h: {above: 75, release_below: 70, for_s: 30}}\n    where: {any: [country:UA]}\n  - id: b\n    what: {speed_km_h: {above: 16}}\n';
  const rules = [
    rule('a', '    id: a\n    what: {speed_km_h: {above: 75, release_below: 70, for_s: 30}}\n    where: {any: [country:UA]}', 3),
    rule('b', '    id: b\n    what: {speed_km_h: {above: 16}}', 6),
    rule('c', '    id: c\n    who: {account: suspended}', 9),
  ];
  it('get another speed limit in their own lines alone', () => {
    const made = withSpeed(text, rules[0]!, 60)!;
    expect(made).toBe(text.replace('above: 75', 'above: 60').replace('release_below: 70', 'release_below: 55'));
    expect(withSpeed(text, rules[1]!, 10)).toBe(text.replace('above: 16', 'above: 10'));
    expect(withSpeed(text, rules[2]!, 10)).toBeNull();
    expect(withSpeed(text, { ...rules[0]!, line: 0 }, 10)).toBeNull();
    expect(withSpeed(text, { ...rules[0]!, line: 99 }, 10)).toBeNull();
  });
  it('name the limit to try: one of a place before one of a plan', () => {
    expect(speedLimits(rules).map((each) => [each.rule, each.above, each.placed])).toEqual([['a', 75, true], ['b', 16, false]]);
    expect(tryLimit(speedLimits(rules))).toMatchObject({ limit: { rule: 'a' }, above: 60 });
    expect(tryLimit([])).toBeNull();
    expect([lower(75), lower(16), lower(1)]).toEqual([60, 13, 1]);
  });
  it('are found by every word, wherever it stands', () => {
    expect(matching(rules, 'order SPEED').map((each) => each.id)).toEqual(['a', 'b']);
    expect(matching(rules, 'too fast ua').map((each) => each.id)).toEqual(['a']);
    expect(matching(rules, '').length).toBe(3);
  });
  it('of a what-if are points by the new answer', () => {
    expect([answerOf('serve'), answerOf('serve (never_served)'), answerOf('deny (normal)')]).toEqual(['serve', 'never_served', 'deny']);
    const row = { terminal_id: 't', lat_deg: 1, lon_deg: 2, before: 'serve', after: 'deny', rule_before: '', rule_after: '', country: '', plan: '', programme: '', class: '' };
    const spots = spotsOf([row, { ...row, lat_deg: null }]);
    expect(spots).toEqual([{ id: 't', lat: 1, lon: 2, key: 'deny' }]);
    expect(around([...spots, { ...spots[0]!, lat: -5, lon: 9 }])).toEqual([[2, -5], [9, 1]]);
    expect(around([])).toBeNull();
  });
});

describe('forms', () => {
  const problem = (body: object) => new Problem({ title: 'no', status: 422, ...body });
  it('find the field that a refusal names', () => {
    expect(wrongIn(problem({ field: 'request.ask[0].op', detail: 'request.ask[0].op is `x`', help: 'one of a, b' }))).toEqual([{ at: 'ask.0.op', says: 'One of a, b.', value: 'x' }]);
    expect(wrongIn(problem({ field: 'text', detail: 'text is too long', help: 'shorten it' }))).toEqual([{ at: 'text', says: 'Text is too long. Shorten it.' }]);
    expect(wrongIn(problem({ detail: '`requester` is `nobody`' }))).toMatchObject([{ at: 'requester' }]);
    expect(wrongIn(problem({ errors: [{ key: 'text', message: 'too short' }, { key: 'ask', message: 'too few' }] })).map((each) => each.at)).toEqual(['text', 'ask']);
    expect(wrongIn(problem({ detail: 'nothing is named' }))).toEqual([]);
    expect([concerns('ask.0.op', 'ask.0.op'), concerns('requester', 'requester.names.0'), concerns('ask.1.op', 'ask.0.op'), concerns('text', 'texts')]).toEqual([true, true, false, false]);
  });
  it('send instants in UTC, and only what is given', () => {
    expect(instantOf('2026-02-10T06:00', 'utc')).toBe('2026-02-10T06:00:00.000Z');
    expect(Date.parse(instantOf('2026-02-10T06:00', 'local'))).toBe(new Date('2026-02-10T06:00').getTime());
    expect([instantOf('', 'utc'), instantOf('soon', 'utc')]).toEqual(['', 'soon']);
    expect(given({ a: '', b: null, c: 0, d: 'x' })).toEqual({ c: 0, d: 'x' });
    expect(linesOf(' a \n\nb\na')).toEqual(['a', 'b']);
  });
  it('make changes as the service takes them', () => {
    const entry = { ...ENTRY, holder: 'A (invented)', device: 't-1', expires: '2027-01-01T00:00' };
    expect(changeOf({ ...newChange('list'), id: 'pass', add: [entry], remove: 'entry-1\n' }, 'utc')).toEqual({
      object: 'list/pass', value: { list: null, add: [{ holder: 'A (invented)', terminal_id: 't-1', legal_class: 'individual', state: 'active', expires_at_ns: '1798761600000000000' }], remove: ['entry-1'] },
    });
    expect(changeOf({ ...newChange('delete'), id: 'area/x ' }, 'utc')).toEqual({ object: 'area/x', delete: true });
    expect(changeOf({ ...newChange('area'), areas: { name: 'f', value: { type: 'Feature' }, ids: ['x'] } }, 'utc')).toEqual({ object: 'area', value: { type: 'Feature' } });
    expect(idsIn({ type: 'FeatureCollection', features: [{ properties: { id: 'a' } }, { id: 'b' }] })).toEqual(['a', 'b']);
    expect([idsIn([]), idsIn({ type: 'Point' }), idsIn(null)]).toEqual([null, null, null]);
  });
  it('ask who it is in the ways that the service knows', () => {
    expect(partyOf({ ...NOBODY, names: 'Harbour (invented)\nГавань (invented)', jurisdiction: 'AT' })).toEqual({ kind: 'legal_entity', names: ['Harbour (invented)', 'Гавань (invented)'], jurisdiction: 'AT' });
    expect([partyOf({ ...NOBODY, how: 'none' }), partyOf({ ...NOBODY, how: 'self' }), partyOf({ ...NOBODY, how: 'known', id: ' party-1 ' })]).toEqual([null, 'self', 'party-1']);
  });
  it('know how a charter stands, and the month before', () => {
    const now = Date.parse('2026-11-23T05:00:00Z');
    expect([standingOf({ expired: true, expires_at: null }, now), standingOf({ expired: false, expires_at: '2026-12-24T00:00:00Z' }, now), standingOf({ expired: false, expires_at: '2027-06-01T00:00:00Z' }, now)]).toEqual(['expired', 'soon', 'in_force']);
    expect(monthBefore(now)).toEqual({ from: '2026-10-01', until: '2026-11-01' });
    expect(monthBefore(Date.parse('2026-01-02T00:00:00Z'))).toEqual({ from: '2025-11-01', until: '2025-12-01' });
    expect([caseHref({ of: 'emergency-1', kind: 'emergency' }), caseHref({ of: 'contact-1', kind: 'contact' }), caseHref({ of: 'ab', kind: 'proposal' })]).toEqual(['/emergencies#emergency-1', '/contacts/contact-1', '/proposals/ab']);
  });
});

describe('governance', () => {
  const inside = { proposal_digest: 'ab', verdict: 'approve', person: 'party-ї' };
  const payload = toBase64(utf8(JSON.stringify(inside)));
  it('reads what somebody signed, and hands in only what an envelope has', () => {
    const read = readEnvelope(JSON.stringify({ payload, payloadType: 'application/x', signatures: [{ sig: 's', keyid: 'k', extra: 1 }], more: 2 }));
    expect(read).toEqual({ envelope: { payload, payloadType: 'application/x', signatures: [{ sig: 's', keyid: 'k' }] }, proposal: 'ab', verdict: 'approve', person: 'party-ї', of: null });
    expect([kindOf({ payload, payloadType: 'application/vnd.groundrule.emergency-close+json', signatures: [] }), kindOf({ payload, payloadType: 'text/plain', signatures: [] })]).toEqual(['emergency-close', '']);
    expect(readEnvelope(JSON.stringify({ payload: '!', payloadType: 'x', signatures: [{ sig: 's' }] }))).toMatchObject({ proposal: null, verdict: null });
    for (const bad of ['', 'null', '[]', '{}', '{"payload":"","payloadType":"","signatures":[]}', '{"payload":"a","payloadType":"b","signatures":[null]}']) expect(readEnvelope(bad)).toBeNull();
    expect(payloadOf({ envelope: { payload } })).toEqual(inside);
    expect(payloadOf({ minute: 'x' })).toBeNull();
  });
  it('puts what changes before what stays', () => {
    const rows = impactRows({ serve: { serve: { ordinary: 9 }, deny: { ordinary: 2, hospital: 3 } } });
    expect(rows.map((row) => [row.after, row.kind, row.n])).toEqual([['deny', 'hospital', 3], ['deny', 'ordinary', 2], ['serve', 'ordinary', 9]]);
  });
  it('offers the decisions at which something changed', () => {
    const row = (observed_at: string, outcome: 'serve' | 'deny') => ({ observed_at, decided_at: observed_at, outcome, state: 'normal', rule: null, reason: 'r' });
    expect(turns([row('4', 'deny'), row('3', 'deny'), row('2', 'serve'), row('1', 'serve')]).map((each) => each.observed_at)).toEqual(['3', '1']);
  });
  it('shortens ids and tells intervals', () => {
    expect(shortId(`request-${'8'.repeat(32)}`)).toBe('request-88888888…');
    expect(shortId(`sha256:${'a'.repeat(64)}`)).toBe('aaaaaaaa…');
    expect(shortId('area/front-strip')).toBe('area/front-strip');
    const now = Date.parse('2026-06-01T00:00:00Z');
    expect([holds('2026-07-01T00:00:00Z', null, now), holds(null, '2026-06-01T00:00:00Z', now), holds(null, null, now)]).toEqual(['before', 'after', 'now']);
    expect(namesIn(' a \n\nb\na\n')).toEqual(['a', 'b']);
  });
});

describe('evidence', () => {
  it('cuts a text at its claims by code points, overlapping ones as well', () => {
    const made = cut('a😀bcd', [[1, 3], [2, 4]], [[4, 5]]);
    expect(made).toEqual([
      { text: 'a', marks: [], aside: false }, { text: '😀', marks: [0], aside: false }, { text: 'b', marks: [0, 1], aside: false },
      { text: 'c', marks: [1], aside: false }, { text: 'd', marks: [], aside: true },
    ]);
    expect(cut('', [[0, 3]])).toEqual([]);
    expect(cut('ab', [[-5, 99]]).map((each) => each.text).join('')).toBe('ab');
  });
  it('says spans of time', () => {
    expect([span(45, { language: 'en' }), span(600, { language: 'en' }), span(7_200, { language: 'en' }), span(777_670, { language: 'en' }), span(null, { language: 'en' })]).toEqual(['45 seconds', '10 minutes', '2 hours', '9 days', '–']);
  });
  it('leads from a reference to its page', () => {
    expect(hrefOf('terminal:a/b')).toBe('/terminals/a%2Fb');
    expect(hrefOf('party:x')).toBeNull();
  });
  it('draws growth as steps that never fall', () => {
    const made = stairs([{ at: 0, value: 1 }, { at: 5, value: 2 }, { at: 10, value: 4 }]);
    expect(made[0]).toEqual([0, 75]);
    expect(made[made.length - 1]).toEqual([100, 0]);
    for (let i = 1; i < made.length; i++) expect(made[i]![1]).toBeLessThanOrEqual(made[i - 1]![1]);
    expect(stairs([])).toEqual([]);
    expect(stairs([{ at: 3, value: 2 }])).toEqual([[0, 0], [100, 0]]);
  });
  it('tells entries apart in a line', () => {
    expect(gist({ kind: 'decision-batch', body: { minute: '2026-02-10T06:04:00.000Z', inner_root: 'x' } })).toBe('2026-02-10 06:04');
    expect(gist({ kind: 'approval', body: { payloadType: 'application/vnd.groundrule.approval+json', payload: '' } })).toBe('groundrule.approval+json');
  });
  it('shows a newcomer a refusal by speed first, and one by sanctions last', () => {
    const row = (id: string, reason: string) => ({ id, outcome: 'deny' as const, state: 'normal', rule: null, reason, observed_at: '', lat: null, lon: null, areas: [] });
    expect(telling([row('a', 'sanctions'), row('b', 'unlicensed_country'), row('c', 'moving_too_fast_for_policy')])?.id).toBe('c');
    expect(telling([row('a', 'sanctions'), row('b', 'other')])?.id).toBe('b');
    expect(telling([])).toBeUndefined();
  });
});

describe('proof of an entry', () => {
  const leaf = async (text: string) => sha256(new Uint8Array([0]), utf8(text));
  const policy = async () => {
    const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
    const key = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
    const id = (await sha256(utf8('log.example\n'), new Uint8Array([1]), key)).slice(0, 4);
    const text = `log log.example+${hex(id)}+${toBase64(new Uint8Array([1, ...key]))}\nquorum none\n`;
    return { pair, id, text };
  };
  const proofOf = async (pair: CryptoKeyPair, id: Uint8Array, entry: string) => {
    const [own, other] = [await leaf(entry), await leaf('other')];
    const root = await sha256(new Uint8Array([1]), own, other);
    const body = `log.example\n2\n${toBase64(root)}\n`;
    const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, utf8(body)));
    return `c2sp.org/tlog-proof@v1\nindex 0\n${toBase64(other)}\n\n${body}\n— log.example ${toBase64(new Uint8Array([...id, ...signature]))}\n`;
  };
  it('holds, and fails where a byte, the place, the policy or the signature is another', async () => {
    const { pair, id, text } = await policy();
    const proof = await proofOf(pair, id, 'entry');
    const good = await verifyEntry(proof, 'entry', 0, text);
    expect(good.steps.map((step) => [step.name, step.state, step.detail])).toEqual([
      ['policy', 'holds', 'quorum none'], ['entry', 'holds', hex(await leaf('entry'))], ['inclusion', 'holds', '0 / 2'], ['log', 'holds', 'log.example'], ['witness', 'holds', 'quorum none'],
    ]);
    expect(good).toMatchObject({ holds: true, complete: true, size: 2, index: 0 });
    const failing = async (...given: Parameters<typeof verifyEntry>) => (await verifyEntry(...given)).steps.find((step) => step.state === 'fails')?.name;
    expect(await failing(proof, 'Entry', 0, text)).toBe('inclusion');
    expect(await failing(proof, 'entry', 1, text)).toBe('entry');
    expect(await failing(proof, 'entry', 0, 'nonsense')).toBe('policy');
    expect(await failing(proof, 'entry', 0, (await policy()).text)).toBeDefined();
    expect(await failing('', 'entry', 0, text)).toBe('entry');
    const forged = await proofOf((await policy()).pair, id, 'entry');
    expect(await failing(forged, 'entry', 0, text)).toBeDefined();
  });
  it('passes over the line of a receipt', () => {
    expect(parseProof('c2sp.org/tlog-proof@v1\nextra e30=\nindex 7\n\nnote').index).toBe(7);
    expect(() => parseProof('c2sp.org/tlog-proof@v1\n\nnote')).toThrow('index');
  });
});
