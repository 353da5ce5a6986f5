//! The ways in and out, walked as people walk them.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use muster_core::alarm::Facts;
use muster_core::id::{OktaUserId, TenantId};
use muster_core::person::{Role, Status};
use muster_core::problem::ProblemCode;
use muster_oktasim::{Action, AppChange, ClientAuth};
use muster_store::connection::ConnectionUpdate;
use muster_store::entry::OktaProof;

use crate::support::{ANA, Company, Ground, OLGA, Site, on_both_engines, password_of, problem};

on_both_engines![
    somebody_assigned_comes_in_and_goes_out,
    somebody_new_is_read_and_comes_in,
    somebody_unassigned_is_told_so,
    an_app_with_a_private_key_shows_it,
    an_owner_who_left_okta_is_kept_and_signed_out,
];

async fn site(ground: &Ground) -> Site {
    let mut site = Site::open(ground, Company::of(12)).await;
    site.register();
    site.stand.sync().await;
    site
}

async fn somebody_assigned_comes_in_and_goes_out(ground: &Ground) {
    let site = site(ground).await;
    let who = site.stand.assigned()[0].clone();
    let mut browser = site.browser();
    let page = browser.get("/account?x=1").await;
    assert_eq!(page.leads(), "/sign-in?return_to=%2Faccount%3Fx%3D1");
    let page = site.sign_in(&mut browser, &who).await;
    assert_eq!(page.leads(), "/");
    assert!(browser.cookies.keys().all(|name| name.starts_with("__Host-")));
    assert_eq!(browser.get("/account").await.status, 200);
    let page = browser.post("/sign-out", &[]).await;
    assert!(page.leads().starts_with("https://fernhill.okta.com/oauth2/v1/logout?id_token_hint="));
    assert_eq!(browser.get("/account").await.status, 303);
}

async fn somebody_new_is_read_and_comes_in(ground: &Ground) {
    let site = site(ground).await;
    let who = "new.starter@fernhill.example";
    let profile = [("login", who), ("email", who), ("firstName", "New"), ("lastName", "Starter")];
    let profile =
        profile.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
    let create = Action::Create {
        profile,
        groups: Vec::new(),
        assign: true,
        activate: true,
        password: true,
    };
    site.stand.okta.act(&create, site.clock().now()).expect("made");
    assert!(site.stand.of_okta(who).await.is_none());
    let page = site.sign_in(&mut site.browser(), who).await;
    // By this clock eight seconds pass in no time, so they may be told to come back in a moment.
    assert!(
        page.location.as_deref() == Some("/") || page.code() == "still_reading",
        "{}",
        page.body
    );
    let user = OktaUserId::parse(&site.stand.okta_id(who)).expect("an id");
    while site.stand.tenant.person_waits(&user).await.expect("a look") {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.stand.here(who).await.first_name, "New");
    let page = site.sign_in(&mut site.browser(), who).await;
    assert_eq!(page.location.as_deref(), Some("/"), "{}", page.body);
}

async fn somebody_unassigned_is_told_so(ground: &Ground) {
    let site = site(ground).await;
    let who = site.stand.assigned()[0].clone();
    site.stand
        .okta
        .act(&Action::Unassign { who: who.clone(), app: None }, site.clock().now())
        .expect("out");
    let mut browser = site.browser();
    let page = site.sign_in(&mut browser, &who).await;
    assert_eq!((page.status, page.code()), (403, "okta_access_denied"), "{}", page.body);
    assert_eq!(page.heading(), "You are not assigned to this app");
    assert!(browser.cookies.keys().all(|name| name != "__Host-muster"));
}

