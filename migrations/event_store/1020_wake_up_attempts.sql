-- How often a wake-up has failed: each failure makes it wait longer, so that a mail server that is
-- away for hours is not asked every ten seconds for each mail.
ALTER TABLE process.wake_ups ADD COLUMN attempts integer NOT NULL DEFAULT 0;
