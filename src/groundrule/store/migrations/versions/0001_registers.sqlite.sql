CREATE TABLE revisions (
  revision INTEGER NOT NULL,
  recorded_at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  source_digest TEXT NOT NULL,
  governed BOOLEAN NOT NULL,
  inserted BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  unchanged BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  previous TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (revision)
)
--
CREATE TABLE terminals (
  version INTEGER NOT NULL,
  terminal_id TEXT NOT NULL,
  kit_number TEXT,
  utid TEXT,
  dish_id TEXT,
  account_id TEXT,
  "plan" TEXT,
  programmes TEXT,
  donor TEXT,
  custodian TEXT,
  protected_class TEXT,
  service_lat_deg DOUBLE,
  service_lon_deg DOUBLE,
  activation_country TEXT,
  activated_at BIGINT,
  software_version TEXT,
  registration TEXT,
  cell_state TEXT,
  purpose TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX terminals_by_key ON terminals (terminal_id, superseded_at)
--
CREATE TABLE accounts (
  version INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  party_id TEXT,
  country TEXT,
  state TEXT,
  quota TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX accounts_by_key ON accounts (account_id, superseded_at)
--
CREATE TABLE parties (
  version INTEGER NOT NULL,
  party_id TEXT NOT NULL,
  name TEXT,
  kind TEXT,
  legal_class TEXT,
  screening TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX parties_by_key ON parties (party_id, superseded_at)
--
CREATE TABLE plans (
  version INTEGER NOT NULL,
  plan_id TEXT NOT NULL,
  title TEXT,
  source TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX plans_by_key ON plans (plan_id, superseded_at)
--
CREATE TABLE programmes (
  version INTEGER NOT NULL,
  programme_id TEXT NOT NULL,
  title TEXT,
  donor TEXT,
  purpose TEXT,
  source TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX programmes_by_key ON programmes (programme_id, superseded_at)
--
CREATE TABLE lists (
  version INTEGER NOT NULL,
  list_id TEXT NOT NULL,
  title TEXT,
  source TEXT,
  quota_individual BIGINT,
  quota_sole_trader BIGINT,
  quota_legal_entity BIGINT,
  quota_critical BIGINT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX lists_by_key ON lists (list_id, superseded_at)
--
CREATE TABLE list_entries (
  version INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  list_id TEXT,
  terminal_id TEXT,
  kit_number TEXT,
  utid TEXT,
  dish_id TEXT,
  account_id TEXT,
  state TEXT,
  legal_class TEXT,
  holder TEXT,
  sponsor TEXT,
  submitted_at BIGINT,
  expires_at BIGINT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX list_entries_by_key ON list_entries (entry_id, superseded_at)
--
CREATE TRIGGER revisions_keep BEFORE DELETE ON revisions BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER revisions_fixed BEFORE UPDATE ON revisions WHEN 1 BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER terminals_keep BEFORE DELETE ON terminals BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER terminals_fixed BEFORE UPDATE ON terminals WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.terminal_id IS NOT NEW.terminal_id OR OLD.kit_number IS NOT NEW.kit_number OR OLD.utid IS NOT NEW.utid OR OLD.dish_id IS NOT NEW.dish_id OR OLD.account_id IS NOT NEW.account_id OR OLD.plan IS NOT NEW.plan OR OLD.programmes IS NOT NEW.programmes OR OLD.donor IS NOT NEW.donor OR OLD.custodian IS NOT NEW.custodian OR OLD.protected_class IS NOT NEW.protected_class OR OLD.service_lat_deg IS NOT NEW.service_lat_deg OR OLD.service_lon_deg IS NOT NEW.service_lon_deg OR OLD.activation_country IS NOT NEW.activation_country OR OLD.activated_at IS NOT NEW.activated_at OR OLD.software_version IS NOT NEW.software_version OR OLD.registration IS NOT NEW.registration OR OLD.cell_state IS NOT NEW.cell_state OR OLD.purpose IS NOT NEW.purpose OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER accounts_keep BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER accounts_fixed BEFORE UPDATE ON accounts WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.account_id IS NOT NEW.account_id OR OLD.party_id IS NOT NEW.party_id OR OLD.country IS NOT NEW.country OR OLD.state IS NOT NEW.state OR OLD.quota IS NOT NEW.quota OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER parties_keep BEFORE DELETE ON parties BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER parties_fixed BEFORE UPDATE ON parties WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.party_id IS NOT NEW.party_id OR OLD.name IS NOT NEW.name OR OLD.kind IS NOT NEW.kind OR OLD.legal_class IS NOT NEW.legal_class OR OLD.screening IS NOT NEW.screening OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER plans_keep BEFORE DELETE ON plans BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER plans_fixed BEFORE UPDATE ON plans WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.plan_id IS NOT NEW.plan_id OR OLD.title IS NOT NEW.title OR OLD.source IS NOT NEW.source OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER programmes_keep BEFORE DELETE ON programmes BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER programmes_fixed BEFORE UPDATE ON programmes WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.programme_id IS NOT NEW.programme_id OR OLD.title IS NOT NEW.title OR OLD.donor IS NOT NEW.donor OR OLD.purpose IS NOT NEW.purpose OR OLD.source IS NOT NEW.source OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER lists_keep BEFORE DELETE ON lists BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER lists_fixed BEFORE UPDATE ON lists WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.list_id IS NOT NEW.list_id OR OLD.title IS NOT NEW.title OR OLD.source IS NOT NEW.source OR OLD.quota_individual IS NOT NEW.quota_individual OR OLD.quota_sole_trader IS NOT NEW.quota_sole_trader OR OLD.quota_legal_entity IS NOT NEW.quota_legal_entity OR OLD.quota_critical IS NOT NEW.quota_critical OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER list_entries_keep BEFORE DELETE ON list_entries BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER list_entries_fixed BEFORE UPDATE ON list_entries WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.entry_id IS NOT NEW.entry_id OR OLD.list_id IS NOT NEW.list_id OR OLD.terminal_id IS NOT NEW.terminal_id OR OLD.kit_number IS NOT NEW.kit_number OR OLD.utid IS NOT NEW.utid OR OLD.dish_id IS NOT NEW.dish_id OR OLD.account_id IS NOT NEW.account_id OR OLD.state IS NOT NEW.state OR OLD.legal_class IS NOT NEW.legal_class OR OLD.holder IS NOT NEW.holder OR OLD.sponsor IS NOT NEW.sponsor OR OLD.submitted_at IS NOT NEW.submitted_at OR OLD.expires_at IS NOT NEW.expires_at OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
