-- A tenant that has an active owner always keeps one. Sync and commands refuse before it comes to this; a mistake in
-- either must not lock everybody out.
CREATE FUNCTION people_keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Two transactions that each remove one of two owners must not both see the other one.
    PERFORM 1 FROM tenants WHERE id = OLD.tenant_id FOR UPDATE;
    IF NOT EXISTS (
        SELECT 1 FROM people WHERE tenant_id = OLD.tenant_id AND role = 'owner' AND status = 'active'
    ) THEN
        RAISE EXCEPTION 'muster: last active owner';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER people_keep_owner_update AFTER UPDATE ON people FOR EACH ROW
WHEN (OLD.role = 'owner' AND OLD.status = 'active' AND (NEW.role <> 'owner' OR NEW.status <> 'active'))
EXECUTE FUNCTION people_keep_owner();

CREATE TRIGGER people_keep_owner_delete AFTER DELETE ON people FOR EACH ROW
WHEN (OLD.role = 'owner' AND OLD.status = 'active')
EXECUTE FUNCTION people_keep_owner();
