CREATE TABLE revisions (
  revision BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  source TEXT COLLATE "C" NOT NULL,
  source_digest TEXT COLLATE "C" NOT NULL,
  governed BOOLEAN NOT NULL,
  inserted BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  unchanged BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  previous TEXT COLLATE "C" NOT NULL,
  digest TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (revision)
)
--
CREATE TABLE terminals (
  version BIGSERIAL NOT NULL,
  terminal_id TEXT COLLATE "C" NOT NULL,
  kit_number TEXT COLLATE "C",
  utid TEXT COLLATE "C",
  dish_id TEXT COLLATE "C",
  account_id TEXT COLLATE "C",
  plan TEXT COLLATE "C",
  programmes TEXT COLLATE "C",
  donor TEXT COLLATE "C",
  custodian TEXT COLLATE "C",
  protected_class TEXT COLLATE "C",
  service_lat_deg DOUBLE PRECISION,
  service_lon_deg DOUBLE PRECISION,
  activation_country TEXT COLLATE "C",
  activated_at BIGINT,
  software_version TEXT COLLATE "C",
  registration TEXT COLLATE "C",
  cell_state TEXT COLLATE "C",
  purpose TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX terminals_by_key ON terminals (terminal_id, superseded_at)
--
CREATE TABLE accounts (
  version BIGSERIAL NOT NULL,
  account_id TEXT COLLATE "C" NOT NULL,
  party_id TEXT COLLATE "C",
  country TEXT COLLATE "C",
  state TEXT COLLATE "C",
  quota TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX accounts_by_key ON accounts (account_id, superseded_at)
--
CREATE TABLE parties (
  version BIGSERIAL NOT NULL,
  party_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C",
  kind TEXT COLLATE "C",
  legal_class TEXT COLLATE "C",
  screening TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX parties_by_key ON parties (party_id, superseded_at)
--
CREATE TABLE plans (
  version BIGSERIAL NOT NULL,
  plan_id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C",
  source TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX plans_by_key ON plans (plan_id, superseded_at)
--
CREATE TABLE programmes (
  version BIGSERIAL NOT NULL,
  programme_id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C",
  donor TEXT COLLATE "C",
  purpose TEXT COLLATE "C",
  source TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX programmes_by_key ON programmes (programme_id, superseded_at)
--
CREATE TABLE lists (
  version BIGSERIAL NOT NULL,
  list_id TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C",
  source TEXT COLLATE "C",
  quota_individual BIGINT,
  quota_sole_trader BIGINT,
  quota_legal_entity BIGINT,
  quota_critical BIGINT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX lists_by_key ON lists (list_id, superseded_at)
--
CREATE TABLE list_entries (
  version BIGSERIAL NOT NULL,
  entry_id TEXT COLLATE "C" NOT NULL,
  list_id TEXT COLLATE "C",
  terminal_id TEXT COLLATE "C",
  kit_number TEXT COLLATE "C",
  utid TEXT COLLATE "C",
  dish_id TEXT COLLATE "C",
  account_id TEXT COLLATE "C",
  state TEXT COLLATE "C",
  legal_class TEXT COLLATE "C",
  holder TEXT COLLATE "C",
  sponsor TEXT COLLATE "C",
  submitted_at BIGINT,
  expires_at BIGINT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX list_entries_by_key ON list_entries (entry_id, superseded_at)
--
CREATE TABLE policy_never (id text COLLATE "C" PRIMARY KEY)
--
CREATE TABLE policy_writing (enactment bigint NOT NULL, never text COLLATE "C" NOT NULL REFERENCES policy_never (id) DEFERRABLE INITIALLY DEFERRED)
--
CREATE TABLE policy_enactments (log_index bigint PRIMARY KEY, proposal text COLLATE "C" NOT NULL, rulebook text COLLATE "C" NOT NULL, areas text COLLATE "C" NOT NULL, lists text COLLATE "C" NOT NULL, enacted_at bigint NOT NULL)
--
CREATE TABLE lists_salt (salt bytea NOT NULL)
--
CREATE TABLE registers_home (id text COLLATE "C" NOT NULL)
--
CREATE FUNCTION registers_keep() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  RAISE EXCEPTION 'registers are append-only' USING ERRCODE = 'integrity_constraint_violation';
END$body$
--
CREATE FUNCTION policy_keep() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  RAISE EXCEPTION 'what was in force is never changed' USING ERRCODE = 'integrity_constraint_violation';
END$body$
--
CREATE FUNCTION policy_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
END$body$
--
CREATE FUNCTION policy_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  IF EXISTS (SELECT 1 FROM policy_enactments) AND NOT EXISTS (SELECT 1 FROM policy_writing) THEN
    RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END$body$
--
CREATE FUNCTION policy_state_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM policy_writing) THEN
    RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END$body$
--
CREATE FUNCTION policy_begin(entry bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $body$
BEGIN
  IF EXISTS (SELECT 1 FROM policy_writing) OR EXISTS (SELECT 1 FROM policy_enactments WHERE log_index >= entry) THEN
    RAISE EXCEPTION 'only an enactment writes policy, and each once' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO policy_writing VALUES (entry, '');
END$body$
--
REVOKE ALL ON FUNCTION policy_begin(entry bigint) FROM PUBLIC
--
CREATE FUNCTION policy_state(entry bigint, proposed text, book text, area_set text, listed text, since bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $body$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM policy_writing WHERE enactment = entry) THEN
    RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO policy_enactments VALUES (entry, proposed, book, area_set, listed, since);
  DELETE FROM policy_writing;
END$body$
--
REVOKE ALL ON FUNCTION policy_state(entry bigint, proposed text, book text, area_set text, listed text, since bigint) FROM PUBLIC
--
CREATE FUNCTION policy_salt(drawn bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $body$
BEGIN
  IF EXISTS (SELECT 1 FROM policy_enactments) OR EXISTS (SELECT 1 FROM lists_salt) THEN
    RAISE EXCEPTION 'what was in force is never changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO lists_salt VALUES (drawn);
END$body$
--
REVOKE ALL ON FUNCTION policy_salt(drawn bytea) FROM PUBLIC
--
CREATE TRIGGER revisions_keep BEFORE DELETE ON revisions FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE revisions ENABLE ALWAYS TRIGGER revisions_keep
--
CREATE TRIGGER revisions_keep_all BEFORE TRUNCATE ON revisions FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE revisions ENABLE ALWAYS TRIGGER revisions_keep_all
--
CREATE TRIGGER terminals_keep BEFORE DELETE ON terminals FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE terminals ENABLE ALWAYS TRIGGER terminals_keep
--
CREATE TRIGGER terminals_keep_all BEFORE TRUNCATE ON terminals FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE terminals ENABLE ALWAYS TRIGGER terminals_keep_all
--
CREATE TRIGGER accounts_keep BEFORE DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_keep
--
CREATE TRIGGER accounts_keep_all BEFORE TRUNCATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_keep_all
--
CREATE TRIGGER parties_keep BEFORE DELETE ON parties FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE parties ENABLE ALWAYS TRIGGER parties_keep
--
CREATE TRIGGER parties_keep_all BEFORE TRUNCATE ON parties FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE parties ENABLE ALWAYS TRIGGER parties_keep_all
--
CREATE TRIGGER plans_keep BEFORE DELETE ON plans FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE plans ENABLE ALWAYS TRIGGER plans_keep
--
CREATE TRIGGER plans_keep_all BEFORE TRUNCATE ON plans FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE plans ENABLE ALWAYS TRIGGER plans_keep_all
--
CREATE TRIGGER programmes_keep BEFORE DELETE ON programmes FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE programmes ENABLE ALWAYS TRIGGER programmes_keep
--
CREATE TRIGGER programmes_keep_all BEFORE TRUNCATE ON programmes FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE programmes ENABLE ALWAYS TRIGGER programmes_keep_all
--
CREATE TRIGGER lists_keep BEFORE DELETE ON lists FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE lists ENABLE ALWAYS TRIGGER lists_keep
--
CREATE TRIGGER lists_keep_all BEFORE TRUNCATE ON lists FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE lists ENABLE ALWAYS TRIGGER lists_keep_all
--
CREATE TRIGGER list_entries_keep BEFORE DELETE ON list_entries FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE list_entries ENABLE ALWAYS TRIGGER list_entries_keep
--
CREATE TRIGGER list_entries_keep_all BEFORE TRUNCATE ON list_entries FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE list_entries ENABLE ALWAYS TRIGGER list_entries_keep_all
--
CREATE TRIGGER policy_enactments_fixed BEFORE UPDATE ON policy_enactments FOR EACH STATEMENT EXECUTE FUNCTION policy_keep()
--
ALTER TABLE policy_enactments ENABLE ALWAYS TRIGGER policy_enactments_fixed
--
CREATE TRIGGER lists_salt_fixed BEFORE UPDATE ON lists_salt FOR EACH STATEMENT EXECUTE FUNCTION policy_keep()
--
ALTER TABLE lists_salt ENABLE ALWAYS TRIGGER lists_salt_fixed
--
CREATE TRIGGER policy_enactments_keep BEFORE DELETE ON policy_enactments FOR EACH STATEMENT EXECUTE FUNCTION policy_keep()
--
ALTER TABLE policy_enactments ENABLE ALWAYS TRIGGER policy_enactments_keep
--
CREATE TRIGGER lists_salt_keep BEFORE DELETE ON lists_salt FOR EACH STATEMENT EXECUTE FUNCTION policy_keep()
--
ALTER TABLE lists_salt ENABLE ALWAYS TRIGGER lists_salt_keep
--
CREATE TRIGGER policy_enactments_keep_all BEFORE TRUNCATE ON policy_enactments FOR EACH STATEMENT EXECUTE FUNCTION policy_keep()
--
ALTER TABLE policy_enactments ENABLE ALWAYS TRIGGER policy_enactments_keep_all
--
CREATE TRIGGER lists_salt_keep_all BEFORE TRUNCATE ON lists_salt FOR EACH STATEMENT EXECUTE FUNCTION policy_keep()
--
ALTER TABLE lists_salt ENABLE ALWAYS TRIGGER lists_salt_keep_all
--
CREATE TRIGGER policy_never_empty BEFORE INSERT ON policy_never FOR EACH STATEMENT EXECUTE FUNCTION policy_refuse()
--
ALTER TABLE policy_never ENABLE ALWAYS TRIGGER policy_never_empty
--
CREATE TRIGGER programmes_enacted_insert BEFORE INSERT ON programmes FOR EACH STATEMENT EXECUTE FUNCTION policy_guard()
--
ALTER TABLE programmes ENABLE ALWAYS TRIGGER programmes_enacted_insert
--
CREATE TRIGGER programmes_enacted_update BEFORE UPDATE ON programmes FOR EACH STATEMENT EXECUTE FUNCTION policy_guard()
--
ALTER TABLE programmes ENABLE ALWAYS TRIGGER programmes_enacted_update
--
CREATE TRIGGER lists_enacted_insert BEFORE INSERT ON lists FOR EACH STATEMENT EXECUTE FUNCTION policy_guard()
--
ALTER TABLE lists ENABLE ALWAYS TRIGGER lists_enacted_insert
--
CREATE TRIGGER lists_enacted_update BEFORE UPDATE ON lists FOR EACH STATEMENT EXECUTE FUNCTION policy_guard()
--
ALTER TABLE lists ENABLE ALWAYS TRIGGER lists_enacted_update
--
CREATE TRIGGER list_entries_enacted_insert BEFORE INSERT ON list_entries FOR EACH STATEMENT EXECUTE FUNCTION policy_guard()
--
ALTER TABLE list_entries ENABLE ALWAYS TRIGGER list_entries_enacted_insert
--
CREATE TRIGGER list_entries_enacted_update BEFORE UPDATE ON list_entries FOR EACH STATEMENT EXECUTE FUNCTION policy_guard()
--
ALTER TABLE list_entries ENABLE ALWAYS TRIGGER list_entries_enacted_update
--
CREATE TRIGGER policy_enactments_enacted_insert BEFORE INSERT ON policy_enactments FOR EACH STATEMENT EXECUTE FUNCTION policy_state_guard()
--
ALTER TABLE policy_enactments ENABLE ALWAYS TRIGGER policy_enactments_enacted_insert
--
CREATE TRIGGER revisions_fixed BEFORE UPDATE ON revisions FOR EACH ROW EXECUTE FUNCTION registers_keep()
--
ALTER TABLE revisions ENABLE ALWAYS TRIGGER revisions_fixed
--
CREATE TRIGGER terminals_fixed BEFORE UPDATE ON terminals FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.terminal_id IS DISTINCT FROM NEW.terminal_id OR OLD.kit_number IS DISTINCT FROM NEW.kit_number OR OLD.utid IS DISTINCT FROM NEW.utid OR OLD.dish_id IS DISTINCT FROM NEW.dish_id OR OLD.account_id IS DISTINCT FROM NEW.account_id OR OLD.plan IS DISTINCT FROM NEW.plan OR OLD.programmes IS DISTINCT FROM NEW.programmes OR OLD.donor IS DISTINCT FROM NEW.donor OR OLD.custodian IS DISTINCT FROM NEW.custodian OR OLD.protected_class IS DISTINCT FROM NEW.protected_class OR OLD.service_lat_deg IS DISTINCT FROM NEW.service_lat_deg OR OLD.service_lon_deg IS DISTINCT FROM NEW.service_lon_deg OR OLD.activation_country IS DISTINCT FROM NEW.activation_country OR OLD.activated_at IS DISTINCT FROM NEW.activated_at OR OLD.software_version IS DISTINCT FROM NEW.software_version OR OLD.registration IS DISTINCT FROM NEW.registration OR OLD.cell_state IS DISTINCT FROM NEW.cell_state OR OLD.purpose IS DISTINCT FROM NEW.purpose OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE terminals ENABLE ALWAYS TRIGGER terminals_fixed
--
CREATE TRIGGER accounts_fixed BEFORE UPDATE ON accounts FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.account_id IS DISTINCT FROM NEW.account_id OR OLD.party_id IS DISTINCT FROM NEW.party_id OR OLD.country IS DISTINCT FROM NEW.country OR OLD.state IS DISTINCT FROM NEW.state OR OLD.quota IS DISTINCT FROM NEW.quota OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_fixed
--
CREATE TRIGGER parties_fixed BEFORE UPDATE ON parties FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.party_id IS DISTINCT FROM NEW.party_id OR OLD.name IS DISTINCT FROM NEW.name OR OLD.kind IS DISTINCT FROM NEW.kind OR OLD.legal_class IS DISTINCT FROM NEW.legal_class OR OLD.screening IS DISTINCT FROM NEW.screening OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE parties ENABLE ALWAYS TRIGGER parties_fixed
--
CREATE TRIGGER plans_fixed BEFORE UPDATE ON plans FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.plan_id IS DISTINCT FROM NEW.plan_id OR OLD.title IS DISTINCT FROM NEW.title OR OLD.source IS DISTINCT FROM NEW.source OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE plans ENABLE ALWAYS TRIGGER plans_fixed
--
CREATE TRIGGER programmes_fixed BEFORE UPDATE ON programmes FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.programme_id IS DISTINCT FROM NEW.programme_id OR OLD.title IS DISTINCT FROM NEW.title OR OLD.donor IS DISTINCT FROM NEW.donor OR OLD.purpose IS DISTINCT FROM NEW.purpose OR OLD.source IS DISTINCT FROM NEW.source OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE programmes ENABLE ALWAYS TRIGGER programmes_fixed
--
CREATE TRIGGER list_entries_fixed BEFORE UPDATE ON list_entries FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.entry_id IS DISTINCT FROM NEW.entry_id OR OLD.list_id IS DISTINCT FROM NEW.list_id OR OLD.terminal_id IS DISTINCT FROM NEW.terminal_id OR OLD.kit_number IS DISTINCT FROM NEW.kit_number OR OLD.utid IS DISTINCT FROM NEW.utid OR OLD.dish_id IS DISTINCT FROM NEW.dish_id OR OLD.account_id IS DISTINCT FROM NEW.account_id OR OLD.state IS DISTINCT FROM NEW.state OR OLD.legal_class IS DISTINCT FROM NEW.legal_class OR OLD.holder IS DISTINCT FROM NEW.holder OR OLD.sponsor IS DISTINCT FROM NEW.sponsor OR OLD.submitted_at IS DISTINCT FROM NEW.submitted_at OR OLD.expires_at IS DISTINCT FROM NEW.expires_at OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE list_entries ENABLE ALWAYS TRIGGER list_entries_fixed
--
CREATE TRIGGER lists_fixed BEFORE UPDATE ON lists FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.list_id IS DISTINCT FROM NEW.list_id OR OLD.title IS DISTINCT FROM NEW.title OR OLD.source IS DISTINCT FROM NEW.source OR OLD.quota_individual IS DISTINCT FROM NEW.quota_individual OR OLD.quota_sole_trader IS DISTINCT FROM NEW.quota_sole_trader OR OLD.quota_legal_entity IS DISTINCT FROM NEW.quota_legal_entity OR OLD.quota_critical IS DISTINCT FROM NEW.quota_critical OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE lists ENABLE ALWAYS TRIGGER lists_fixed
