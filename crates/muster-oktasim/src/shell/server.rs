//! HTTP in front of the pure org.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::net::TcpListener;

use super::clock;
use super::courier;
use super::stream::{CuttableListener, Knife};
use crate::api::exchange::{Cut, Reply, Request};
use crate::handle::OrgHandle;

/// The largest body that is read.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// How long a cut answer hangs before its connection ends.
const BREAK_MS: u64 = 5;

#[derive(Debug, Clone)]
struct Shared {
    org: OrgHandle,
    in_flight: Arc<AtomicU32>,
}

/// Serves until the task is dropped.
pub(super) async fn serve(listener: TcpListener, org: OrgHandle) {
    let shared = Shared { org, in_flight: Arc::new(AtomicU32::new(0)) };
    let app = Router::new().fallback(answer).with_state(shared);
    let app = app.into_make_service_with_connect_info::<Knife>();
    // `axum::serve` goes on for ever and handles failing connections itself.
    let _ = axum::serve(CuttableListener(listener), app).await;
}

/// Counts a call for as long as it lives.
#[derive(Debug)]
struct InFlight(Arc<AtomicU32>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(knife): ConnectInfo<Knife>,
    request: axum::extract::Request,
) -> Response {
    let running = shared.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
    let _counted = InFlight(Arc::clone(&shared.in_flight));
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let request = Request { method: parts.method, target, headers, body, in_flight: running };
    let mut reply = shared.org.handle(&request, clock::now());
    if let Some(verification) = reply.verify.take() {
        let outcome = courier::call(&verification.call).await;
        reply = shared.org.verified(&verification, &outcome, clock::now());
    }
    clock::wait(reply.delay_ms).await;
    response(reply, &knife)
}

fn response(reply: Reply, knife: &Knife) -> Response {
    let body = match reply.cut {
        Some(Cut::Drop) => {
            knife.fall();
            Body::empty()
        }
        Some(Cut::After(bytes)) if bytes < reply.body.len() => {
            // The length says more than is sent, and then the stream breaks.
            Body::from_stream(broken(reply.body.slice(..bytes)))
        }
        _ => Body::from(reply.body.clone()),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    if matches!(reply.cut, Some(Cut::After(_))) {
        response
            .headers_mut()
            .insert(http::header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    response
}

/// Some bytes and then an error, with a pause between them so that the bytes leave before the connection ends.
fn broken(bytes: Bytes) -> impl stream::Stream<Item = io::Result<Bytes>> {
    let first = stream::iter([Ok(bytes)]);
    let then = stream::once(async {
        clock::wait(BREAK_MS).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    first.chain(then)
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
