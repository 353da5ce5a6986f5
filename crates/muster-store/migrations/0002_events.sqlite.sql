-- As in 0001: a tenant's rows are many, and what comes after the tenant in a key is what narrows a search.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('okta_events', 'okta_events', '100000 100000 1'),
    ('okta_events', 'okta_events_waiting', '1000 1000 2'),
    ('jobs', 'jobs', '10000 10000 1'),
    ('jobs', 'jobs_waiting', '10000 10000 5000 1'),
    ('jobs', 'jobs_due', '10000 2 1 1'),
    ('jobs', 'jobs_next', '10000 10000 5000 1000 2'),
    ('jobs', 'jobs_taken', '200 200 200'),
    ('jobs', 'jobs_dead', '100 100 50 1'),
    ('app_groups', 'app_groups', '1000 1000 1');
ANALYZE sqlite_schema;
