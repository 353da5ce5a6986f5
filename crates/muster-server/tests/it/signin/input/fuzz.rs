//! Anything at all is sent to the pages: they answer, soon, and nothing of it is a mistake of ours.

use std::time::Duration;

use muster_server::web::routes::TABLE;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{ground, site};
use crate::support::Client;

/// How many requests are tried; a longer look is taken with `MUSTER_FUZZ_CASES`.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
fn cases() -> u32 {
    std::env::var("MUSTER_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[derive(Debug, Clone)]
struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    cookie: String,
    is_in: bool,
    body: Vec<u8>,
    shows_form: bool,
}

fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "return_to",
        "state",
        "code",
        "iss",
        "error",
        "error_description",
        "login_hint",
        "email",
        "password",
        "again",
        "entry",
        "okta-only",
        "break_glass",
        "idle",
        "absolute",
        "id",
        "csrf",
        "=",
        "&",
        "&&",
        "==",
        "%",
        "%00",
        "%FF",
        "%C3%A9",
        "%2f",
        "+",
        ";",
        "/",
        "//",
        "\\",
        "..",
        "https://evil.example",
        "on",
        "9223372036854775808",
        "-1",
        "00u1",
        "{",
        "}",
        "'",
        "\"",
    ]);
    prop::collection::vec(words, 0..12).prop_map(|words| words.concat())
}

fn paths() -> impl Strategy<Value = String> {
    let known: Vec<&'static str> = TABLE.iter().map(|row| row.path).collect();
    let known = prop::sample::select(known).prop_map(str::to_owned);
    let part = "[!-~]{0,40}";
    let odd = "/[!-~]{0,80}";
    let damaged = (known.clone(), part).prop_map(|(path, part)| {
        path.replace("{file}", &part).replace("{token}", &part).replace("{locale}", &part)
    });
    let longer = (known, "[!-~]{0,10}").prop_map(|(path, end)| format!("{path}{end}"));
    prop_oneof![4 => damaged, 1 => longer, 1 => odd]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let names = prop::sample::select(vec![
        "accept",
        "accept-language",
        "user-agent",
        "origin",
        "referer",
        "sec-fetch-site",
        "content-type",
        "authorization",
        "x-forwarded-for",
        "x-forwarded-host",
        "if-none-match",
        "range",
        "expect",
        "x-okta-verification-challenge",
        "traceparent",
        "forwarded",
        "te",
    ]);
    let good = prop::sample::select(vec![
        "text/html",
        "application/json",
        "same-origin",
        "cross-site",
        "Bearer a.b.c",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "de;q=0.9,*;q=0",
        "bytes=0-1",
        "100-continue",
        "::1, 127.0.0.1",
        "null",
    ]);
    let value = prop_oneof![good.prop_map(str::to_owned), "[ -~]{0,60}", "[é-ÿ☃]{0,20}"];
    prop::collection::vec((names, value), 0..6)
}

fn sent() -> impl Strategy<Value = Sent> {
    let method = prop::sample::select(vec![
        "GET", "GET", "GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "FOO",
    ]);
    let cookie = prop_oneof![
        Just(String::new()),
        "[ -~]{0,200}",
        "__Host-muster(-browser|-half|-link|-flash|-flow-[a-z]{0,4})=[A-Za-z0-9_=-]{0,60}",
    ];
    let body = prop_oneof![
        3 => pieces().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ];
    let query = prop_oneof![1 => Just(String::new()), 3 => pieces()];
    (method, paths(), query, headers(), cookie, any::<bool>(), body, any::<bool>()).prop_map(
        |(method, path, query, headers, cookie, is_in, body, shows_form)| {
            let path = if query.is_empty() { path } else { format!("{path}?{query}") };
            Sent { method, path, headers, cookie, is_in, body, shows_form }
        },
    )
}

#[test]
fn anything_is_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let ground = runtime.block_on(ground());
    let (site, owner) = runtime.block_on(site(&ground));
    let host = site.host();
    let session = format!("__Host-muster={}", owner.cookies["__Host-muster"]);
    let config = Config { failure_persistence: None, cases: cases(), ..Config::default() };
    TestRunner::new(config)
        .run(&sent(), |sent| {
            let mut headers = vec![("host", host.as_str())];
            headers.extend(sent.headers.iter().map(|(name, value)| (*name, value.as_str())));
            let cookie = if sent.is_in {
                format!("{session}; {}", sent.cookie)
            } else {
                sent.cookie.clone()
            };
            headers.push(("cookie", &cookie));
            let mut body = sent.body.clone();
            // A form that gets through to its handler; signing out would end the walk.
            if sent.is_in && sent.shows_form && !sent.path.starts_with("/sign-") {
                headers.retain(|(name, _)| {
                    !matches!(*name, "content-type" | "sec-fetch-site" | "origin")
                });
                headers.push(("content-type", "application/x-www-form-urlencoded"));
                body.extend_from_slice(format!("&csrf={}", owner.csrf).as_bytes());
            }
            let body = if matches!(sent.method, "GET" | "HEAD") { Vec::new() } else { body };
            let answer = runtime.block_on(async {
                let mut client = Client::to(site.address).await;
                let called = client.try_call(sent.method, &sent.path, &headers, &body);
                tokio::time::timeout(Duration::from_secs(20), called).await
            });
            let answer = answer.map_err(|_| TestCaseError::fail("no answer in time"))?;
            let answer = answer.ok_or_else(|| TestCaseError::fail("the connection was cut"))?;
            // Nobody works here, so the service is not ready.
            let unready = answer.status == 503 && sent.path.starts_with("/readyz");
            prop_assert!(answer.status < 500 || unready, "{} {}", answer.status, answer.body);
            Ok(())
        })
        .expect("every request is answered");
}
