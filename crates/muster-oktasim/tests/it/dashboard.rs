//! The dashboard and its tiles.

use muster_oktasim::{Action, AppChange, LoginMode, Request};

use crate::browser::{BACK, MONA, cookie, read, stand, text};
use crate::stand::{Stand, who};

fn home(stand: &Stand, cookie: &str) -> String {
    text(&stand.send_bare(&Request::get("/app/UserHome").with("cookie", cookie)))
}

fn change(stand: &Stand, mode: LoginMode) {
    stand.org.change_app(AppChange {
        initiate_login_uri: Some("https://acme.learn.example/start?tenant=acme".to_owned()),
        idp_initiated_login: Some(mode),
        ..AppChange::default()
    });
}

#[test]
fn a_tile_leads_to_the_app_with_the_issuer() {
    let stand = stand();
    assert!(home(&stand, "").contains("<title>Sign in</title>"));
    let session = cookie(&stand, MONA);
    assert!(home(&stand, &session).contains("Mona Mover"));
    assert!(!home(&stand, &session).contains("acme.learn.example"), "no tile without a login URI");
    change(&stand, LoginMode::Spec);
    let page = home(&stand, &session);
    let issuer = "iss=https%3A%2F%2F";
    let link = format!("https://acme.learn.example/start?tenant=acme&amp;{issuer}");
    assert!(page.contains(&link), "{page}");
    // The link that the Apps API shows leads there too.
    let app = stand.get(&format!("/api/v1/apps/{}", stand.app)).json();
    let embed = app["_links"]["appLinks"][0]["href"].as_str().unwrap();
    let reply = stand.send_bare(&Request::get(crate::stand::local(embed)).with("cookie", &session));
    assert!(reply.header("location").unwrap().contains(issuer));
    change(&stand, LoginMode::Disabled);
    assert!(!home(&stand, &session).contains("acme.learn.example"));
}

#[test]
fn a_tile_of_the_simplified_kind_posts_an_id_token() {
    let stand = stand();
    let session = cookie(&stand, MONA);
    change(&stand, LoginMode::Okta);
    let page = home(&stand, &session);
    let path = page.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let reply = stand.send_bare(&Request::get(path).with("cookie", &session));
    let page = text(&reply);
    assert!(page.contains(&format!("<form method=\"post\" action=\"{BACK}\">")), "{page}");
    assert!(!page.contains("<script"));
    let token = page.split("name=\"id_token\" value=\"").nth(1).unwrap();
    let claims = read(&stand, "/oauth2/v1/keys", token.split('"').next().unwrap()).unwrap();
    assert_eq!(claims["email"], MONA);
    assert!(claims["nonce"].is_null() && claims["at_hash"].is_null());
    let grant_types = |grants: &[&str]| {
        let grant_types = Some(grants.iter().map(|grant| (*grant).to_owned()).collect());
        stand.org.change_app(AppChange { grant_types, ..AppChange::default() });
        stand.send_bare(&Request::get(path).with("cookie", &session)).status
    };
    assert_eq!(grant_types(&["authorization_code"]), 400);
    assert_eq!(grant_types(&["authorization_code", "implicit"]), 200);
    stand.act(&Action::Unassign { who: who(MONA), app: None });
    assert_eq!(stand.send_bare(&Request::get(path).with("cookie", &session)).status, 403);
    assert!(home(&stand, &session).contains("No apps."));
}
