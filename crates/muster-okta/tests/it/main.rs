//! The client from outside: against a scripted Okta, over HTTP, and against what real Okta sent.

mod client;
mod hooks;
mod http;
mod limits;
mod logs;
mod samples;
mod script;
