//! Categories, communities, memberships and visits.
