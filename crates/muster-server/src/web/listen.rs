//! Taking connections, with limits against those who are slow or many.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::host::Peer;
use crate::clock::{Clock, stopped};

/// Connections at a time; others wait to be taken.
const CONNECTIONS_MAX: usize = 4_096;
/// How long the head of a request may take, and a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// Lines of the longest head, and its bytes.
const HEADERS_MAX: usize = 100;
const BUFFER_MAX: usize = 64 * 1024;
/// How long a stop waits for answers under way.
const GOODBYE: Duration = Duration::from_secs(4);
/// How long to wait when no connection can be taken, for want of file handles say.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` says so, then lets the answers under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let taken = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, peer)) => {
                let peer = Peer(peer.ip().to_canonical());
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, peer, router, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                clock.pause(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // Dropping the set ends whoever is not ready by then.
    let _ = timeout(GOODBYE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let answered = router.clone().oneshot(request.map(Body::new));
        async move {
            let response: Result<Response, std::convert::Infallible> = answered.await;
            response
        }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_MAX)
            .serve_connection(TokioIo::new(stream), answer)
    );
    tokio::select! {
        // What went wrong with a connection is its client's business.
        _ = &mut serving => {}
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}
