//! The ways in and out, walked as people walk them.

use muster_core::person::Role;
use muster_oktasim::Action;

use crate::support::{Company, Ground, OLGA, Site, on_both_engines};

on_both_engines![somebody_assigned_comes_in_and_goes_out, somebody_new_is_read_and_comes_in,];

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
    let who = site.stand.assigned()[0].clone();
    site.stand
        .okta
        .act(&Action::Unassign { who: who.clone(), app: None }, site.clock().now())
        .expect("out");
    let mut browser = site.browser();
    let page = site.sign_in(&mut browser, &who).await;
    assert_eq!((page.status, page.code()), (403, "okta_access_denied"), "{}", page.body);
    let _ = (Role::Owner, OLGA);
}
