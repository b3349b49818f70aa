/** Which keys count, and how many witnesses are enough (C2SP tlog-policy). */
import { check, decimal, utf8 } from './bytes';
import { parseKey, type Key } from './keys';

export interface Policy {
  readonly logs: readonly Key[];
  readonly witnesses: readonly { readonly name: string; readonly key: Key }[];
  /** Name of a group: threshold and members; null for a witness. */
  readonly groups: ReadonlyMap<string, { readonly need: number; readonly members: readonly string[] } | null>;
  readonly quorum: string;
}

/** Read the lines log, witness, group and quorum; nothing is used before it is defined, nor twice. */
export async function parsePolicy(text: string): Promise<Policy> {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  check(text.endsWith('\n') && !/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text) && utf8(text).length <= 1_000_000, 'a control character, or no end of the last line');
  const logs: Key[] = [];
  const witnesses: { name: string; key: Key }[] = [];
  const groups = new Map<string, { need: number; members: string[] } | null>();
  let free = new Set<string>();
  let quorum: string | null = null;
  const isNew = (name: string) => name !== 'none' && !groups.has(name);
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line.replace(/^[ \t]+|[ \t]+$/g, '').split(/[ \t]+/);
    const [first = '', second = ''] = rest;
    if (word === '' || word.startsWith('#')) continue;
    if (word === 'log' && (rest.length === 1 || rest.length === 2)) logs.push(await parseKey(first));
    else if (word === 'witness' && (rest.length === 2 || rest.length === 3) && isNew(first)) {
      witnesses.push({ name: first, key: await parseKey(second) });
      groups.set(first, null);
      free.add(first);
    } else if (word === 'group' && rest.length >= 3 && isNew(first) && rest.slice(2).every((member) => free.has(member))) {
      const members = rest.slice(2);
      const need = second === 'any' ? 1 : second === 'all' ? members.length : decimal(second, 'a threshold of the policy');
      check(need >= 1 && need <= members.length && new Set(members).size === members.length, `the group ${first} has an impossible threshold or members`);
      groups.set(first, { need, members });
      free = new Set([...free].filter((name) => !members.includes(name)).concat(first));
    } else if (word === 'quorum' && rest.length === 1 && quorum === null && (first === 'none' || groups.has(first))) quorum = first;
    else check(false, `the line ${line.slice(0, 60)} of the policy is not in order`);
  }
  check(quorum !== null, 'the policy has no quorum line');
  check(logs.every((key) => key.type !== 4) && witnesses.every(({ key }) => key.type === 4 || key.type === 6), 'the policy has a key of a type that does not fit its use');
  for (const keys of [logs, witnesses.map(({ key }) => key)]) {
    check(new Set(keys.map((key) => key.public.join())).size === keys.length, 'the policy has a key twice');
    check(new Set(keys.map((key) => `${key.name}\n${key.id}`)).size === keys.length, 'the policy has a key twice');
  }
  return { logs: logs.filter((key) => key.type === 1 || key.type === 6), witnesses, groups, quorum };
}

/** Whether the witnesses seen satisfy the group or witness of that name. */
export function reached(policy: Policy, seen: ReadonlySet<string>, name: string = policy.quorum): boolean {
  if (name === 'none') return true;
  const group = policy.groups.get(name);
  if (!group) return seen.has(name);
  return group.members.filter((member) => reached(policy, seen, member)).length >= group.need;
}
