CREATE TABLE addresses (
  version BIGSERIAL NOT NULL,
  address TEXT COLLATE "C" NOT NULL,
  terminal_id TEXT COLLATE "C",
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX addresses_by_key ON addresses (address, superseded_at)
--
CREATE TRIGGER addresses_keep BEFORE DELETE ON addresses FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE addresses ENABLE ALWAYS TRIGGER addresses_keep
--
CREATE TRIGGER addresses_keep_all BEFORE TRUNCATE ON addresses FOR EACH STATEMENT EXECUTE FUNCTION registers_keep()
--
ALTER TABLE addresses ENABLE ALWAYS TRIGGER addresses_keep_all
--
CREATE TRIGGER addresses_fixed BEFORE UPDATE ON addresses FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.address IS DISTINCT FROM NEW.address OR OLD.terminal_id IS DISTINCT FROM NEW.terminal_id OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE addresses ENABLE ALWAYS TRIGGER addresses_fixed
--
DO $$
DECLARE
  holder record;
BEGIN
  -- Whoever may use the other registers may use this one.
  FOR holder IN SELECT DISTINCT grantee::regrole::text AS name, privilege_type AS may
    FROM pg_class, aclexplode(relacl) WHERE oid = 'parties'::regclass AND grantee <> 0 AND grantee <> relowner
  LOOP
    EXECUTE 'GRANT ' || holder.may || ' ON addresses TO ' || holder.name;
    IF holder.may = 'INSERT' THEN
      EXECUTE 'GRANT UPDATE (superseded_at) ON addresses TO ' || holder.name;
      EXECUTE 'GRANT USAGE ON SEQUENCE addresses_version_seq TO ' || holder.name;
    END IF;
  END LOOP;
  EXECUTE 'ALTER TABLE addresses OWNER TO ' || (SELECT relowner::regrole::text FROM pg_class WHERE oid = 'parties'::regclass);
END $$
