//! Pictures for the documentation, taken where the tests come by.

use std::path::Path;

use super::driver::variable;
use super::window::Window;

/// Writes the page as it is, so many pixels high, light and dark, into the folder that `MUSTER_SCREENSHOTS` names; nothing without it.
pub(super) async fn picture(window: &Window, name: &str, height: u32) {
    let Some(folder) = variable("MUSTER_SCREENSHOTS") else { return };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("a folder");
    window.size(1000, height).await;
    for scheme in ["dark", "light"] {
        window.colours(scheme).await;
        // What moves when it appears has arrived.
        window.script(ARRIVED, Vec::new()).await;
        let file = folder.join(format!("{name}-{scheme}.png"));
        window.driver.screenshot(&file).await.expect("a picture");
    }
    window.size(1000, 700).await;
}

const ARRIVED: &str = "document.getAnimations().forEach((one) => one.finish());";
