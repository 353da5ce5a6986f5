//! The style sheet, the little script and the icon: part of the program, named by what is in them, so that they may be kept for ever.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use super::site::Part;

struct Asset {
    /// `muster-1a2b3c4d5e6f.css`
    name: String,
    kind: &'static str,
    bytes: &'static [u8],
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("css", "text/css; charset=utf-8", include_bytes!("../../assets/muster.css")),
        asset("js", "text/javascript; charset=utf-8", include_bytes!("../../assets/muster.js")),
        asset("svg", "image/svg+xml", include_bytes!("../../assets/muster.svg")),
    ]
});

fn asset(ending: &str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    let hash = Sha256::digest(bytes);
    let mark: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    Asset { name: format!("muster-{mark}.{ending}"), kind, bytes }
}

/// Where an asset is, by its ending: `css`, `js`, `svg`.
pub(super) fn path(ending: &str) -> String {
    let named = ASSETS.iter().find(|asset| asset.name.rsplit('.').next() == Some(ending));
    format!("/assets/{}", named.map_or("", |asset| asset.name.as_str()))
}

/// `/assets/{file}`
pub(super) async fn serve(Part(file): Part) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == file) else {
        return Fault::NOT_FOUND.into_response();
    };
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    let kind = HeaderValue::from_static(asset.kind);
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, for_ever)], asset.bytes).into_response()
}
