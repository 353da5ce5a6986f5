//! Whether the service is well, for those who operate it.

use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use super::{Web, is_reading, not_allowed, told};

/// How long the database may take to show that it lives.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the loop of work may be silent. It looks twice a second, and waits for a busy database for some seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// `/healthz`: the process answers.
pub(super) async fn alive(method: Method) -> Response {
    if is_reading(&method) { told(StatusCode::OK, "alive\n") } else { not_allowed("GET, HEAD") }
}

/// `/readyz`: it can reach the database and does its work, and is not about to stop.
pub(super) async fn ready(State(web): State<Web>, method: Method) -> Response {
    if !is_reading(&method) {
        return not_allowed("GET, HEAD");
    }
    let web = &web.0;
    let unready = |why| told(StatusCode::SERVICE_UNAVAILABLE, why);
    if *web.stop.borrow() {
        return unready("stopping\n");
    }
    if !matches!(timeout(PATIENCE, web.db.ping()).await, Ok(Ok(()))) {
        return unready("the database does not answer\n");
    }
    if !web.pulse.is_alive(web.clock.now(), SILENCE) {
        return unready("the work stands still\n");
    }
    told(StatusCode::OK, "ready\n")
}

/// `/metrics`: what there is to count, as Prometheus reads it.
pub(super) async fn metrics(State(web): State<Web>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let web = &web.0;
    // What this process counted is worth having also when the database does not answer.
    let counts = match timeout(PATIENCE, web.db.job_counts()).await {
        Ok(Ok(counts)) => counts,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    let text = web.metrics.text(&counts, web.clock.now());
    ([(header::CONTENT_TYPE, TYPE)], text).into_response()
}
