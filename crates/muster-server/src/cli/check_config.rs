//! `muster check-config`: all that is wrong at once, and what is in force.

use super::exit::{CliError, Exit};
use super::output::{Out, Table, column};
use crate::config::{Config, Origin, Problem};

pub(super) fn run(read: Result<Config, Vec<Problem>>, json: bool) -> Result<Exit, CliError> {
    let zone = jiff::tz::TimeZone::UTC;
    let mut out = Out::stdout(json, zone);
    let exit = match read {
        Ok(config) => show(&config, &mut out).map(|()| Exit::Done),
        Err(problems) if json => out
            .object(&serde_json::json!({"ok": false, "problems": problems}))
            .map(|()| Exit::Usage),
        Err(problems) => Err(CliError::Config(problems)),
    };
    out.flush()?;
    exit
}

fn show(config: &Config, out: &mut Out) -> Result<(), CliError> {
    let in_force = config.in_force();
    if out.json {
        let settings: serde_json::Map<_, _> = in_force
            .iter()
            .map(|(name, value, origin)| {
                let origin = origin.to_string();
                ((*name).to_owned(), serde_json::json!({"value": value, "from": origin}))
            })
            .collect();
        let warnings = &config.warnings;
        return out.object(&serde_json::json!({
            "ok": true, "problems": [], "warnings": warnings, "settings": settings
        }));
    }
    out.line("The configuration is fine. In force, with secrets left out:")?;
    out.line("")?;
    let columns = [column("SETTING", 24), column("VALUE", 30), column("FROM", 11)];
    let rows: Vec<Vec<String>> = in_force
        .into_iter()
        .map(|(name, value, origin)| {
            let origin = match origin {
                Origin::Default => String::new(),
                other => other.to_string(),
            };
            vec![name.to_owned(), value, origin]
        })
        .collect();
    // Values are not cut: somebody wants to compare them letter by letter.
    let table = Table::fit(&columns, &rows, usize::MAX);
    out.line(table.head())?;
    for row in &rows {
        out.line(table.row(row))?;
    }
    for warning in &config.warnings {
        out.line(format!("warning: {warning}"))?;
    }
    Ok(())
}
