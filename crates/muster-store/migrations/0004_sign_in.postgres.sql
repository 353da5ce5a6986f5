-- Whoever loses access is out at once, by whatever way they lose it: in the same transaction, and by the database itself. The same for
-- whoever must be confirmed first, and for whoever is somebody else at Okta from now on.
CREATE FUNCTION people_end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sessions WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id;
    DELETE FROM password_links WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id;
    DELETE FROM okta_proofs WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER people_end_sessions AFTER UPDATE OF status, confirm_needed, okta_user_id ON people FOR EACH ROW
WHEN ((OLD.status = 'active' AND NEW.status <> 'active')
    OR (NEW.confirm_needed AND NOT OLD.confirm_needed)
    OR (OLD.okta_user_id IS NOT NULL AND OLD.okta_user_id IS DISTINCT FROM NEW.okta_user_id))
EXECUTE FUNCTION people_end_sessions();

-- Whom Okta feeds from now on comes in by Okta: a password counts for owners and for whom Okta does not know.
CREATE FUNCTION people_end_password_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sessions WHERE tenant_id = NEW.tenant_id AND person_id = NEW.id AND NOT by_okta;
    RETURN NULL;
END $$;

CREATE TRIGGER people_end_password_sessions AFTER UPDATE OF okta_user_id ON people FOR EACH ROW
WHEN (OLD.okta_user_id IS NULL AND NEW.okta_user_id IS NOT NULL AND NEW.role <> 'owner')
EXECUTE FUNCTION people_end_password_sessions();
