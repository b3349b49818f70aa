ALTER TABLE lists ADD COLUMN submitters TEXT COLLATE "C"
--
DROP TRIGGER lists_fixed ON lists
--
CREATE TRIGGER lists_fixed BEFORE UPDATE ON lists FOR EACH ROW WHEN (OLD.superseded_at <> 9223372036854775807 OR OLD.version IS DISTINCT FROM NEW.version OR OLD.list_id IS DISTINCT FROM NEW.list_id OR OLD.title IS DISTINCT FROM NEW.title OR OLD.source IS DISTINCT FROM NEW.source OR OLD.quota_individual IS DISTINCT FROM NEW.quota_individual OR OLD.quota_sole_trader IS DISTINCT FROM NEW.quota_sole_trader OR OLD.quota_legal_entity IS DISTINCT FROM NEW.quota_legal_entity OR OLD.quota_critical IS DISTINCT FROM NEW.quota_critical OR OLD.submitters IS DISTINCT FROM NEW.submitters OR OLD.valid_from IS DISTINCT FROM NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until OR OLD.recorded_at IS DISTINCT FROM NEW.recorded_at OR OLD.revision IS DISTINCT FROM NEW.revision OR OLD.governed IS DISTINCT FROM NEW.governed) EXECUTE FUNCTION registers_keep()
--
ALTER TABLE lists ENABLE ALWAYS TRIGGER lists_fixed
