/** Pages are fetched when they are first opened. */
import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Problem } from '../api/client';
import { Loading, ProblemNote } from './basic';

export function lazy<P extends object>(load: () => Promise<{ default: FunctionComponent<P> }>): FunctionComponent<P> {
  let found: FunctionComponent<P> | null = null;
  return function Lazy(props: P) {
    const [, setReady] = useState(found !== null);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (found) return;
      load().then(
        (module) => {
          found = module.default;
          setReady(true);
        },
        () => setFailed(true),
      );
    }, []);
    if (failed) return <ProblemNote problem={new Problem({ title: '', status: 0 })} retry={() => window.location.reload()} />;
    const Page = found;
    return Page ? <Page {...props} /> : <Loading />;
  };
}
