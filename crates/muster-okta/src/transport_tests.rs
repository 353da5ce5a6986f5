use super::*;

fn transport(extra: &str) -> HttpTransport {
    let extra_hosts = ExtraHosts::parse(extra).expect("a list");
    HttpTransport::new(HttpConfig { extra_hosts, proxy: None }).expect("a client")
}

fn address(url: &str) -> OktaAddress {
    OktaAddress::of_url(&url::Url::parse(url).expect("an URL")).expect("an address")
}

#[tokio::test]
async fn a_name_that_leads_into_the_network_is_refused_after_resolution() {
    // Never got from parsing: here the guard on resolved addresses stands alone, as it does when a public name turns.
    let sent =
        transport("").send(&address("https://localhost"), Request::get("/api/v1/users/me")).await;
    assert_eq!(sent, Err(TransportError::Refused { why: NotPublic.to_string() }));
}

#[test]
fn an_url_is_checked_once_more_before_it_is_called() {
    let check = |extra: &str, url: &str, path: &str| {
        transport(extra).url(&address(url), path).map(String::from)
    };
    let refused = |checked: Result<String, TransportError>| {
        matches!(checked, Err(TransportError::Refused { .. }))
    };
    assert_eq!(
        check("", "https://acme.okta.com", "/api/v1/users?after=a%2Fb"),
        Ok("https://acme.okta.com/api/v1/users?after=a%2Fb".to_owned())
    );
    assert!(check("127.0.0.1:9", "http://127.0.0.1:9", "/x").is_ok());
    for (extra, url, path) in [
        ("", "https://127.0.0.1", "/x"),
        ("", "https://[::1]", "/x"),
        ("", "http://acme.okta.com", "/x"),
        ("127.0.0.1:9", "http://127.0.0.1:10", "/x"),
        ("", "https://acme.okta.com", "x"),
        ("", "https://acme.okta.com", ".evil.example/x"),
        ("", "https://acme.okta.com", "@evil.example/x"),
        ("", "https://acme.okta.com", ":8443/x"),
        ("", "https://acme.okta.com", ""),
    ] {
        assert!(refused(check(extra, url, path)), "{url} {path}");
    }
}
