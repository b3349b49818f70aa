CREATE TABLE addresses (
  version INTEGER NOT NULL,
  address TEXT NOT NULL,
  terminal_id TEXT,
  valid_from BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  governed BOOLEAN NOT NULL,
  PRIMARY KEY (version)
)
--
CREATE INDEX addresses_by_key ON addresses (address, superseded_at)
--
CREATE TRIGGER addresses_keep BEFORE DELETE ON addresses BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
--
CREATE TRIGGER addresses_fixed BEFORE UPDATE ON addresses WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.address IS NOT NEW.address OR OLD.terminal_id IS NOT NEW.terminal_id OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
