//! Events of Okta, however they come: whoever they name is read again, and nothing else of them counts.

mod held;
mod histories;
mod net;
mod older;
mod single;
mod storms;
mod wire;
