-- What somebody must be told, what the clock set off, and how Okta answers.

-- An alarm of a tenant: at most one of each kind is open.
CREATE TABLE alarms (
    tenant_id {{uuid}} NOT NULL,
    id {{uuid}} NOT NULL,
    -- A word of core::alarm::AlarmCode.
    code {{key}} NOT NULL,
    since BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    -- Since when and how many, in words.
    detail TEXT NOT NULL,
    -- When it ended; null while it lasts.
    cleared_at BIGINT,
    -- When everybody who should know was told by mail.
    mailed_at BIGINT,
    -- The ids of the people told so far, with commas between.
    mailed_to TEXT NOT NULL,
    -- Not before this is mail tried (again); also how whoever sends keeps others from sending the same.
    mail_due_at BIGINT NOT NULL,
    mail_tries BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX alarms_open ON alarms (tenant_id, code) WHERE cleared_at IS NULL;
CREATE INDEX alarms_to_mail ON alarms (mail_due_at) WHERE mailed_at IS NULL AND cleared_at IS NULL;

-- For which moment something last fell due by the clock, so that it falls due once, however many processes look.
CREATE TABLE ticks (
    tenant_id {{uuid}} NOT NULL,
    -- A word of core::schedule::Tick.
    tick {{key}} NOT NULL,
    fired_for BIGINT NOT NULL,
    fired_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, tick)
);

-- How Okta answered a tenant last.
CREATE TABLE okta_health (
    tenant_id {{uuid}} PRIMARY KEY,
    ok_at BIGINT,
    -- Since when nothing was answered as it should be; null when the last call was.
    failing_since BIGINT,
    -- The code of what went wrong last.
    failure TEXT
);

CREATE INDEX runs_full ON runs (tenant_id, queued_at) WHERE kind = 'full';
CREATE INDEX runs_approvals ON runs (tenant_id, approves) WHERE approves IS NOT NULL;
CREATE INDEX runs_held ON runs (tenant_id, queued_at) WHERE state = 'held';
-- Whose start date lies ahead.
CREATE INDEX people_due ON people (tenant_id, due_day) WHERE due_day IS NOT NULL;
-- Events that only the System Log had.
CREATE INDEX okta_events_missed ON okta_events (tenant_id, published) WHERE hook_at IS NULL;
