-- By itself, since it goes through all days, and here keeps nobody from writing and searching meanwhile.
ALTER TABLE log.security_audit_packs VALIDATE CONSTRAINT security_audit_packs_columns;
