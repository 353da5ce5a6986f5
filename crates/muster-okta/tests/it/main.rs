//! The client from outside: against a scripted Okta, over HTTP, and against what real Okta sent.

mod client;
mod http;
mod limits;
mod samples;
mod script;
