use super::*;

const EXTRA: &str = "127.0.0.1:8443, localhost:9000,[::1]:8080\nsim.internal:443";

fn extra() -> ExtraHosts {
    ExtraHosts::parse(EXTRA).expect("a good list")
}

/// The address as it is shown, its kind and its notes; or the error's variant.
fn outcome(text: &str, confirm: bool) -> String {
    match OktaAddress::parse(text, &extra(), confirm) {
        Ok(parsed) => {
            let notes = parsed.notes.iter().fold(String::new(), |all, note| all + " | " + note);
            let kind = match parsed.kind {
                AddressKind::OktaSuffix => "",
                AddressKind::CustomDomain => " custom",
                AddressKind::Extra => " extra",
            };
            format!("{}{kind}{notes}", parsed.address)
        }
        Err(error) => {
            let debug = format!("{error:?}");
            debug.split('(').next().unwrap_or_default().to_owned()
        }
    }
}

#[test]
fn what_customers_type_becomes_an_address_or_a_reason() {
    const ADMIN: &str = "removed -admin, which is the address of the console only";
    let admin = |rest: &str| format!("https://acme.okta.com{rest} | {ADMIN}");
    let table: &[(&str, &str)] = &[
        ("https://acme.okta.com", "https://acme.okta.com"),
        ("acme.okta.com", "https://acme.okta.com | added https://"),
        ("//acme.okta.com", "https://acme.okta.com | added https://"),
        ("https://acme.okta.com/", "https://acme.okta.com | removed the slash at its end"),
        ("HTTPS://Acme.OKTA.com", "https://acme.okta.com | put in lower case"),
        (
            " \u{feff}https://acme.okta.com\r\n",
            "https://acme.okta.com | removed what stood around it",
        ),
        ("\"https://acme.okta.com\",", "https://acme.okta.com | removed what stood around it"),
        ("https://acme.okta.com:443", "https://acme.okta.com"),
        ("https://acme.okta.com.", "https://acme.okta.com | removed the dot at its end"),
        (
            "https://acme.okta.com/oauth2/default",
            "https://acme.okta.com | removed the issuer's path /oauth2/default",
        ),
        (
            "https://acme.okta.com/oauth2/v1/authorize?client_id=x",
            "https://acme.okta.com | removed the issuer's path /oauth2/v1/authorize?client_id=x",
        ),
        ("https://acme.okta.com?x=1", "https://acme.okta.com | removed the path ?x=1"),
        ("https://acme.okta.com#/x", "https://acme.okta.com | removed the path #/x"),
        (
            "https://acme.okta.com/app?next=https://evil.example/",
            "https://acme.okta.com | removed the path /app?next=https://evil.example/",
        ),
        ("acme.oktapreview.com", "https://acme.oktapreview.com | added https://"),
        ("https://acme.okta-emea.com", "https://acme.okta-emea.com"),
        ("https://acme.okta-gov.com", "https://acme.okta-gov.com"),
        ("https://acme.okta.mil", "https://acme.okta.mil"),
        ("https://dev-12345678.okta.com", "https://dev-12345678.okta.com"),
        ("https://integrator-1234567.okta.com", "https://integrator-1234567.okta.com"),
        ("https://acme-admin.okta.com", &admin("")),
        (
            "https://acme-admin.okta.com/admin/dashboard",
            &admin(" | removed the path /admin/dashboard"),
        ),
        (
            "Acme-Admin.oktapreview.com",
            &format!("https://acme.oktapreview.com | added https:// | put in lower case | {ADMIN}"),
        ),
        // On the vendor's own list.
        ("http://127.0.0.1:8443", "http://127.0.0.1:8443 extra"),
        (
            "https://127.0.0.1:8443/api/v1",
            "https://127.0.0.1:8443 extra | removed the path /api/v1",
        ),
        ("http://localhost:9000", "http://localhost:9000 extra"),
        ("http://[::1]:8080", "http://[::1]:8080 extra"),
        ("https://sim.internal", "https://sim.internal extra"),
        ("http://0x7f000001:8443", "http://127.0.0.1:8443 extra"),
        ("http://127.0.0.1:8444", "IpLiteral"),
        ("http://localhost:9001", "Private"),
        ("http://sim.internal", "Private"),
        // Custom domains.
        ("https://login.acme.com", "ConfirmCustom"),
        ("https://acmeokta.com", "ConfirmCustom"),
        ("https://acme-okta.com", "ConfirmCustom"),
        ("https://okta.acme.com", "ConfirmCustom"),
        // A Cyrillic letter in place of the o.
        ("https://acme.\u{43e}kta.com", "ConfirmCustom"),
        // Not addresses.
        ("", "Empty"),
        (" \n\u{200b} ", "Empty"),
        ("https://", "NotAnAddress"),
        ("https://{yourOktaDomain}", "Placeholder"),
        ("https://${yourOktaDomain}/oauth2/default", "Placeholder"),
        ("yourOktaDomain", "Placeholder"),
        ("https://%7ByourOktaDomain%7D", "Placeholder"),
        ("https://https://acme.okta.com", "NotAnAddress"),
        ("https:///acme.okta.com", "NotAnAddress"),
        ("https:acme.okta.com", "NotAnAddress"),
        ("acme okta.com", "NotAnAddress"),
        ("acme.okta.com\nx.okta.com", "NotAnAddress"),
        ("https://acme.okta.com\\@evil.example", "NotAnAddress"),
        ("https:\\\\acme.okta.com", "NotAnAddress"),
        ("https://acme..okta.com", "NotAnAddress"),
        ("https://.okta.com", "NotAnAddress"),
        ("https://acme.okta.com..", "NotAnAddress"),
        ("https://-acme.okta.com", "NotAnAddress"),
        ("https://ac_me.okta.com", "NotAnAddress"),
        ("https://-admin.okta.com", "NotAnAddress"),
        ("https://acme%2eokta.com", "NotAnAddress"),
        ("https://acme.okta.com%00.evil.example", "NotAnAddress"),
        ("https://acme\u{202e}.okta.com", "NotAnAddress"),
        ("javascript:alert(1)", "NotAnAddress"),
        ("ftp://acme.okta.com", "Scheme"),
        ("file:///etc/passwd", "Scheme"),
        ("gopher://127.0.0.1:25/", "Scheme"),
        ("http://acme.okta.com", "PlainHttp"),
        ("https://acme.okta.com:8443", "Port"),
        ("https://acme.okta.com:80", "Port"),
        ("https://acme.okta.com:99999", "NotAnAddress"),
        ("https://user@acme.okta.com", "UserInfo"),
        ("https://acme.okta.com:x@evil.example", "UserInfo"),
        ("ana@acme.com", "UserInfo"),
        ("https://okta.com", "NotAnOrg"),
        ("https://www.okta.com", "NotAnOrg"),
        ("https://login.okta.com", "NotAnOrg"),
        ("https://developer.okta.com/docs", "NotAnOrg"),
        ("https://acme.okta.com.com", "LookAlike"),
        ("https://acme.com.com", "LookAlike"),
        ("https://acme.okta.com.evil.example", "LookAlike"),
        ("https://okta.com.evil.example", "LookAlike"),
        ("https://acme.okta.com.okta.com", "LookAlike"),
        ("https://acme.oktapreview.com.okta.com", "LookAlike"),
        ("acme", "SingleLabel"),
        ("https://acme", "SingleLabel"),
        // The network behind the server.
        ("https://127.0.0.1", "IpLiteral"),
        ("https://2130706433", "IpLiteral"),
        ("https://0x7f.1", "IpLiteral"),
        ("https://0177.0.0.1", "IpLiteral"),
        ("https://127.1", "IpLiteral"),
        ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1", "IpLiteral"),
        ("https://169.254.169.254/latest/meta-data", "IpLiteral"),
        ("https://8.8.8.8", "IpLiteral"),
        ("https://[::1]", "IpLiteral"),
        ("https://[::ffff:127.0.0.1]", "IpLiteral"),
        ("https://[fe80::1%25eth0]", "NotAnAddress"),
        ("https://1.2.3.4.5", "NotAnAddress"),
        ("https://localhost", "Private"),
        ("https://acme.okta.com.localhost", "Private"),
        ("https://metadata.google.internal", "Private"),
        ("https://printer.local", "Private"),
        ("https://router.home.arpa", "Private"),
        ("https://vault.default.svc", "Private"),
    ];
    for (text, expected) in table {
        assert_eq!(outcome(text, false), *expected, "{text:?}");
    }
    let long = format!("https://{}.okta.com", "a".repeat(3000));
    assert_eq!(outcome(&long, false), "NotAnAddress");
    assert_eq!(outcome(&format!("https://{}.okta.com", "a".repeat(64)), false), "NotAnAddress");
}

