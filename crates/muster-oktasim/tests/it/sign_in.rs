//! Signing in through the authorization servers.

use muster_oktasim::{Action, AppChange, Fault, KeyChange, Request, Rule};
use serde_json::json;

use crate::browser::{
    BACK, MONA, VERIFIER, ask, code, cookie, param, post, read, redeem, shown, stand, text,
};
use crate::stand::{Stand, local, who};

#[test]
fn a_person_signs_in_and_the_app_learns_who_it_is() {
    let stand = stand();
    let page = stand.send_bare(&Request::get(ask(&stand, &[("login_hint", MONA)])));
    assert_eq!(page.header("content-type"), Some("text/html;charset=UTF-8"));
    let page = text(&page);
    for part in ["<html lang=\"en\">", "<title>Sign in</title>", "<h1>", "<label for=\"q\">"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(page.find("Continue as").unwrap() < page.find(MONA).unwrap());
    assert!(!page.contains("<script"));

    let location = stand.org.sign_in(MONA, &ask(&stand, &[]), stand.now).unwrap();
    assert!(location.starts_with(&format!("{BACK}?code=")), "{location}");
    assert_eq!(param(&location, "state").as_deref(), Some("st&te"));
    let reply = redeem(&stand, &param(&location, "code").unwrap(), &[]);
    let tokens = reply.json();
    assert_eq!(reply.status, 200, "{tokens}");
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(tokens["scope"], "openid profile email");

    let claims = read(&stand, "/oauth2/v1/keys", tokens["id_token"].as_str().unwrap()).unwrap();
    let id = stand.org.person_id(MONA).unwrap();
    let at = stand.now.as_second();
    for (name, value) in [
        ("sub", json!(id)),
        ("iss", json!(stand.org.base())),
        ("aud", json!(stand.org.client_id())),
        ("iat", json!(at)),
        ("exp", json!(at + 3600)),
        ("auth_time", json!(at)),
        ("nonce", json!("n0nce")),
        ("ver", json!(1)),
        ("amr", json!(["pwd"])),
        ("email", json!(MONA)),
        ("preferred_username", json!(MONA)),
        ("name", json!("Mona Mover")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims["idp"].as_str().unwrap().starts_with("00o") && claims["jti"].is_string());
    assert_eq!(claims["at_hash"].as_str().unwrap().len(), 22);
    // The token is thin: the rest is at userinfo.
    assert_eq!((&claims["given_name"], &claims["email_verified"]), (&json!(null), &json!(null)));
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let ask = Request::get("/oauth2/v1/userinfo").with("authorization", &bearer);
    let person = stand.send_bare(&ask).json();
    assert_eq!((&person["sub"], &person["given_name"]), (&json!(id), &json!("Mona")));
    assert_eq!((&person["email_verified"], &person["email"]), (&json!(true), &json!(MONA)));
    assert!(!person["locale"].as_str().unwrap().contains('_'));
    let events = stand.events();
    assert_eq!(events[events.len() - 2..], ["user.session.start", "user.authentication.sso"]);
    let user = stand.get(&stand.user(MONA)).json();
    assert_eq!(user["lastLogin"], "2026-11-23T10:00:00.000Z");
}

#[test]
fn a_session_goes_straight_on_unless_the_app_wants_otherwise() {
    let mut stand = stand();
    let session = cookie(&stand, MONA);
    let go = |stand: &Stand, changes: &[(&str, &str)]| {
        stand.send_bare(&Request::get(ask(stand, changes)).with("cookie", &session))
    };
    assert!(go(&stand, &[]).header("location").unwrap().contains("code="));
    assert!(go(&stand, &[("prompt", "none")]).header("location").unwrap().contains("code="));
    assert_eq!(go(&stand, &[("prompt", "login")]).status, 200);
    stand.wait(100);
    assert_eq!(go(&stand, &[("max_age", "60")]).status, 200);
    assert_eq!(go(&stand, &[("max_age", "200")]).status, 302);
    // The request may also be posted.
    let query = ask(&stand, &[]);
    let mut posted = post("/oauth2/v1/authorize", &[]).with("cookie", &session);
    posted.body = query.split_once('?').unwrap().1.to_owned().into();
    assert_eq!(stand.send_bare(&posted).status, 302);
    // It ends with the person, and a new beginning does not bring it back.
    stand.act(&Action::Deactivate { who: who(MONA) });
    assert_eq!(go(&stand, &[]).status, 200);
    stand.act(&Action::Activate { who: who(MONA) });
    assert_eq!(go(&stand, &[]).status, 200);
}

#[test]
fn a_wrong_client_or_address_is_shown_by_okta_itself() {
    let stand = stand();
    for changes in [
        [("client_id", "0oaNobody")],
        [("client_id", "")],
        [("redirect_uri", "https://evil.example/")],
        [("redirect_uri", "https://acme.learn.example/login/okta/callback/")],
        [("redirect_uri", "")],
    ] {
        let reply = stand.send_bare(&Request::get(ask(&stand, &changes)));
        assert_eq!((reply.status, reply.header("location")), (400, None), "{changes:?}");
        assert!(text(&reply).contains("Your request resulted in an error"), "{changes:?}");
    }
    stand.org.change_app(AppChange { active: Some(false), ..AppChange::default() });
    assert_eq!(stand.send_bare(&Request::get(ask(&stand, &[]))).status, 400);
}

#[test]
fn everything_else_is_refused_at_the_app() {
    let stand = stand();
    let refusal = |changes: &[(&str, &str)]| {
        let reply = stand.send_bare(&Request::get(ask(&stand, changes)));
        let location = reply.header("location").unwrap_or_else(|| panic!("{changes:?}")).to_owned();
        assert!(location.starts_with(BACK) && param(&location, "code").is_none());
        param(&location, "error").unwrap()
    };
    for (changes, error) in [
        (vec![("state", "")], "invalid_request"),
        (vec![("response_type", "")], "unsupported_response_type"),
        (vec![("response_type", "id_token")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "unsupported_response_mode"),
        (vec![("scope", "profile")], "invalid_scope"),
        (vec![("scope", "openid shoes")], "invalid_scope"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge", "short")], "invalid_request"),
        (vec![("prompt", "none")], "login_required"),
    ] {
        assert_eq!(refusal(&changes), error, "{changes:?}");
    }
    stand.org.change_app(AppChange { pkce_required: Some(true), ..AppChange::default() });
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(refusal(&bare), "invalid_request");
}

#[test]
fn only_assigned_and_active_people_come_through() {
    let stand = stand();
    let sign_in = |person: &str| stand.org.sign_in(person, &ask(&stand, &[]), stand.now);
    stand.act(&Action::Unassign { who: who(MONA), app: None });
    let location = sign_in(MONA).unwrap();
    assert_eq!(param(&location, "error").as_deref(), Some("access_denied"));
    let said = param(&location, "error_description").unwrap();
    assert_eq!(said, "User is not assigned to the client application.");
    assert_eq!(param(&location, "state").as_deref(), Some("st&te"));
    // In Federation Broker Mode nobody needs an assignment.
    stand.act(&Action::BrokerMode { on: true });
    assert!(sign_in(MONA).unwrap().contains("code="));
    for action in [
        Action::Suspend { who: who(MONA) },
        Action::Unsuspend { who: who(MONA) },
        Action::Lock { who: who(MONA) },
        Action::Deactivate { who: who(MONA) },
    ] {
        stand.act(&action);
        let may = matches!(action, Action::Unsuspend { .. });
        assert_eq!(sign_in(MONA).is_ok(), may, "{action:?}");
    }
    let reply = stand.send_bare(&post("/login", &[("who", MONA)]));
    assert_eq!((reply.status, reply.header("set-cookie")), (401, None));
    assert!(text(&reply).contains("Unable to sign in"));
}

#[test]
fn a_code_works_once_and_soon_and_for_its_request_alone() {
    let mut stand = stand();
    let outcome = |stand: &Stand, code: &str, changes: &[(&str, &str)]| {
        let reply = redeem(stand, code, changes);
        (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let good = (200, String::new());
    let bad = (400, "invalid_grant".to_owned());
    let first = code(&stand, MONA, &[]);
    assert_eq!(outcome(&stand, &first, &[]), good);
    assert_eq!(outcome(&stand, &first, &[]), bad, "replayed");
    for changes in [
        [("code_verifier", "another-verifier-that-is-long-enough-for-pkce")],
        [("code_verifier", "")],
        [("redirect_uri", "https://acme.learn.example/")],
        [("redirect_uri", "")],
    ] {
        let fresh = code(&stand, MONA, &[]);
        assert_eq!(outcome(&stand, &fresh, &changes), bad, "{changes:?}");
    }
    let old = code(&stand, MONA, &[]);
    stand.wait(61);
    assert_eq!(outcome(&stand, &old, &[]), bad, "too old");
    let gone = code(&stand, MONA, &[]);
    stand.act(&Action::Deactivate { who: who(MONA) });
    assert_eq!(outcome(&stand, &gone, &[]), bad, "deactivated meanwhile");
    assert_eq!(VERIFIER.len(), 43);
}

#[test]
fn the_page_finds_people_and_goes_on() {
    let stand = Stand::scaled(300);
    let page = text(&stand.send_bare(&Request::get("/login")));
    assert_eq!(page.matches("<button name=\"who\"").count(), 50);
    let more = page.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let next = text(&stand.send_bare(&Request::get(more.replace("&amp;", "&"))));
    assert_eq!(next.matches("<button name=\"who\"").count(), 50);
    assert_ne!(page, next);
    let fernhill = crate::browser::stand();
    let found = text(&fernhill.send_bare(&Request::get("/login?q=MONA.mov")));
    assert!(found.contains(MONA) && found.matches("name=\"who\"").count() == 1, "{found}");
    // A way out of this host is not taken.
    let away = post("/login", &[("who", MONA), ("fromURI", "//evil.example/")]);
    assert_eq!(fernhill.send_bare(&away).header("location"), Some("/app/UserHome"));
    let script = Request::get("/login?q=%22%3E%3Cscript%3E");
    assert!(!text(&fernhill.send_bare(&script)).contains("<script"));
}

#[test]
fn userinfo_wants_a_good_access_token() {
    let mut stand = stand();
    let tokens = redeem(&stand, &code(&stand, MONA, &[("scope", "openid")]), &[]).json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = Request::get("/oauth2/v1/userinfo").with("authorization", &bearer);
    let person = stand.send_bare(&request).json();
    assert_eq!(person.as_object().unwrap().len(), 1, "only sub without more scopes: {person}");
    let none = stand.send_bare(&Request::get("/oauth2/v1/userinfo"));
    let wrong = Request::get("/oauth2/v1/userinfo").with("authorization", "Bearer nonsense");
    for reply in [none, stand.send_bare(&wrong)] {
        assert_eq!((reply.status, reply.body.len()), (401, 0));
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "));
    }
    stand.wait(3601);
    assert_eq!(stand.send_bare(&request).status, 401);
}

#[test]
fn keys_rotate_and_old_ones_go() {
    let stand = stand();
    let id_token = |stand: &Stand| {
        let tokens = redeem(stand, &code(stand, MONA, &[]), &[]).json();
        tokens["id_token"].as_str().unwrap().to_owned()
    };
    let first = shown(&stand);
    let token = id_token(&stand);
    assert_eq!((first.len(), first[0].len()), (2, 43));
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.as_ref(), Some(&first[0]));
    let reply = stand.send_bare(&Request::get("/oauth2/v1/keys"));
    assert_eq!(reply.header("cache-control"), Some("max-age=3828277, must-revalidate"));

    stand.org.rotate_keys();
    let second = shown(&stand);
    assert_eq!((second.len(), &second[..2]), (3, &first[..]));
    let rotated = id_token(&stand);
    assert_eq!(jsonwebtoken::decode_header(&rotated).unwrap().kid.as_ref(), Some(&first[1]));
    assert!(read(&stand, "/oauth2/v1/keys", &token).is_some());
    assert!(read(&stand, "/oauth2/v1/keys", &rotated).is_some());

    stand.org.rotate_keys();
    assert!(!shown(&stand).contains(&first[0]) && shown(&stand).len() == 3);
    assert!(read(&stand, "/oauth2/v1/keys", &token).is_none());

    let body = json!({ "rotate": true, "forget_old": true });
    let keys = stand.send_bare(&Request::put("/_sim/keys", &body)).json();
    let now = [keys["current"].clone(), keys["next"].clone()];
    assert_eq!((json!(shown(&stand)), &keys["previous"]), (json!(now), &json!(null)));
    stand.org.change_keys(KeyChange { rotate: false, forget_old: true });
    assert_eq!(shown(&stand).len(), 2);
}

#[test]
fn the_custom_server_is_there_when_it_is_bought() {
    let stand = stand();
    let discovery = "/oauth2/default/.well-known/openid-configuration";
    for path in [discovery, "/oauth2/default/v1/keys", "/oauth2/default/v1/userinfo"] {
        let reply = stand.send_bare(&Request::get(path));
        assert_eq!((reply.status, &reply.json()["errorCode"]), (401, &json!("E0000015")), "{path}");
    }
    stand.org.settings(|settings| settings.custom_server = true);
    let found = stand.send_bare(&Request::get(discovery)).json();
    let issuer = format!("{}/oauth2/default", stand.org.base());
    assert_eq!(found["issuer"], issuer);
    let ask = ask(&stand, &[]).replace("/oauth2/v1/", "/oauth2/default/v1/");
    assert!(found["authorization_endpoint"].as_str().unwrap().ends_with("/default/v1/authorize"));
    let location = stand.org.sign_in(MONA, &ask, stand.now).unwrap();
    let code = param(&location, "code").unwrap();
    // The org's own server does not know the code.
    assert_eq!(redeem(&stand, &code, &[]).status, 400);
    let (client, secret) = (stand.org.client_id(), stand.org.client_secret());
    let request = post(
        "/oauth2/default/v1/token",
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_id", &client),
            ("client_secret", &secret),
        ],
    );
    let tokens = stand.send_bare(&request).json();
    let token = tokens["id_token"].as_str().unwrap();
    let keys = local(found["jwks_uri"].as_str().unwrap());
    assert_eq!(read(&stand, &keys, token).unwrap()["iss"], issuer);
    assert!(read(&stand, "/oauth2/v1/keys", token).is_none(), "the servers share no key");
}

#[test]
fn faults_strike_here_too() {
    let stand = stand();
    for path in [
        "/.well-known/openid-configuration",
        "/oauth2/v1/keys",
        "/oauth2/v1/userinfo",
        "/oauth2/v1/token",
        "/oauth2/v1/authorize",
        "/login",
    ] {
        let request = || {
            let method =
                if path.ends_with("token") { http::Method::POST } else { http::Method::GET };
            Request::new(method, path)
        };
        let rule = |fault| Rule::on(path).times(1).fault(fault);
        stand.org.faults(|faults| faults.add(rule(Fault::Status(503))));
        assert_eq!(stand.send_bare(&request()).status, 503, "{path}");
        stand.org.faults(|faults| faults.add(rule(Fault::Status(429))));
        assert_eq!(stand.send_bare(&request()).status, 429, "{path}");
        stand.org.faults(|faults| faults.add(rule(Fault::Html)));
        assert!(text(&stand.send_bare(&request())).starts_with("<!DOCTYPE html>"), "{path}");
        stand.org.faults(|faults| faults.add(rule(Fault::Slow(700))));
        assert_eq!(stand.send_bare(&request()).delay_ms, 700, "{path}");
        stand.org.faults(|faults| faults.add(rule(Fault::Cut(3))));
        assert!(stand.send_bare(&request()).cut.is_some(), "{path}");
        assert!(stand.send_bare(&request()).cut.is_none(), "{path}");
    }
}
