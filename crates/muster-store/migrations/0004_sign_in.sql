-- Signing in: how a tenant lets people in, their sessions, and the passwords of those who have one.

ALTER TABLE tenants ADD COLUMN okta_only {{bool}} NOT NULL DEFAULT FALSE;
ALTER TABLE tenants ADD COLUMN session_idle_minutes BIGINT NOT NULL DEFAULT 720;
ALTER TABLE tenants ADD COLUMN session_max_minutes BIGINT NOT NULL DEFAULT 10080;

-- When somebody last went to Okta and back by *Connect*, all being well, and who it was; null once the connection is another.
ALTER TABLE okta_connections ADD COLUMN connected_at BIGINT;
ALTER TABLE okta_connections ADD COLUMN connected_by {{uuid}};
-- Who signs, as the organisation's discovery said then.
ALTER TABLE okta_connections ADD COLUMN issuer TEXT;

CREATE TABLE sessions (
    tenant_id {{uuid}} NOT NULL,
    -- For lists and for ending it; says nothing about the token.
    id {{uuid}} NOT NULL,
    -- SHA-256 of what the cookie holds.
    token_hash {{blob}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    -- By Okta, or with a password.
    by_okta {{bool}} NOT NULL,
    began_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    -- The browser as it named itself, and where it was.
    agent TEXT NOT NULL,
    place TEXT,
    -- The sealed ID token, which Okta wants at a logout.
    logout_hint TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX sessions_by_token ON sessions (tenant_id, token_hash);
CREATE INDEX sessions_by_person ON sessions (tenant_id, person_id);

-- Each round trip to Okta counts once. Kept for as long as its cookie could come again.
CREATE TABLE used_states (
    tenant_id {{uuid}} NOT NULL,
    state_hash {{blob}} NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, state_hash)
);

CREATE TABLE passwords (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    -- PHC text of Argon2id.
    hash TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    -- The moment at which all wrong tries are forgotten (core::signin::Throttle).
    forgotten_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);

CREATE TABLE second_factors (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    -- The sealed secret of the codes; it begins with the id of its key.
    secret TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    -- Counts only once a first code was right.
    confirmed_at BIGINT,
    -- The time step of the last code taken: none is taken twice.
    last_step BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);

CREATE TABLE recovery_codes (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    code_hash {{blob}} NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant_id, person_id, code_hash)
);

-- One-time links for setting a password, one a person.
CREATE TABLE password_links (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    token_hash {{blob}} NOT NULL,
    made_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);
CREATE UNIQUE INDEX password_links_by_token ON password_links (tenant_id, token_hash);

-- Owners whose access stays although Okta says that they are out: the last one, and break-glass owners.
CREATE TABLE kept_owners (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    since BIGINT NOT NULL,
    -- When a run last found it so.
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);

-- Whom Okta showed when somebody here went there by *Connect*.
CREATE TABLE okta_proofs (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    okta_user_id {{key}} NOT NULL,
    -- JSON object of what was said of them, to be shown.
    said TEXT NOT NULL,
    -- Whether nothing was found wrong with the connection.
    is_good {{bool}} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);
