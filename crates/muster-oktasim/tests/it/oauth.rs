//! What the authorization server says without anybody signing in.

use muster_oktasim::Request;

use crate::stand::Stand;

/// A code that was never given out.
const CODE: &str =
    "grant_type=authorization_code&code=none&redirect_uri=https%3A%2F%2Fa.example%2Fb";

fn exchange(id: &str, secret: &str, form: &'static str) -> Request {
    let pair = format!("{id}:{secret}");
    let mut request = Request::new(http::Method::POST, "/oauth2/v1/token")
        .with("authorization", &format!("Basic {}", base64(&pair)))
        .with("content-type", "application/x-www-form-urlencoded");
    request.body = form.into();
    request
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn the_client_is_judged_before_the_code() {
    let stand = Stand::fernhill();
    let (id, secret) = (stand.org.client_id(), stand.org.client_secret());
    for (id, secret, form, status, error) in [
        (id.as_str(), secret.as_str(), CODE, 400, "invalid_grant"),
        (id.as_str(), "wrong", CODE, 401, "invalid_client"),
        ("0oaNobody", secret.as_str(), CODE, 401, "invalid_client"),
        (id.as_str(), secret.as_str(), "", 400, "invalid_request"),
        (id.as_str(), secret.as_str(), "grant_type=client_credentials", 400, "unauthorized_client"),
    ] {
        let reply = stand.send_bare(&exchange(id, secret, form));
        assert_eq!((reply.status, reply.json()["error"].as_str()), (status, Some(error)), "{form}");
        assert!(reply.json()["error_description"].is_string());
        assert!(reply.header("x-rate-limit-limit").is_some());
    }
    // In the body in place of the header.
    let mut request = Request::new(http::Method::POST, "/oauth2/v1/token");
    request.body = format!("{CODE}&client_id={id}&client_secret={secret}").into();
    assert_eq!(stand.send_bare(&request).json()["error"], "invalid_grant");
    assert_eq!(stand.send_bare(&Request::get("/oauth2/v1/token")).status, 405);
}

#[test]
fn discovery_names_the_org_itself() {
    let stand = Stand::fernhill();
    let reply = stand.send_bare(&Request::get("/.well-known/openid-configuration"));
    let base = stand.org.base();
    assert_eq!(reply.json()["issuer"], base);
    assert_eq!(reply.header("cache-control"), Some("max-age=86400, must-revalidate"));
    assert_eq!((reply.header("expires"), reply.header("pragma")), (None, None));
    assert_eq!(reply.json()["jwks_uri"], format!("{base}/oauth2/v1/keys"));
    assert_eq!(reply.json()["end_session_endpoint"], format!("{base}/oauth2/v1/logout"));
    assert_eq!(reply.json()["token_endpoint"], format!("{base}/oauth2/v1/token"));
}
