-- Why: the planner's statistics held wrapped keys, and went on holding those that were destroyed.
ALTER TABLE vault.subject_keys ALTER COLUMN wrapped_key SET STATISTICS 0;
-- Removes those that there are.
ALTER TABLE vault.subject_keys ALTER COLUMN wrapped_key TYPE bytea;
