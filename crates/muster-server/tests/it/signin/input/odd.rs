//! Requests that no browser of good will sends.

use super::{ground, site};
use crate::support::{Answer, Client, Site};

const SESSION: &str = "__Host-muster";

/// Sends a head as it is, in bytes, without a body.
async fn raw(site: &Site, lines: &[&[u8]]) -> Answer {
    let mut client = Client::to(site.address).await;
    let mut bytes = lines.join(&b"\r\n"[..]);
    bytes.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
    client.send(&bytes).await;
    client.answer().await.expect("an answer")
}

#[tokio::test]
async fn a_host_is_exactly_one_company_or_none() {
    let ground = ground().await;
    let (site, _) = site(&ground).await;
    let own = site.host();
    for (host, found) in [
        (own.clone(), true),
        (own.to_uppercase(), true),
        (format!("{own}:443"), true),
        (format!("{own}:8080"), true),
        (format!("{own}."), true),
        (format!("{own}:"), true),
        ("nobody.learn.example".to_owned(), false),
        ("learn.example".to_owned(), false),
        (".learn.example".to_owned(), false),
        (format!("a.{own}"), false),
        (format!("{own}.evil.example"), false),
        (format!("{own}:x"), false),
        (format!("{own}:80:80"), false),
        (format!("user@{own}"), false),
        (format!("user:pass@{own}"), false),
        (format!("{own}, evil.example"), false),
        (format!("evil.example, {own}"), false),
        (format!("{own} evil"), false),
        (format!("{own}/"), false),
        (format!("evil.example#{own}"), false),
        (format!("evil.example?{own}"), false),
        (format!("{own}%00"), false),
        ("127.0.0.1".to_owned(), false),
        ("[::1]:80".to_owned(), false),
        (String::new(), false),
        ("*".to_owned(), false),
        ("é.learn.example".to_owned(), false),
    ] {
        let line = format!("host: {host}");
        let answer = raw(&site, &[b"GET /sign-in HTTP/1.1", line.as_bytes()]).await;
        if found {
            assert_eq!(answer.status, 200, "{host}: {}", answer.body);
        } else {
            assert!(matches!(answer.status, 400 | 404), "{host}: {}", answer.status);
            assert!(!answer.body.contains("Fernhill"), "{host}");
        }
        assert!(!answer.body.contains("evil"), "{host}");
    }
    let line = format!("host: {own}");
    let line = line.as_bytes();
    for lines in [
        &[&b"GET /sign-in HTTP/1.1"[..]][..],
        &[b"GET /sign-in HTTP/1.1", line, line],
        &[b"GET /sign-in HTTP/1.1", line, b"host: evil.example"],
        &[b"GET /sign-in HTTP/1.0"],
        &[b"GET http://evil.example/sign-in HTTP/1.1", line],
    ] {
        let answer = raw(&site, lines).await;
        assert!(matches!(answer.status, 400 | 404), "{lines:?}: {}", answer.status);
        assert!(!answer.body.contains("Fernhill"));
    }
    // What only a proxy may say is not believed, and links are never made of it.
    for header in
        ["x-forwarded-host", "x-host", "x-forwarded-server", "x-original-url", "forwarded"]
    {
        let said = format!("{header}: evil.example");
        for path in ["/sign-in", "/users/auth/okta", "/account"] {
            let first = format!("GET {path} HTTP/1.1");
            let answer = raw(&site, &[first.as_bytes(), line, said.as_bytes()]).await;
            assert!(matches!(answer.status, 200 | 303), "{header} {path}: {}", answer.status);
            assert!(!answer.body.contains("evil"), "{header} {path}");
            assert!(!answer.headers.iter().any(|(_, value)| value.contains("evil")), "{header}");
        }
    }
}

