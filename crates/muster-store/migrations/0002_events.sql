-- Events of Okta, and the work that waits. None of these tables refers to `tenants`: a reference takes a lock on the tenant's
-- row, and whoever stores an event must not wait for a run that holds it.

-- Calls of hooks that were answered and not yet sorted into the tables below: those of any tenants that came at the same time
-- share a row. Rows are only added and dropped, so that storing one writes as little as can be.
CREATE TABLE hook_inbox (
    -- Grows with time.
    id {{uuid}} PRIMARY KEY,
    at BIGINT NOT NULL,
    -- JSON: a list of calls.
    calls TEXT NOT NULL
) {{clustered}};

-- One event of Okta, by hook or from the System Log.
CREATE TABLE okta_events (
    tenant_id {{uuid}} NOT NULL,
    -- Okta's id of the event.
    uuid {{key}} NOT NULL,
    type TEXT NOT NULL,
    -- By Okta's clock.
    published BIGINT,
    -- When it first came by hook; null while it never did.
    hook_at BIGINT,
    -- When it was first seen in the System Log; null while it was not.
    logged_at BIGINT,
    -- How often it came by hook.
    copies BIGINT NOT NULL,
    -- The call of the hook that brought it first.
    delivery_id TEXT,
    -- What it names: person, group or app, with its id; null when it leads to nothing.
    kind TEXT,
    key {{key}},
    -- Why it leads to nothing.
    ignored TEXT,
    applied_at BIGINT,
    run_id {{uuid}},
    PRIMARY KEY (tenant_id, uuid)
) {{clustered}};
CREATE INDEX okta_events_waiting ON okta_events (tenant_id, key) WHERE applied_at IS NULL AND kind IS NOT NULL;

-- Work that waits. A job is known by tenant, kind and key: asking again for one that waits changes nothing but how soon.
CREATE TABLE jobs (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    -- person, misc
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    key {{key}} NOT NULL,
    -- waiting, taken, dead
    state TEXT NOT NULL,
    -- Small ones first.
    priority BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    -- How often it was taken.
    attempts BIGINT NOT NULL,
    enqueued_at BIGINT NOT NULL,
    -- When it was asked for last: what was read before that does not answer it.
    asked_at BIGINT NOT NULL,
    -- A word of core::run::RunCause.
    cause TEXT NOT NULL,
    -- The newest event that asks for it.
    event_id TEXT,
    -- The run that took it, in the person lane.
    run_id {{uuid}},
    -- What went wrong last.
    error TEXT,
    PRIMARY KEY (tenant_id, id)
) {{clustered}};
CREATE UNIQUE INDEX jobs_waiting ON jobs (tenant_id, kind, key) WHERE state = 'waiting';
-- Which tenants have work, and what comes next there.
CREATE INDEX jobs_due ON jobs (due_at, tenant_id, lane) WHERE state = 'waiting';
CREATE INDEX jobs_next ON jobs (tenant_id, lane, priority, due_at) WHERE state = 'waiting';
CREATE INDEX jobs_taken ON jobs (tenant_id, lane) WHERE state = 'taken';
CREATE INDEX jobs_dead ON jobs (tenant_id, kind, key) WHERE state = 'dead';

-- When single people were last read by their id. Full runs go by it: their pages may be older.
CREATE TABLE sightings (
    tenant_id {{uuid}} NOT NULL,
    okta_user_id {{key}} NOT NULL,
    observed_at BIGINT NOT NULL,
    -- They were not assigned, or their status was out.
    is_out {{bool}} NOT NULL,
    run_id {{uuid}} NOT NULL,
    PRIMARY KEY (tenant_id, okta_user_id)
) {{clustered}};

-- What the hook's door goes by and counts, one row a tenant.
CREATE TABLE hook_state (
    tenant_id {{uuid}} PRIMARY KEY,
    -- Grows whenever something changes that the door goes by: the switch, the secrets, the app, its groups.
    version BIGINT NOT NULL,
    -- Until when the hook secret before the last rotation still counts.
    before_until BIGINT,
    -- When the groups of the app were last read; null while nobody did.
    app_groups_at BIGINT,
    deliveries BIGINT NOT NULL,
    events BIGINT NOT NULL,
    -- Events that led to nothing, those of unknown types included.
    ignored BIGINT NOT NULL,
    unknown_types BIGINT NOT NULL,
    -- Calls with a wrong secret, and since when; both forgotten at the next good one.
    refused BIGINT NOT NULL,
    refused_since BIGINT,
    refused_at BIGINT,
    verified_at BIGINT,
    first_event_at BIGINT,
    last_event_at BIGINT,
    -- Calls of event hooks that Okta gave up, as its log tells; when the last of them was, and why.
    undelivered BIGINT NOT NULL DEFAULT 0,
    undelivered_at BIGINT,
    undelivered_why TEXT
);

-- Bodies that could not be read, the newest few.
CREATE TABLE hook_asides (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    -- Bytes of the whole body, as far as it was read.
    size BIGINT NOT NULL,
    -- Its first 64 KiB.
    body {{blob}} NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Where the reading of the System Log stands.
CREATE TABLE log_cursors (
    tenant_id {{uuid}} PRIMARY KEY,
    -- The next page, as Okta named it.
    next_link TEXT,
    last_published BIGINT,
    polled_at BIGINT,
    -- null while all is well, else the code of what is wrong.
    state TEXT,
    -- Names the types of events that the next page holds.
    types TEXT
);

-- The groups assigned to the app.
CREATE TABLE app_groups (
    tenant_id {{uuid}} NOT NULL,
    group_id {{key}} NOT NULL,
    PRIMARY KEY (tenant_id, group_id)
) {{clustered}};

-- How many people had access when the run began: the guard's whole. Null before, and for runs of single people.
ALTER TABLE runs ADD COLUMN had_access BIGINT;

-- The event that a change follows from.
ALTER TABLE history ADD COLUMN event_id TEXT;
