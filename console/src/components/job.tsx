/** Work that the service does by and by: how far it is, what came out, what went wrong. */
import type { ComponentChildren, JSX } from 'preact';
import { useJob } from '../api/resource';
import { Problem } from '../api/client';
import { useWords } from '../i18n';
import { Loading, ProblemNote, Progress } from './basic';

export function JobView<T>({ id, children }: { id: string; children: (result: T) => ComponentChildren }): JSX.Element {
  const t = useWords();
  const job = useJob(id);
  // Jobs are forgotten after a day, and when the service starts anew.
  if (job.problem?.status === 404) return <p class="note warn">{t('job.gone')}</p>;
  if (job.problem) return <ProblemNote problem={job.problem} retry={job.reload} />;
  if (!job.data) return <Loading />;
  const { state, progress, problem, result } = job.data;
  if (state === 'failed') {
    return <ProblemNote problem={new Problem({ status: problem?.status ?? 500, title: problem?.title ?? t('job.failed'), ...(problem?.detail ? { detail: problem.detail } : {}), ...(problem?.help ? { help: problem.help } : {}) })} />;
  }
  if (state === 'done') return <>{children(result as T)}</>;
  return (
    <div role="status">
      <Progress label={progress?.step ? progress.step : t(state === 'queued' ? 'job.queued' : 'job.running')} {...(progress ? { done: progress.done, total: progress.total } : {})} />
    </div>
  );
}