#[tokio::test]
async fn cookies_of_others_do_no_harm_until_they_are_too_many() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let host = format!("host: {}", site.host());
    let own = format!("{SESSION}={}", owner.cookies[SESSION]);
    let first: &[u8] = b"GET /account HTTP/1.1";
    let fill = |bytes: usize| format!("junk={}", "a".repeat(bytes));
    for (status, cookies) in [
        (200, format!("cookie: {own}; {}", fill(8 * 1024))),
        (200, format!("cookie: {}; {own}", fill(15 * 1024))),
        (431, format!("cookie: {own}; {}", fill(20 * 1024))),
        (200, format!("cookie: {own}; a; =; ;;; b==; c=\"x; y\"; {SESSION}-flow-=")),
        (200, format!("cookie: {own}\r\ncookie: a=b")),
        (200, format!("cookie: a=b;{own};;")),
        (303, format!("cookie: {own}; {own}")),
        (303, format!("cookie: x{own}")),
        (431, format!("cookie: {own}{}", format!("\r\ncookie: {}", fill(4_000)).repeat(5))),
    ] {
        let answer = raw(&site, &[first, host.as_bytes(), cookies.as_bytes()]).await;
        assert_eq!(answer.status, status, "{}", &cookies[..cookies.len().min(200)]);
    }
    // Bytes that are no text in somebody else's cookie.
    let mut odd = b"cookie: other=\xff\xfe; ".to_vec();
    odd.extend_from_slice(own.as_bytes());
    let answer = raw(&site, &[first, host.as_bytes(), &odd]).await;
    assert_eq!(answer.status, 200, "one odd cookie of another program does not sign out");
    // More than any server reads, and more lines.
    let huge = format!("cookie: {}", fill(100 * 1024));
    let answer = raw(&site, &[first, host.as_bytes(), huge.as_bytes()]).await;
    assert_eq!(answer.status, 431);
    let many = "x: y\r\n".repeat(150);
    let answer = raw(&site, &[first, host.as_bytes(), many.trim_end().as_bytes()]).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn names_that_come_twice_are_refused() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    for path in ["/sign-in", "/sign-in/code", "/users/auth/okta", "/users/auth/okta/callback"] {
        for query in ["return_to=/a&return_to=/b", "x=1&x=1", "state=a&%73tate=b", "a&a"] {
            let mut browser = site.browser();
            let page = browser.get(&format!("{path}?{query}")).await;
            assert_eq!(page.status, 400, "{path}?{query}");
            assert!(browser.cookies.is_empty(), "{path}?{query}");
        }
    }
    let page = owner.clone().get("/en-US/okta/auth_callback?state=a&state=b").await;
    assert_eq!(page.status, 400);
    let csrf = owner.csrf.clone();
    for path in ["/account/sessions/end", "/integrations/okta/entry", "/sign-out", "/sign-in"] {
        for twice in [("csrf", csrf.as_str()), ("x", "1"), ("entry", "any"), ("id", "1")] {
            let fields = [("csrf", csrf.as_str()), ("entry", "any"), twice, twice];
            let page = owner.clone().post_as("same-origin", path, &fields).await;
            assert_eq!(page.status, 400, "{path} {twice:?}");
        }
    }
    assert_eq!(owner.clone().get("/account").await.status, 200);
}

