/** Check any receipt, with nobody logged in and nothing sent anywhere. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { PageHead, Section } from '../components/basic';
import { useWords } from '../i18n';
import { FileText, VerifyPanel } from '../verify/panel';

export default function Verify(): JSX.Element {
  const t = useWords();
  const [receipt, setReceipt] = useState('');
  return (
    <div class="page">
      <PageHead title={t('verify.title')} intro={t('verify.intro')} />
      <Section title={t('verify.receipt')}>
        <FileText label={t('verify.receipt')} value={receipt} onChange={setReceipt} />
      </Section>
      <Section title={t('receipt.check')}>
        <VerifyPanel receipt={receipt || null} />
        <h3>{t('verify.by_command')}</h3>
        <pre class="command">groundrule ledger verify RECEIPT --policy POLICY{'\n'}python groundrule_verify.py RECEIPT --policy POLICY</pre>
      </Section>
    </div>
  );
}
