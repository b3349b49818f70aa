/** Contacts of covered persons with outside parties: how late each was told, and what was decided meanwhile. */
import type { JSX } from 'preact';
import { useJson, usePages } from '../api/resource';
import { Empty, PageHead, Section, Tag, Time } from '../components/basic';
import { Code, Interval, NotAllowedHere, Note, PartyName, Tabs } from '../components/parts';
import { PagedTable } from '../components/table';
import { span } from '../evidence/spans';
import { ContactForm, NilForm } from '../governance/contact_form';
import type { ContactRow, ContactsPage } from '../governance/types';
import { codeWord, useWords } from '../i18n';
import { usePlace } from '../router';
import { useMay } from '../session';
import { useSettings } from '../settings';

export default function Contacts(): JSX.Element {
  const t = useWords();
  const prefer = useSettings();
  const { query } = usePlace();
  const may = useMay('contacts:write');
  const late = query.get('late') === '1';
  const writing = query.get('new') === '1' ? 'new' : query.get('nil') === '1' ? 'nil' : '';
  const pages = usePages<ContactRow>('/v1/contacts', { limit: 50, late: late || null });
  const first = useJson<ContactsPage>('/v1/contacts', { limit: 1 });
  const tabs: [string, string, string][] = [['', t('common.all'), '/contacts'], ['late', t('contacts.late_only'), '/contacts?late=1']];
  if (may) tabs.push(['new', t('contacts.new'), '/contacts?new=1'], ['nil', t('contacts.nil_new'), '/contacts?nil=1']);
  if (writing) {
    return (
      <div class="page">
        <PageHead title={t('nav.contacts')} intro={t('contacts.intro')} />
        <Tabs label={t('nav.contacts')} current={writing} of={tabs} />
        {!may ? <NotAllowedHere needs="contacts:write" /> : writing === 'new' ? <ContactForm /> : <NilForm onDone={first.reload} />}
        {writing === 'nil' ? <Returns of={first.data} /> : null}
      </div>
    );
  }
  return (
    <div class="page">
      <PageHead title={t('nav.contacts')} intro={t('contacts.intro')} />
      <Tabs label={t('nav.contacts')} current={late ? 'late' : ''} of={tabs} />
      <PagedTable<ContactRow>
        pages={pages}
        caption={t('nav.contacts')}
        keyOf={(row) => row.id}
        empty={
          <Empty title={t(late ? 'contacts.none_late' : 'contacts.none')}>
            <p>{t('contacts.none_help')}</p>
            {may ? (
              <a class="button" href="/contacts?new=1">
                {t('contacts.new')}
              </a>
            ) : (
              <pre class="command">groundrule contact add FILE</pre>
            )}
          </Empty>
        }
        columns={[
          { head: t('contacts.contact'), names: true, cell: (row) => <a href={`/contacts/${row.id}`}><ContactNames row={row} /></a> },
          { head: t('contacts.status'), cell: (row) => <><Code group="contact_status" code={row.status} /> {row.allegation ? <span title={t('contacts.allegation_help')}><Tag tone="warn">{t('contacts.allegation')}</Tag></span> : null}</> },
          { head: t('contacts.told'), cell: (row) => (row.late ? <Tag tone="bad">{t('contacts.late', { span: span(row.took_s, prefer) })}</Tag> : <Tag tone="good">{t('contacts.in_time')}</Tag>) },
          { head: t('contacts.again'), figure: true, cell: (row) => row.re_review.length },
          { head: t('contacts.basis'), cell: (row) => codeWord(t, 'contact_basis', row.basis) },
          { head: t('contacts.when'), cell: (row) => <Interval from={row.occurred_from} until={row.occurred_to} /> },
          { head: t('contacts.reported'), cell: (row) => <Time at={row.reported_at} detail="minute" /> },
        ]}
      />
      <Note>{t('contacts.note')}</Note>
      <Returns of={first.data} />
    </div>
  );
}

/** Who said expressly that there was no contact, and who said nothing. */
function Returns({ of }: { of: ContactsPage | null }): JSX.Element | null {
  const t = useWords();
  if (!of?.nil_returns?.length && !of?.nil_overdue?.length) return null;
  return (
    <Section title={t('contacts.nil')}>
      <p class="quiet">{t('contacts.nil_help')}</p>
      {of.nil_overdue?.length ? (
        <p>
          <Tag tone="bad">{t('contacts.nil_overdue')}</Tag> {of.nil_overdue.map((each, i) => <>{i ? ', ' : ''}<PartyName of={each} /></>)}
        </p>
      ) : null}
      <ul>
        {of.nil_returns?.map((each) => (
          <li>
            <PartyName of={each.person} />: <Interval from={each.from} until={each.until} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Who with whom; without a button to copy, for it stands in a link. */
export function ContactNames({ row }: { row: ContactRow }): JSX.Element {
  return (
    <>
      {row.person.name ?? shorter(row.person.id)} – {row.counterparty.name ?? shorter(row.counterparty.id)}
    </>
  );
}

const shorter = (id: string) => (id.length > 18 ? `${id.slice(0, 14)}…` : id);

