ALTER TABLE lists ADD COLUMN submitters TEXT
--
DROP TRIGGER lists_fixed
--
CREATE TRIGGER lists_fixed BEFORE UPDATE ON lists WHEN OLD.superseded_at <> 9223372036854775807 OR OLD.version IS NOT NEW.version OR OLD.list_id IS NOT NEW.list_id OR OLD.title IS NOT NEW.title OR OLD.source IS NOT NEW.source OR OLD.quota_individual IS NOT NEW.quota_individual OR OLD.quota_sole_trader IS NOT NEW.quota_sole_trader OR OLD.quota_legal_entity IS NOT NEW.quota_legal_entity OR OLD.quota_critical IS NOT NEW.quota_critical OR OLD.submitters IS NOT NEW.submitters OR OLD.valid_from IS NOT NEW.valid_from OR OLD.valid_until IS NOT NEW.valid_until OR OLD.recorded_at IS NOT NEW.recorded_at OR OLD.revision IS NOT NEW.revision OR OLD.governed IS NOT NEW.governed BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END
