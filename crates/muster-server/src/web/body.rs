//! Reading a body, with limits on its size, on time and on the memory of all bodies together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The largest body that is read whole. Real deliveries have kilobytes.
pub(super) const BODY_MAX: usize = 8 * 1024 * 1024;
/// What is kept of a body that cannot be read.
pub(super) const ASIDE_MAX: usize = 64 * 1024;
/// Bytes of an oversized body that are still taken from the wire, so that its sender reads the answer.
const DRAIN_MAX: usize = 64 * 1024 * 1024;
/// How long a body may take. Okta itself waits 3 s for the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bodies up to this size are read without asking; a larger one waits until there is memory for it.
const SMALL: usize = 64 * 1024;
/// Large bodies that are held at a time.
const LARGE_AT_ONCE: usize = 8;

/// The memory of large bodies.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }
}

/// A body that was read to its end.
#[derive(Debug)]
pub(super) struct Read {
    /// All of it, or the beginning of one that is too large.
    pub(super) bytes: Bytes,
    /// Bytes of the whole, as far as it was taken.
    pub(super) size: usize,
    _held: Option<OwnedSemaphorePermit>,
}

impl Read {
    /// Whether the whole body is there.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() == self.size
    }
}

/// The sender stopped halfway, was too slow, or there is no memory for it now.
#[derive(Debug)]
pub(super) struct Broken;

/// Reads a body.
pub(super) async fn read(body: Body, budget: &Budget) -> Result<Read, Broken> {
    timeout(PATIENCE, whole(body, budget)).await.map_err(|_| Broken)?
}

async fn whole(mut body: Body, budget: &Budget) -> Result<Read, Broken> {
    let Some(first) = next(&mut body).await? else {
        return Ok(Read { bytes: Bytes::new(), size: 0, _held: None });
    };
    // Nearly every delivery comes in one piece and is not copied.
    let Some(second) = next(&mut body).await? else {
        return Ok(Read { size: first.len(), bytes: first, _held: None });
    };
    let mut size = first.len();
    let mut kept = BytesMut::from(first);
    let mut held = None;
    let mut more = Some(second);
    while let Some(chunk) = more {
        size += chunk.len();
        if size <= BODY_MAX {
            if size > SMALL && held.is_none() {
                let permit = Arc::clone(&budget.0).acquire_owned().await;
                held = Some(permit.map_err(|_| Broken)?);
            }
            kept.extend_from_slice(&chunk);
        } else if kept.len() > ASIDE_MAX {
            kept = BytesMut::from(&kept[..ASIDE_MAX]);
            held = None;
        }
        if size > DRAIN_MAX {
            break;
        }
        more = next(&mut body).await?;
    }
    Ok(Read { bytes: kept.freeze(), size, _held: held })
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Broken> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Broken),
            // Trailers say nothing to us.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_) => {}
            },
        }
    }
}
