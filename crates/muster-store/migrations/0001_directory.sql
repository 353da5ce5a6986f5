-- The first shape of the database. One text for SQLite and PostgreSQL: words in double braces are replaced by
-- `store::dialect` (`uuid`, `blob`, `bool`, `key`, `clustered`). Times are microseconds since 1970-01-01 UTC.
-- Keys begin with the tenant, so that tenants can one day be spread over several databases.

CREATE TABLE tenants (
    id {{uuid}} PRIMARY KEY,
    slug {{key}} NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The vendor's switch: nothing of the integration works while it is off.
    okta_enabled {{bool}} NOT NULL,
    created_at BIGINT NOT NULL,
    -- The number of the last history entry. Locked by every write, so the numbers have no gap.
    history_seq BIGINT NOT NULL,
    -- The history_seq at which managers were last resolved for everybody; they need no new look while it stands.
    managers_seq BIGINT NOT NULL,
    rules_revision BIGINT NOT NULL
);

CREATE TABLE rules (
    tenant_id {{uuid}} NOT NULL REFERENCES tenants (id),
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (tenant_id, revision)
);

CREATE TABLE okta_connections (
    tenant_id {{uuid}} PRIMARY KEY REFERENCES tenants (id),
    -- Scheme, host and port, normalised: https://acme.okta.com
    api_url TEXT,
    client_id TEXT,
    app_id TEXT,
    -- The stable id of the Okta organisation (00o…), once seen.
    org_id TEXT,
    -- null while all is well, else the code of the problem that needs a person.
    attention TEXT,
    attention_at BIGINT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE secrets (
    tenant_id {{uuid}} NOT NULL REFERENCES tenants (id),
    field {{key}} NOT NULL,
    -- The Okta host this secret may be sent to; part of what the cipher authenticates.
    host TEXT NOT NULL,
    key_id {{key}} NOT NULL,
    nonce {{blob}} NOT NULL,
    ciphertext {{blob}} NOT NULL,
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (tenant_id, field)
);

-- One row a master key that this database knows: a known text under that key, to notice a wrong key file at once.
CREATE TABLE master_keys (
    key_id {{key}} PRIMARY KEY,
    nonce {{blob}} NOT NULL,
    ciphertext {{blob}} NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE people (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    version BIGINT NOT NULL,
    okta_user_id {{key}},
    okta_status TEXT,
    okta_created BIGINT,
    status TEXT NOT NULL,
    status_reason TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key {{key}} NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    -- First and last name for comparing (core::name::key_of).
    name_key {{key}} NOT NULL,
    title TEXT,
    language TEXT,
    location_id {{uuid}},
    team_id {{uuid}},
    photo_url TEXT,
    -- Days since 1970-01-01.
    start_date BIGINT,
    role TEXT NOT NULL,
    break_glass {{bool}} NOT NULL,
    from_okta BIGINT NOT NULL,
    pinned BIGINT NOT NULL,
    login TEXT,
    -- The login for comparing, only where it differs from the e-mail.
    login_key {{key}},
    employee_number TEXT,
    display_name TEXT,
    manager_raw TEXT,
    -- manager_raw for comparing (core::manager::key).
    manager_key {{key}},
    -- Who manager_key is, as far as the directory knows: an active person or not.
    manager_id {{uuid}},
    -- A manager set by hand.
    manager_hand_id {{uuid}},
    deactivated_at BIGINT,
    -- Someone above learner who comes back after long absence may sign in only once an owner or admin says so.
    confirm_needed {{bool}} NOT NULL,
    -- Fingerprint of what Okta said when this row was last planned; null when it must be planned again.
    planned_hash {{blob}},
    planned_rules BIGINT,
    -- The day (as start_date) on which a date of this person makes a new plan due, if one does.
    due_day BIGINT,
    -- When Okta was asked for what this row shows.
    observed_at BIGINT,
    -- What was degraded or odd when this row was last planned: a bit a core::problem::ProblemCode.
    problems BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {{clustered}};
CREATE UNIQUE INDEX people_by_okta ON people (tenant_id, okta_user_id) WHERE okta_user_id IS NOT NULL;
CREATE UNIQUE INDEX people_by_email ON people (tenant_id, email_key);
CREATE INDEX people_by_login ON people (tenant_id, login_key) WHERE login_key IS NOT NULL;
CREATE INDEX people_by_manager ON people (tenant_id, manager_id) WHERE manager_id IS NOT NULL;
CREATE INDEX people_manager_lost ON people (tenant_id, manager_key) WHERE manager_key IS NOT NULL AND manager_id IS NULL;
CREATE INDEX people_unmanaged ON people (tenant_id, name_key) WHERE okta_user_id IS NULL;
CREATE INDEX people_by_number ON people (tenant_id, employee_number) WHERE employee_number IS NOT NULL;
CREATE INDEX people_with_problems ON people (tenant_id, problems) WHERE problems <> 0;
CREATE INDEX people_to_confirm ON people (tenant_id) WHERE confirm_needed;
CREATE INDEX people_owners ON people (tenant_id) WHERE role = 'owner';

CREATE TABLE teams (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    name TEXT NOT NULL,
    name_key {{key}} NOT NULL,
    -- okta: made by a run; hand: made here.
    origin TEXT NOT NULL,
    parent_id {{uuid}},
    manager_id {{uuid}},
    -- hand or first_member, when there is a manager.
    manager_source TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX teams_by_name ON teams (tenant_id, name_key);

-- Secondary teams. The primary one is people.team_id, which the sync feeds; these it never touches.
CREATE TABLE memberships (
    tenant_id {{uuid}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    team_id {{uuid}} NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, person_id, team_id)
);

CREATE TABLE locations (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    name TEXT NOT NULL,
    name_key {{key}} NOT NULL,
    time_zone TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX locations_by_name ON locations (tenant_id, name_key);

-- A decision by hand that an Okta user is (or is not) an account that exists here.
CREATE TABLE pairings (
    tenant_id {{uuid}} NOT NULL,
    okta_user_id {{key}} NOT NULL,
    person_id {{uuid}} NOT NULL,
    same {{bool}} NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, okta_user_id)
);

-- What Okta said, staged under the run that read it: only the attributes that the rules name.
CREATE TABLE mirror (
    tenant_id {{uuid}} NOT NULL,
    run_id {{uuid}} NOT NULL,
    -- The place in the listing. Okta's order has nothing to do with its ids, so rows by place are appended, and rows by id
    -- would be strewn over the whole table.
    place BIGINT NOT NULL,
    okta_user_id {{key}} NOT NULL,
    okta_status TEXT NOT NULL,
    okta_created BIGINT,
    email_key {{key}},
    -- First and last name for comparing, as in people.
    name_key {{key}} NOT NULL,
    -- JSON object of the kept attributes.
    attributes TEXT NOT NULL,
    hash {{blob}} NOT NULL,
    -- When the page was asked for.
    observed_at BIGINT NOT NULL,
    -- Another Okta user of this listing that has the same e-mail and comes first.
    email_winner TEXT,
    -- Waits for the step that moves contended e-mails.
    deferred {{bool}} NOT NULL,
    PRIMARY KEY (tenant_id, run_id, place)
) {{clustered}};
CREATE UNIQUE INDEX mirror_by_okta ON mirror (tenant_id, run_id, okta_user_id);
CREATE INDEX mirror_deferred ON mirror (tenant_id, run_id) WHERE deferred;

-- The spine: append only. One statement may alter it (erasure of one person's before and after).
CREATE TABLE history (
    tenant_id {{uuid}} NOT NULL,
    seq BIGINT NOT NULL,
    id {{uuid}} NOT NULL,
    at BIGINT NOT NULL,
    -- person, team, location, settings, rules, credential, run
    subject TEXT NOT NULL,
    subject_id {{uuid}},
    -- create, link, update, reactivate, deactivate, manager, approve, discard, …
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    cause TEXT NOT NULL,
    run_id {{uuid}},
    reason TEXT,
    -- JSON object of the fields that changed, each as text or null.
    before TEXT,
    after TEXT,
    PRIMARY KEY (tenant_id, seq)
) {{clustered}};
CREATE INDEX history_by_subject ON history (tenant_id, subject_id, seq);

CREATE TABLE runs (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    state TEXT NOT NULL,
    phase TEXT NOT NULL,
    -- Where the phase stands: an opaque text of that phase.
    cursor TEXT,
    listing TEXT,
    rules_revision BIGINT NOT NULL,
    -- The run whose held removals this one carries out.
    approves {{uuid}},
    counts TEXT NOT NULL,
    problems TEXT NOT NULL,
    calls BIGINT NOT NULL,
    -- Times the listing was begun again after a refused cursor.
    restarts BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    started_at BIGINT,
    read_started_at BIGINT,
    finished_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX runs_open ON runs (tenant_id, queued_at) WHERE state IN ('queued', 'running');

-- What a run found about single people and did not simply apply: the rows of a preview, removals on their way, people
-- skipped or in need of a decision.
CREATE TABLE run_items (
    tenant_id {{uuid}} NOT NULL,
    run_id {{uuid}} NOT NULL,
    -- The Okta user id, which names each person read or missing exactly once.
    okta_user_id {{key}} NOT NULL,
    person_id {{uuid}},
    change TEXT NOT NULL,
    -- For removals: candidate, out, held, applied, dismissed. For the others: noted.
    state TEXT NOT NULL,
    -- listed or missing, for removals.
    proof TEXT,
    -- What to call the person: an address or a name.
    label TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- The codes of the problems met, comma separated.
    problems TEXT NOT NULL,
    status_reason TEXT,
    -- JSON object: field -> [before, after]
    fields TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, okta_user_id)
);
CREATE INDEX run_items_by_state ON run_items (tenant_id, run_id, change, state, okta_user_id);

-- One row a tenant and lane: who works there, and the number that fences off whoever lost it.
CREATE TABLE lanes (
    tenant_id {{uuid}} NOT NULL,
    lane {{key}} NOT NULL,
    claim BIGINT NOT NULL,
    run_id {{uuid}},
    owner TEXT,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, lane)
);
