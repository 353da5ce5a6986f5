//! `muster migrate`: opening the database is all it takes.

use super::Context;
use super::exit::{CliError, Exit};

pub(super) fn run(cx: &mut Context) -> Result<Exit, CliError> {
    let database = cx.app.config.database_url.to_string();
    let told = serde_json::json!({"database": database, "version": env!("CARGO_PKG_VERSION")});
    cx.out.say(
        &told,
        format!("The database {database} is up to date with muster {}.", env!("CARGO_PKG_VERSION")),
    )?;
    Ok(Exit::Done)
}
