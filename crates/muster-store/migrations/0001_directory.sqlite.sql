-- A tenant that has an active owner always keeps one. Sync and commands refuse before it comes to this; a mistake in
-- either must not lock everybody out.
CREATE TRIGGER people_keep_owner_update AFTER UPDATE ON people
WHEN OLD.role = 'owner' AND OLD.status = 'active' AND (NEW.role <> 'owner' OR NEW.status <> 'active')
BEGIN
    SELECT RAISE(ABORT, 'muster: last active owner')
    WHERE NOT EXISTS (
        SELECT 1 FROM people WHERE tenant_id = OLD.tenant_id AND role = 'owner' AND status = 'active'
    );
END;

CREATE TRIGGER people_keep_owner_delete AFTER DELETE ON people
WHEN OLD.role = 'owner' AND OLD.status = 'active'
BEGIN
    SELECT RAISE(ABORT, 'muster: last active owner')
    WHERE NOT EXISTS (
        SELECT 1 FROM people WHERE tenant_id = OLD.tenant_id AND role = 'owner' AND status = 'active'
    );
END;
