/** Keys of a page: single letters that act outside of fields, listed in the help while the page is open. */
import { useEffect, useRef } from 'preact/hooks';
import type { Key } from './i18n';
import { createStore } from './store';

export interface PageKey {
  /** As the browser names them, and as the help shows them. */
  readonly keys: readonly string[];
  readonly words: Key;
  /** Only while the focus is within what this selects: arrows scroll elsewhere. */
  readonly within?: string;
  readonly act: () => void;
}

/** What the help lists beside the keys of the whole console. */
export const pageKeys = createStore<readonly PageKey[]>([]);

const GO_MS = 1_500;

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function usePageKeys(keys: readonly PageKey[]): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    pageKeys.set(latest.current);
    let went = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      // The letter after `g` leads to a page.
      const after = went && Date.now() - went < GO_MS;
      went = event.key === 'g' && !after ? Date.now() : 0;
      if (after || went) return;
      const found = latest.current.find((each) => each.keys.includes(event.key));
      if (!found || (found.within && !(event.target as Element | null)?.closest?.(found.within))) return;
      event.preventDefault();
      found.act();
    };
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('keydown', onKey);
      pageKeys.set([]);
    };
  }, [keys.map((each) => each.keys.join(' ')).join(' ')]);
}
