CREATE TABLE account_links (
  version BIGSERIAL NOT NULL,
  account_id TEXT COLLATE "C" NOT NULL,
  payer_id TEXT COLLATE "C",
  dealer_id TEXT COLLATE "C",
  contact TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX account_links_by_key ON account_links (account_id, superseded_at)
--
CREATE TRIGGER account_links_keep BEFORE DELETE ON account_links FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE account_links ENABLE ALWAYS TRIGGER account_links_keep
--
CREATE TRIGGER account_links_keep_all BEFORE TRUNCATE ON account_links FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE account_links ENABLE ALWAYS TRIGGER account_links_keep_all
--
CREATE TRIGGER account_links_fixed BEFORE UPDATE ON account_links FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.account_id IS DISTINCT FROM NEW.account_id OR OLD.payer_id IS DISTINCT FROM NEW.payer_id OR OLD.dealer_id IS DISTINCT FROM NEW.dealer_id OR OLD.contact IS DISTINCT FROM NEW.contact OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE account_links ENABLE ALWAYS TRIGGER account_links_fixed
--
DO $$
DECLARE
  holder record;
BEGIN
  -- Whoever may use the other registers may use this one.
  FOR holder IN SELECT DISTINCT grantee::regrole::text AS name, privilege_type AS may
    FROM pg_class, aclexplode(relacl) WHERE oid = 'parties'::regclass AND grantee <> 0 AND grantee <> relowner
  LOOP
    EXECUTE 'GRANT ' || holder.may || ' ON account_links TO ' || holder.name;
    IF holder.may = 'INSERT' THEN
      EXECUTE 'GRANT UPDATE (superseded_at) ON account_links TO ' || holder.name;
      EXECUTE 'GRANT USAGE ON SEQUENCE account_links_version_seq TO ' || holder.name;
    END IF;
  END LOOP;
  EXECUTE 'ALTER TABLE account_links OWNER TO ' || (SELECT relowner::regrole::text FROM pg_class WHERE oid = 'parties'::regclass);
END $$
