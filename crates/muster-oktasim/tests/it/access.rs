//! Tokens, rights and limits.

use muster_oktasim::{Action, Area, LimitChange, Preset, Request, Right, TokenState};

use crate::stand::{Stand, who};

const MONA: &str = "mona.mover@fernhill.example";

#[test]
fn bad_credentials_are_told_apart() {
    let stand = Stand::fernhill();
    let answer = |request: Request| {
        let reply = stand.org.handle(&request, stand.now);
        (reply.status, reply.json()["errorCode"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(answer(Request::get("/api/v1/users")), (403, "E0000005".to_owned()));
    assert_eq!(answer(Request::get("/api/v1/users").ssws("wrong")), (401, "E0000011".to_owned()));
    let bearer = Request::get("/api/v1/users").with("authorization", "Bearer x");
    assert_eq!(answer(bearer), (401, "E0000011".to_owned()));
    assert_eq!(answer(Request::get("/.well-known/okta-organization")).0, 200);
}

#[test]
fn a_token_dies_with_revocation_its_owner_or_a_month_of_silence() {
    let dead = |stand: &Stand| stand.get("/api/v1/users/me").status;
    let stand = Stand::fernhill();
    assert_eq!(
        stand.get("/api/v1/users/me").json()["profile"]["login"],
        "svc-learn@fernhill.example"
    );
    stand.org.set_token_state(TokenState::Revoked);
    assert_eq!(dead(&stand), 401);
    let stand = Stand::fernhill();
    stand.act(&Action::Deactivate { who: who("svc-learn@fernhill.example") });
    assert_eq!(dead(&stand), 401);
    let mut stand = Stand::fernhill();
    assert_eq!(dead(&stand), 200);
    stand.wait(29 * 86_400);
    assert_eq!(dead(&stand), 200, "each use renews it");
    stand.wait(31 * 86_400);
    assert_eq!(dead(&stand), 401);
    assert_eq!(dead(&stand), 401, "and it cannot be revived");
}

#[test]
fn without_a_role_lists_are_empty_and_reads_refused() {
    let stand = Stand::fernhill();
    stand.org.set_token_state(TokenState::NoRole);
    for list in ["/api/v1/users", "/api/v1/groups", "/api/v1/apps", &stand.app_users("")] {
        let reply = stand.get(list);
        assert_eq!(
            (reply.status, reply.body.as_ref(), reply.next()),
            (200, b"[]".as_slice(), None),
            "{list}"
        );
    }
    for read in [stand.user(MONA), format!("/api/v1/apps/{}", stand.app), "/api/v1/logs".to_owned()]
    {
        assert_eq!(stand.code(Request::get(&read)), (403, "E0000006".to_owned()), "{read}");
    }
}

#[test]
fn rights_are_given_by_area() {
    let stand = Stand::fernhill();
    stand.org.set_right(Area::Logs, Right::None);
    stand.org.set_right(Area::Users, Right::Read);
    assert_eq!(stand.code(Request::get("/api/v1/logs")), (403, "E0000006".to_owned()));
    assert_eq!(stand.get(&stand.user(MONA)).status, 200);
    assert_eq!(stand.code(Request::delete(stand.user(MONA))), (403, "E0000006".to_owned()));
}

#[test]
fn a_narrowed_token_does_not_see_some_people_at_all() {
    let stand = Stand::fernhill();
    stand.org.hide(&[who(MONA)]).unwrap();
    assert_eq!(stand.code(Request::get(stand.user(MONA))), (404, "E0000007".to_owned()));
    assert_eq!(stand.code(Request::get(stand.app_user(MONA))), (404, "E0000007".to_owned()));
    assert_eq!(stand.follow(&stand.app_users("limit=500")).len(), 225);
    assert_eq!(stand.follow("/api/v1/users").len(), 232);
    stand.org.hide(&[]).unwrap();
    assert_eq!(stand.get(&stand.user(MONA)).status, 200);
}

#[test]
fn unknown_things_and_methods_have_their_codes() {
    let stand = Stand::fernhill();
    #[rustfmt::skip]
    let cases = [
        (Request::get("/api/v1/users/00uNobody0000000000"), 404, "E0000007"),
        (Request::get("/api/v1/apps/0oaNobody0000000000"), 404, "E0000007"),
        (Request::get("/api/v1/nonsense"), 404, "E0000008"),
        (Request::delete("/api/v1/users"), 405, "E0000022"),
        (Request::new(http::Method::POST, "/api/v1/users"), 400, "E0000003"),
    ];
    for (request, status, code) in cases {
        let target = request.target.clone();
        assert_eq!(stand.code(request), (status, code.to_owned()), "{target}");
    }
}

#[test]
fn a_used_up_bucket_answers_429_until_its_window_ends() {
    let mut stand = Stand::fernhill();
    let preset = Some(Preset::Integrator);
    stand.org.limits(LimitChange { preset, window_seconds: Some(10), ..LimitChange::default() });
    let apps: Vec<u16> = (0..21).map(|_| stand.get("/api/v1/apps").status).collect();
    assert_eq!((apps[19], apps[20]), (200, 429));
    let refused = stand.get("/api/v1/apps");
    assert_eq!(refused.json()["errorCode"], "E0000047");
    assert_eq!(
        (refused.header("x-rate-limit-limit"), refused.header("x-rate-limit-remaining")),
        (Some("20"), Some("0"))
    );
    assert_eq!(refused.header("retry-after"), None);
    let reset: i64 = refused.header("x-rate-limit-reset").unwrap().parse().unwrap();
    assert_eq!(reset, stand.now.as_second() + 10);
    assert_eq!(stand.get("/api/v1/users").status, 200, "another family has its own bucket");
    stand.wait(10);
    assert_eq!(stand.get("/api/v1/apps").status, 200);
    assert_eq!(stand.org.stats().limited, 2);
}

#[test]
fn too_many_calls_at_once_are_refused_with_zeros() {
    let stand = Stand::fernhill();
    stand.org.limits(LimitChange { concurrent: Some(3), ..LimitChange::default() });
    let mut request = Request::get("/api/v1/users");
    request.in_flight = 4;
    let reply = stand.send(request);
    assert_eq!(
        (reply.status, reply.header("x-rate-limit-limit"), reply.header("x-rate-limit-remaining")),
        (429, Some("0"), Some("0"))
    );
}
