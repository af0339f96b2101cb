-- A request that failed is not answered: it stays in the queue of what is due until another of the same
-- person is completed (DXR-10).
CREATE INDEX data_export_requests_unanswered ON read.data_export_requests (due_at, request_id)
    WHERE status IN ('PENDING', 'PROCESSING', 'FAILED');
DROP INDEX read.data_export_requests_due;