#[test]
fn a_custom_domain_is_taken_once_confirmed_and_nothing_else_becomes_allowed_by_that() {
    assert_eq!(outcome("https://login.acme.com", true), "https://login.acme.com custom");
    assert_eq!(
        outcome("https://m\u{fc}ller.example", true),
        "https://xn--mller-kva.example custom"
    );
    for hostile in [
        "https://127.0.0.1",
        "https://localhost",
        "http://login.acme.com",
        "https://login.acme.com:8443",
        "https://acme.okta.com.evil.example",
        "https://x@login.acme.com",
        "https://intranet",
        "https://db.internal",
    ] {
        assert!(OktaAddress::parse(hostile, &extra(), true).is_err(), "{hostile}");
    }
}

#[test]
fn an_accepted_address_reads_back_as_itself() {
    for text in
        ["acme-admin.okta.com", "http://127.0.0.1:8443", "http://[::1]:8080", "login.acme.com"]
    {
        let first = OktaAddress::parse(text, &extra(), true).expect("accepted").address;
        let again = OktaAddress::parse(&first.to_string(), &extra(), true).expect("accepted");
        assert_eq!(again.address, first);
        assert!(again.notes.is_empty(), "{:?}", again.notes);
    }
}

#[test]
fn the_host_key_has_a_port_only_where_it_must() {
    let key =
        |text: &str| OktaAddress::parse(text, &extra(), true).expect("accepted").address.host_key();
    assert_eq!(key("acme.okta.com"), "acme.okta.com");
    assert_eq!(key("http://127.0.0.1:8443"), "127.0.0.1:8443");
    assert_eq!(key("https://127.0.0.1:8443"), "127.0.0.1:8443");
    assert_eq!(key("http://sim.internal:443"), "sim.internal:443");
}

#[test]
fn a_list_of_extra_hosts_is_read_or_refused_as_a_whole() {
    assert!(ExtraHosts::parse("  ").expect("empty").is_empty());
    assert_eq!(extra().to_string(), "127.0.0.1:8443, localhost:9000, [::1]:8080, sim.internal:443");
    assert!(extra().allows("LOCALHOST", 9000));
    assert!(!extra().allows("localhost", 8443));
    assert!(!ExtraHosts::default().allows("localhost", 9000));
    for bad in [
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:70000",
        ":80",
        "http://localhost:80",
        "u@localhost:80",
        "a b",
        "good.example:80,bad",
        "localhost/x:80",
    ] {
        assert!(ExtraHosts::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn only_public_addresses_may_be_called() {
    for bad in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "4000::1",
        "5f00::1",
    ] {
        assert!(forbidden_ip(bad.parse().expect(bad)), "{bad}");
    }
    for good in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2600:1f18::1",
        "2a00:1450::1",
        "2001:4860::8888",
        "2001:200::1",
        "3fff:1000::1",
    ] {
        assert!(!forbidden_ip(good.parse().expect(good)), "{good}");
    }
}
