//! Several at once.
