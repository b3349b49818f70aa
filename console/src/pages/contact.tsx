/** One contact, and every decision of that person to look at again. */
import type { JSX } from 'preact';
import { useJson } from '../api/resource';
import { Digest, Empty, Facts, Fetched, Icon, PageHead, Section, Tag, Time } from '../components/basic';
import { Code, Interval, LogLink, Note, PartyName, ShortId } from '../components/parts';
import { Table } from '../components/table';
import { span } from '../evidence/spans';
import type { ContactRow } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { ContactNames } from './contacts';
import type { PageProps } from './index';
import { useMay } from '../session';
import { useSettings } from '../settings';

export default function ContactPage({ params }: PageProps): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const id = params['id'] ?? '';
  const mayReports = useMay('reports:read');
  const mayReviews = useMay('reviews:read');
  const found = useJson<ContactRow>(`/v1/contacts/${encodeURIComponent(id)}`);
  if (found.problem?.status === 404) {
    return (
      <div class="page narrow">
        <Empty title={t('contacts.missing')}>
          <a class="button" href="/contacts">{t('nav.contacts')}</a>
        </Empty>
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={found.data ? <ContactNames row={found.data} /> : t('nav.contacts')} intro={<><a href="/contacts">{t('nav.contacts')}</a> · <ShortId value={id} /></>}>
        {found.data ? <Code group="contact_status" code={found.data.status} /> : null}
        <a class="button" href={`/dossiers?kind=contact&id=${encodeURIComponent(id)}`}>
          <Icon name="dossier" />
          {t('terminal.dossier')}
        </a>
      </PageHead>
      <Fetched of={found}>
        {(contact) => (
          <>
            {contact.allegation ? <Note tone="warn">{t('contacts.allegation_help')}</Note> : null}
            <div class="columns">
              <Section title={t('contacts.facts')}>
                <Facts
                  of={[
                    [t('contacts.person'), <PartyName of={contact.person} />],
                    [t('contacts.counterparty'), <><PartyName of={contact.counterparty} /> <span class="quiet">{codeWord(t, 'party_kind', contact.counterparty_kind)}</span></>],
                    [t('contacts.reported_by'), <PartyName of={contact.reported_by} />],
                    [t('contacts.basis'), codeWord(t, 'contact_basis', contact.basis)],
                    [t('contacts.capacity'), codeWord(t, 'capacity', contact.capacity)],
                    [t('requests.channel'), codeWord(t, 'channel', contact.channel)],
                    [t('contacts.pattern'), codeWord(t, 'pattern', contact.pattern)],
                    [t('contacts.topics'), contact.topics.map((each) => each.replaceAll('_', ' ')).join(', ')],
                    [t('contacts.when'), <Interval from={contact.occurred_from} until={contact.occurred_to} detail="minute" />],
                    [t('contacts.request'), contact.request ? <ShortId value={contact.request} href={`/requests/${contact.request}`} /> : null],
                  ]}
                />
              </Section>
              <Section title={t('requests.clock')}>
                <p>{contact.late ? <Tag tone="bad">{t('contacts.late', { span: span(contact.took_s, prefer) })}</Tag> : <Tag tone="good">{t('contacts.in_time')}</Tag>}</p>
                <Facts
                  of={[
                    [t('contacts.due'), <Time at={contact.due} detail="minute" />],
                    [t('contacts.reported'), <Time at={contact.reported_at} detail="minute" />],
                    [t('contacts.review'), contact.review ? <ShortId value={contact.review} {...(mayReviews ? { href: `/reviews#${contact.review}` } : {})} /> : null],
                    [t('proposals.verdict'), contact.verdict ? codeWord(t, 'verdict', contact.verdict) : null],
                    [t('nav.ledger'), <LogLink index={contact.log_index} />],
                  ]}
                />
              </Section>
            </div>
            <Section title={t('contacts.again')}>
              <p class="quiet">{t('contacts.again_help')}</p>
              {contact.re_review.length ? (
                <Table
                  caption={t('contacts.again')}
                  rows={contact.re_review}
                  keyOf={(row) => String(row.log_index)}
                  columns={[
                    { head: t('contacts.act'), names: true, cell: (row) => codeWord(t, 'act', row.act) },
                    { head: t('contacts.of'), cell: (row) => <ShortId value={row.of} {...(/^[0-9a-f]{64}$/.test(row.of) ? { href: `/proposals/${row.of}` } : {})} /> },
                    { head: t('contacts.touches'), cell: (row) => <Tag tone={row.touches ? 'warn' : 'plain'}>{t(row.touches ? 'common.yes' : 'common.no')}</Tag> },
                    { head: t('nav.ledger'), cell: (row) => <LogLink index={row.log_index} short /> },
                  ]}
                />
              ) : (
                <Empty title={t('contacts.again_none')} />
              )}
            </Section>
            {contact.evidence.length ? (
              <Section title={t('contacts.evidence')}>
                <Note>{t('reports.never_fact')}</Note>
                <ul>
                  {contact.evidence.map((each) => (
                    <li>
                      {mayReports ? <a href={`/reports/report-${each.sha256.slice(0, 32)}`}>{t('reports.report')}</a> : null} <Digest value={each.sha256} /> {each.url ?? ''} {each.lang ?? ''} {each.machine_translated ? <Tag tone="warn">{t('reports.machine')}</Tag> : null}
                    </li>
                  ))}
                </ul>
              </Section>
            ) : null}
          </>
        )}
      </Fetched>
    </div>
  );
}
