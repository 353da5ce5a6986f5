//! The way over the network, against a server on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use muster_okta::client::{ClientConfig, OktaClient, Timer};
use muster_okta::transport::HttpConfig;
use muster_okta::{ErrorKind, ExtraHosts, HttpTransport, OktaAddress, Transport};

use crate::script::{ManualTimer, TOKEN, ana, keep, person, user};

/// `{"id":"00u1ana","status":"ACTIVE","profile":{"login":"ana@acme.example"}}`, compressed with gzip.
const ZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 76, 81, 178, 82, 50, 48, 40, 53, 76, 204, 75,
    84, 210, 81, 42, 46, 73, 44, 41, 45, 6, 10, 57, 58, 135, 120, 134, 185, 2, 69, 10, 138, 242,
    211, 50, 115, 82, 149, 172, 170, 149, 114, 242, 211, 51, 243, 128, 114, 64, 165, 14, 137, 201,
    185, 169, 122, 169, 21, 137, 185, 5, 64, 185, 218, 90, 0, 210, 120, 103, 144, 73, 0, 0, 0,
];

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    #[expect(clippy::disallowed_methods, reason = "the server of a test ends with its runtime")]
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

fn client(at: SocketAddr) -> OktaClient {
    let extra_hosts = ExtraHosts::parse(&at.to_string()).expect("a list");
    let address =
        OktaAddress::parse(&format!("http://{at}"), &extra_hosts, false).expect("allowed").address;
    let http = HttpTransport::new(HttpConfig { extra_hosts, proxy: None }).expect("a client");
    let timer = ManualTimer::at("2026-05-05T06:00:00Z") as Arc<dyn Timer>;
    OktaClient::new(ClientConfig::new(
        address,
        TOKEN.to_owned().into(),
        Transport::Http(http),
        timer,
        7,
    ))
}

#[tokio::test]
async fn a_page_comes_over_http_with_its_link() {
    async fn page(headers: HeaderMap) -> Response {
        let authorized =
            headers.get("authorization").is_some_and(|value| *value == format!("SSWS {TOKEN}"));
        let host = headers["host"].to_str().expect("text").to_owned();
        if !authorized || headers.get("user-agent").is_none() {
            return StatusCode::IM_A_TEAPOT.into_response();
        }
        let links = [
            (
                header::LINK,
                format!("<http://{host}/api/v1/apps/0oa1/users?limit=500>; rel=\"self\""),
            ),
            (
                header::LINK,
                format!("<http://{host}/api/v1/apps/0oa1/users?after=00u1>; rel=\"next\""),
            ),
        ];
        (axum::response::AppendHeaders(links), format!("[{}]", person("00u1ana"))).into_response()
    }
    let at = serve(Router::new().route("/api/v1/apps/0oa1/users", get(page))).await;
    let read = client(at).app_users_page("0oa1", &keep(), None).await.expect("served");
    assert_eq!(read.users[0].user.id, ana());
    assert_eq!(
        read.next.map(|link| link.to_string()),
        Some("/api/v1/apps/0oa1/users?after=00u1".to_owned())
    );
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let answer = || async { ([(header::CONTENT_ENCODING, "gzip")], ZIPPED) };
    let at = serve(Router::new().route("/api/v1/users/00u1ana", get(answer))).await;
    let read = client(at).user(&ana(), &keep()).await.expect("served").expect("there");
    assert_eq!(read.raw, r#"{"login":"ana@acme.example"}"#);
}

#[tokio::test]
async fn a_redirect_over_http_is_not_followed_and_no_token_goes_there() {
    let stolen = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&stolen);
    let thief = serve(Router::new().fallback(move || {
        seen.store(true, std::sync::atomic::Ordering::SeqCst);
        async { user("00u1ana") }
    }))
    .await;
    let target = format!("http://{thief}/api/v1/users/00u1ana");
    let moved = move || async move { (StatusCode::FOUND, [(header::LOCATION, target)]) };
    let at = serve(Router::new().route("/api/v1/users/00u1ana", get(moved))).await;
    let error = client(at).user(&ana(), &keep()).await.expect_err("not followed");
    assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(302)));
    assert!(!stolen.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let endless = || async {
        let chunk = bytes::Bytes::from(vec![b'['; 1024 * 1024]);
        let chunks =
            futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        axum::body::Body::from_stream(chunks).into_response()
    };
    let at = serve(Router::new().route("/api/v1/users/00u1ana", get(endless))).await;
    let error = client(at).user(&ana(), &keep()).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let cut = || async {
        let parts = [Ok(bytes::Bytes::from("[]")), Err(std::io::Error::other("gone"))];
        axum::body::Body::from_stream(futures_util::stream::iter(parts)).into_response()
    };
    let at = serve(Router::new().route("/api/v1/apps/0oa1/users", get(cut))).await;
    let client = client(at);
    let error = client.app_users_page("0oa1", &keep(), None).await.expect_err("cut");
    assert_eq!((error.kind(), client.calls()), (ErrorKind::Unavailable, 4));
}

#[tokio::test]
async fn nothing_listening_is_told_as_unavailable_without_the_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    drop(listener);
    let error = client(at).user(&ana(), &keep()).await.expect_err("nobody there");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let source = std::error::Error::source(&error).expect("a cause");
    assert!(source.to_string().contains("cannot connect"), "{source}");
    assert!(!format!("{error:?} {error} {source}").contains(TOKEN));
}
