CREATE TABLE account_links (
  version INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  payer_id TEXT,
  dealer_id TEXT,
  contact TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX account_links_by_key ON account_links (account_id, superseded_at)
--
CREATE TRIGGER account_links_keep BEFORE DELETE ON account_links BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER account_links_fixed BEFORE UPDATE ON account_links WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.account_id IS NOT NEW.account_id OR OLD.payer_id IS NOT NEW.payer_id OR OLD.dealer_id IS NOT NEW.dealer_id OR OLD.contact IS NOT NEW.contact OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
