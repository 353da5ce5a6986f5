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

-- What the planner must know and could learn only from a full database: a tenant's rows are many, whatever table, and what
-- comes after the tenant in a key is what narrows a search. Without this it takes the tenant for a handful of rows and
-- walks through all of them. Numbers: rows, then rows for each longer part of the key.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('people', 'people', '100000 100000 1'),
    ('people', 'people_by_okta', '100000 100000 1'),
    ('people', 'people_by_email', '100000 100000 1'),
    ('people', 'people_by_login', '10000 10000 1'),
    ('people', 'people_by_manager', '100000 100000 6'),
    ('people', 'people_by_number', '100000 100000 1'),
    ('people', 'people_manager_lost', '1000 1000 5'),
    ('people', 'people_unmanaged', '1000 1000 1'),
    ('people', 'people_with_problems', '1000 1000 100'),
    ('people', 'people_owners', '3 3'),
    ('mirror', 'mirror', '200000 200000 100000 1'),
    ('mirror', 'mirror_by_okta', '200000 200000 100000 1'),
    ('mirror', 'mirror_deferred', '10 10 10'),
    ('history', 'history', '1000000 1000000 1'),
    ('history', 'history_by_subject', '1000000 1000000 10 1'),
    ('teams', 'teams_by_name', '1000 1000 1'),
    ('locations', 'locations_by_name', '1000 1000 1'),
    ('run_items', 'run_items_by_state', '10000 10000 1000 300 100 1'),
    ('runs', 'runs_open', '3 3 1');
ANALYZE sqlite_schema;
