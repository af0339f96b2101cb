//! Who is who: credentials, members, admins and their sessions.
