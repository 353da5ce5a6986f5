//! muster-okta