async fn an_app_with_a_private_key_shows_it(ground: &Ground) {
    let mut site = site(ground).await;
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der = pair.as_der().expect("a private key");
    let lines = STANDARD.encode(der.as_ref());
    let pem =
        format!("kid: app-key\n-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n");
    let public = pair.public_key();
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwks = serde_json::json!({"keys": [{
        "kty": "RSA", "kid": "app-key", "use": "sig", "alg": "RS256",
        "n": number(public.modulus().big_endian_without_leading_zero()),
        "e": number(public.exponent().big_endian_without_leading_zero()),
    }]});
    site.stand.okta.change_app(AppChange {
        token_endpoint_auth_method: Some(ClientAuth::PrivateKeyJwt),
        jwks: Some(serde_json::from_value(jwks).expect("keys")),
        ..AppChange::default()
    });
    let who = site.stand.assigned()[0].clone();
    let page = site.sign_in(&mut site.browser(), &who).await;
    assert_eq!(
        (page.status, page.code()),
        (502, "okta_refused"),
        "a secret is of no use: {}",
        page.body
    );
    let update =
        ConnectionUpdate { client_secret: Some(pem.into()), ..ConnectionUpdate::default() };
    let (now, ids) = (site.clock().now(), &mut site.stand.ids);
    site.stand.tenant.set_connection(update, ANA, ids, now).await.expect("set");
    let page = site.sign_in(&mut site.browser(), &who).await;
    assert_eq!(page.location.as_deref(), Some("/"), "{}", page.body);
}

async fn an_owner_who_left_okta_is_kept_and_signed_out(ground: &Ground) {
    let mut site = site(ground).await;
    let mut browser = site.with_password(OLGA, Role::Owner).await;
    let who = site.stand.assigned()[0].clone();
    // Her account is that of an Okta user whom nobody here has so far.
    let id = site.stand.okta_id(&who);
    let user = OktaUserId::parse(&id).expect("an id");
    let freed = "UPDATE people SET okta_user_id = NULL WHERE tenant_id = $1 AND okta_user_id = $2";
    ground.db.execute(freed, &[site.tenant.id.into(), (&user).into()]).await.expect("freed");
    let olga = site.stand.account(OLGA).await.expect("here").id;
    let proof = OktaProof { okta_user_id: user.clone(), said: "{}".into(), at: site.clock().now() };
    let (now, ids) = (site.clock().now(), &mut site.stand.ids);
    let tenant = site.stand.tenant.clone();
    tenant.put_proof(olga, &proof, None, ANA, ids, now).await.expect("kept");
    tenant.link_by_proof(olga, &user, ANA, ids, now).await.expect("linked");
    site.stand.sync().await;
    assert_eq!(browser.get("/account").await.status, 200);
    site.stand.okta.act(&Action::Deactivate { who: id.clone() }, site.clock().now()).expect("out");
    let run = site.stand.sync().await;
    assert!(problem(&run, ProblemCode::LastOwnerKept).is_some(), "{run:?}");
    assert_eq!(site.stand.by_id(olga).await.status, Status::Active);
    assert_eq!(browser.get("/account").await.leads(), "/sign-in?return_to=%2Faccount");
    let owner_kept = |facts: Vec<(TenantId, Facts)>| {
        facts
            .into_iter()
            .find(|(id, _)| *id == site.tenant.id)
            .and_then(|(_, facts)| facts.kept_owners)
    };
    let kept = owner_kept(ground.db.alarm_facts(&[]).await.expect("facts"));
    assert_eq!(kept.map(|(count, _)| count), Some(1));
    // Her password still lets her in; when Okta takes her back, the alarm ends.
    browser.get("/sign-in").await;
    let password = password_of(OLGA);
    let page = browser.post("/sign-in", &[("email", OLGA), ("password", &password)]).await;
    assert_eq!(page.leads(), "/");
    site.stand.okta.act(&Action::Activate { who: id.clone() }, site.clock().now()).expect("back");
    site.stand.okta.act(&Action::Assign { who: id, app: None }, site.clock().now()).expect("back");
    site.stand.sync().await;
    let kept = owner_kept(ground.db.alarm_facts(&[]).await.expect("facts"));
    assert_eq!(kept, None);
}
