-- As in 0001: a tenant's rows are many, and what comes after the tenant in a key is what narrows a search.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('alarms', 'alarms_open', '100 2 1'),
    ('alarms', 'alarms_to_mail', '10 1'),
    ('runs', 'runs_full', '1000 1000 1'),
    ('runs', 'runs_held', '3 3 1'),
    ('people', 'people_due', '1000 1000 50'),
    ('okta_events', 'okta_events_missed', '1000 1000 1');
ANALYZE sqlite_schema;
