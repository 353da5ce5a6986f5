use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_700_000_000;

fn expected() -> Expected<'static> {
    Expected {
        issuer: "https://acme.okta.com",
        client_id: "0oa1",
        nonce: "n-1",
        at_hash: Some("half"),
        now: Timestamp::from_second(NOW).expect("a time"),
    }
}

fn good() -> Map<String, Value> {
    let claims = json!({
        "iss": "https://acme.okta.com", "aud": "0oa1", "sub": "00u1", "nonce": "n-1",
        "iat": NOW, "exp": NOW + 3600, "at_hash": "half", "email": "ana@acme.example", "name": "Ana Ito",
        "preferred_username": "ana",
    });
    claims.as_object().cloned().expect("an object")
}

fn changed(name: &str, value: Value) -> String {
    let mut claims = good();
    if value == json!("absent") {
        claims.remove(name);
    } else {
        claims.insert(name.to_owned(), value);
    }
    judge(&claims, expected()).map_or_else(|bad| bad.code().to_owned(), |_| "ok".to_owned())
}

#[test]
fn each_claim_is_looked_at() {
    let absent = || json!("absent");
    #[rustfmt::skip]
    let cases = [
        ("iss", json!("https://acme.okta.com"),  "ok"),
        ("iss", json!("https://acme.okta.com/"), "wrong_issuer"),
        ("iss", json!("https://evil.okta.com"),  "wrong_issuer"),
        ("iss", json!("https://acme.okta.com/oauth2/default"), "wrong_issuer"),
        ("iss", json!(["https://acme.okta.com"]), "claim_missing"),
        ("iss", absent(), "claim_missing"),
        ("aud", json!(["0oa1"]), "ok"),
        ("aud", json!("0oa2"), "wrong_audience"),
        ("aud", json!(["0oa2"]), "wrong_audience"),
        ("aud", json!([]), "wrong_audience"),
        ("aud", json!(["0oa1", "0oa2"]), "wrong_azp"),
        ("aud", json!(7), "claim_missing"),
        ("aud", absent(), "claim_missing"),
        ("azp", json!("0oa1"), "ok"),
        ("azp", json!("0oa2"), "wrong_azp"),
        ("azp", json!(null), "wrong_azp"),
        ("sub", json!("00u-other"), "ok"),
        ("sub", json!(""), "claim_missing"),
        ("sub", json!(12), "claim_missing"),
        ("sub", json!("a/b"), "bad_subject"),
        ("sub", absent(), "claim_missing"),
        ("nonce", json!("n-2"), "wrong_nonce"),
        ("nonce", json!(""), "claim_missing"),
        ("nonce", absent(), "claim_missing"),
        ("exp", json!(NOW - 119), "ok"),
        ("exp", json!(NOW - 120), "expired"),
        ("exp", json!(0), "expired"),
        ("exp", json!(i64::MAX), "claim_missing"),
        ("exp", json!("soon"), "claim_missing"),
        ("exp", absent(), "claim_missing"),
        ("iat", json!(NOW + 120), "ok"),
        ("iat", json!(1_700_000_120.5), "ok"),
        ("iat", json!(NOW + 121), "not_yet_valid"),
        ("iat", json!(NOW - 86_400), "ok"),
        ("iat", json!(NOW - 86_401), "too_old"),
        ("iat", absent(), "claim_missing"),
        ("nbf", json!(NOW + 120), "ok"),
        ("nbf", json!(NOW + 121), "not_yet_valid"),
        ("nbf", json!("x"), "claim_missing"),
        ("at_hash", json!("other"), "wrong_at_hash"),
        ("at_hash", json!(null), "wrong_at_hash"),
        ("at_hash", absent(), "ok"),
        ("email", absent(), "ok"),
        ("anything", json!({"deep": [1]}), "ok"),
    ];
    for (name, value, want) in cases {
        assert_eq!(changed(name, value.clone()), want, "{name} {value}");
    }
}

#[test]
fn a_token_without_an_access_token_beside_it_may_not_speak_of_one() {
    let mut expected = expected();
    expected.at_hash = None;
    assert_eq!(judge(&good(), expected), Err(BadClaims::AccessToken));
}

#[test]
fn userinfo_must_be_about_the_same_person() {
    let identity = judge(&good(), expected()).expect("good");
    let info = |sub: &str| json!({"sub": sub, "email": "other@x.example"}).as_object().cloned();
    let same = with_userinfo(identity.clone(), &info("00u1").expect("an object")).expect("same");
    assert_eq!(same, identity, "what the ID token said stands");
    let other = with_userinfo(identity.clone(), &info("00u2").expect("an object"));
    assert_eq!(other, Err(BadClaims::OtherSubject));
    assert_eq!(with_userinfo(identity, &Map::new()), Err(BadClaims::Missing("sub")));
}

#[test]
fn a_request_to_sign_somebody_out_is_for_this_endpoint() {
    let good = json!({
        "iss": "https://acme.okta.com", "sub": "0oa1", "aud": "https://acme.example.com/out", "jti": "1",
        "iat": NOW, "exp": NOW + 300, "nbf": NOW - 300,
    });
    let judged = |name: &str, value: Value| {
        let mut claims = good.as_object().cloned().expect("an object");
        claims.insert(name.to_owned(), value);
        let expected = RevocationExpected {
            issuer: "https://acme.okta.com",
            client_id: "0oa1",
            endpoint: "https://acme.example.com/out",
            now: Timestamp::from_second(NOW).expect("a time"),
        };
        judge_revocation(&claims, expected).map_or_else(|bad| bad.code(), |()| "ok")
    };
    for (name, value, want) in [
        ("more", json!(1), "ok"),
        ("iss", json!("https://evil.okta.com"), "wrong_issuer"),
        ("aud", json!("0oa1"), "wrong_audience"),
        ("aud", json!("https://other.example.com/out"), "wrong_audience"),
        ("sub", json!("00u1"), "wrong_audience"),
        ("jti", json!(null), "claim_missing"),
        ("exp", json!(NOW - 121), "expired"),
        ("nbf", json!(NOW + 121), "not_yet_valid"),
    ] {
        assert_eq!(judged(name, value.clone()), want, "{name} {value}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_it_panic(name in "(iss|aud|azp|sub|nonce|iat|exp|nbf|at_hash)", number in any::<f64>(), text in ".{0,20}") {
        for value in [json!(number), json!(text), json!([text]), json!({"a": number})] {
            let _ = changed(&name, value);
        }
    }

    #[test]
    fn a_token_is_good_from_two_minutes_before_to_two_minutes_after(from in -400_i64..400, length in 0_i64..400) {
        let mut claims = good();
        claims.insert("iat".into(), json!(NOW + from));
        claims.insert("exp".into(), json!(NOW + from + length));
        let is_good = judge(&claims, expected()).is_ok();
        prop_assert_eq!(is_good, from <= 120 && from + length > -120);
    }
}