#[tokio::test]
async fn what_is_no_text_is_refused() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let host = format!("host: {}", site.host());
    for query in ["return_to=%FF", "%C3=1", "a=%00", "a=%ED%A0%80", "a=%F5%80%80%80"] {
        for path in ["/sign-in", "/users/auth/okta", "/users/auth/okta/callback"] {
            let page = site.browser().get(&format!("{path}?{query}")).await;
            assert_eq!(page.status, 400, "{path}?{query}");
        }
    }
    for path in ["/welcome/%FF", "/assets/%FF", "/%FF/okta/auth_callback"] {
        let page = owner.clone().get(path).await;
        assert_eq!(page.status, 400, "{path}");
    }
    for path in ["/%FF", "/%00", "/account%00", "/account/", "//account", "/./account", "/ACCOUNT"]
    {
        let page = owner.clone().get(path).await;
        assert_eq!(page.status, 404, "{path}");
    }
    for line in [
        &b"GET /sign-in?\xff HTTP/1.1"[..],
        b"GET /\xff HTTP/1.1",
        b"GET /sign-in?return_to=\xc3\xa9 HTTP/1.1",
        b"GET sign-in HTTP/1.1",
        b"GET  HTTP/1.1",
        b"\xff / HTTP/1.1",
        b"GET / HTTP/9.9",
    ] {
        let answer = raw(&site, &[line, host.as_bytes()]).await;
        assert!((400..500).contains(&answer.status) || answer.status == 200, "{}", answer.status);
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let bodies: [&[u8]; 5] = [b"email=\xff", b"email=%FF", b"%FF=1", b"a=%00", b"a=1&a=2"];
    for body in bodies {
        let page = site.browser().send("POST", "/sign-in", &form, body).await;
        assert_eq!(page.status, 400, "{body:?}");
    }
    // A percent sign that escapes nothing is itself.
    let page = site.browser().get("/sign-in?return_to=%zz&x=100%").await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn forms_have_a_size_and_a_type() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let mut visitor = site.browser();
    visitor.get("/sign-in").await;
    let form = "application/x-www-form-urlencoded";
    for (status, bytes) in [(422, 10 * 1024), (413, 20 * 1024), (413, 2 * 1024 * 1024)] {
        let body = format!("csrf={}&email=a&password={}", visitor.csrf, "a".repeat(bytes));
        let headers = [("content-type", form)];
        let page = visitor.clone().send("POST", "/sign-in", &headers, body.as_bytes()).await;
        assert_eq!(page.status, status, "{bytes} bytes");
    }
    let body = format!("csrf={}&id=x", owner.csrf);
    for (status, kind) in [
        (400, Some(form)),
        (400, Some("Application/X-WWW-Form-UrlEncoded; charset=UTF-8")),
        (415, Some("multipart/form-data; boundary=x")),
        (415, Some("text/plain")),
        (415, Some("application/json")),
        (415, Some("application/x-www-form-urlencodedx")),
        (415, Some("")),
        (415, None),
    ] {
        let headers: Vec<_> = kind.into_iter().map(|kind| ("content-type", kind)).collect();
        let path = "/account/sessions/end";
        let page = owner.clone().send("POST", path, &headers, body.as_bytes()).await;
        assert_eq!(page.status, status, "{kind:?}");
    }
    let fields: String = (0..51).map(|n| format!("f{n}=&")).collect();
    let headers = [("content-type", form)];
    let page = visitor.clone().send("POST", "/sign-in", &headers, fields.as_bytes()).await;
    assert_eq!(page.status, 400, "too many fields");
}

/// What somebody typed is shown as they typed it, and is never markup.
#[tokio::test]
async fn what_was_typed_is_shown_as_text() {
    let ground = ground().await;
    let (site, _) = site(&ground).await;
    let script = "\"><script>alert(1)</script><b onmouseover='x'>&amp;{{7*7}}";
    let mut browser = site.browser();
    browser.get("/sign-in").await;
    let typed = [("email", script), ("password", script), ("return_to", script)];
    let page = browser.post("/sign-in", &typed).await;
    assert_eq!(page.status, 422);
    assert!(!page.has("<script>alert") && !page.has("<b ") && !page.has("49"), "{}", page.body);
    // Words that come with an answer, which anybody can write, are shown as words.
    let away = browser.get("/users/auth/okta").await;
    let (_, rest) = away.leads().split_once("state=").expect("a state");
    let state = rest.split('&').next().expect("a state");
    let said = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%0D%0Ax%3A%20y";
    let path = format!(
        "/users/auth/okta/callback?state={state}&error=server_error&error_description={said}"
    );
    let page = browser.get(&path).await;
    assert!(!page.has("<script>alert"), "{}", page.body);
    assert_eq!(page.answer.header("x"), None);
    assert_eq!(page.code(), "okta_server_error");
    // Without a round trip of this browser nobody's words are shown at all.
    let page = site.browser().get(&path).await;
    assert!(!page.has("alert(1)"), "{}", page.body);
}
