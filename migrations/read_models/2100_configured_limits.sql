-- The command API follows the limits that are configured, as it follows the blocked addresses: both are
-- asked for with every request and kept in memory.
GRANT SELECT ON read.configurations TO agora_writer;
