-- Rows of jobs come and go: the space of those that are gone is wanted again soon.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER TABLE hook_state SET (fillfactor = 50);
