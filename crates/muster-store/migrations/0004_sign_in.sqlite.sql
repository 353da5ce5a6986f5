-- Whoever loses access is out at once, by whatever way they lose it: in the same transaction, and by the database itself. The same for
-- whoever must be confirmed first, and for whoever is somebody else at Okta from now on.
CREATE TRIGGER people_end_sessions AFTER UPDATE OF status, confirm_needed, okta_user_id ON people
WHEN (OLD.status = 'active' AND NEW.status <> 'active')
    OR (NEW.confirm_needed AND NOT OLD.confirm_needed)
    OR (OLD.okta_user_id IS NOT NULL AND OLD.okta_user_id IS NOT NEW.okta_user_id)
BEGIN
    DELETE FROM sessions WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id;
    DELETE FROM password_links WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id;
    DELETE FROM okta_proofs WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id;
END;

-- Whom Okta feeds from now on comes in by Okta: a password counts for owners and for whom Okta does not know.
CREATE TRIGGER people_end_password_sessions AFTER UPDATE OF okta_user_id ON people
WHEN OLD.okta_user_id IS NULL AND NEW.okta_user_id IS NOT NULL AND NEW.role <> 'owner'
BEGIN
    DELETE FROM sessions WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id AND NOT by_okta;
END;

-- As in 0001: a tenant's rows are many, and what comes after the tenant in a key is what narrows a search.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('sessions', 'sqlite_autoindex_sessions_1', '10000 10000 1'),
    ('sessions', 'sessions_by_token', '10000 10000 1'),
    ('sessions', 'sessions_by_person', '10000 10000 2'),
    ('used_states', 'sqlite_autoindex_used_states_1', '1000 1000 1'),
    ('password_links', 'sqlite_autoindex_password_links_1', '100 100 1'),
    ('password_links', 'password_links_by_token', '100 100 1');
ANALYZE sqlite_schema;
