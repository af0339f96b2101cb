-- Guests are told what moderators changed of their comments, and why, as everybody else is (MOD-06).
-- The projection's next version writes the column anew for what is there.
ALTER TABLE read.moderation_log ADD COLUMN author_guestuser_id uuid;
CREATE INDEX moderation_log_by_guest ON read.moderation_log (author_guestuser_id, position DESC)
    WHERE author_guestuser_id IS NOT NULL;
