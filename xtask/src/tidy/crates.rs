//! The arrows between crates, as ARCHITECTURE.md draws them, and what every manifest has in common.

use toml::{Table, Value};

use super::Finding;
use crate::repo::{File, Repo};

/// What a crate may and may not stand on. Crates of ours that are not listed under `ours` are forbidden, and so is the
/// same in tests: whoever needs more there belongs in another crate's tests.
struct Arrows {
    name: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

const ARROWS: [Arrows; 7] = [
    Arrows {
        name: "muster-core",
        ours: &[],
        never: &["tokio", "futures-util", "sqlx", "reqwest", "axum", "hyper", "rand"],
    },
    Arrows { name: "muster-okta", ours: &["muster-core"], never: &["sqlx", "axum"] },
    Arrows { name: "muster-store", ours: &["muster-core"], never: &["axum", "reqwest"] },
    Arrows {
        name: "muster-server",
        ours: &["muster-core", "muster-okta", "muster-store", "muster-oktasim"],
        never: &["sqlx", "reqwest"],
    },
    Arrows { name: "muster-oktasim", ours: &[], never: &["sqlx", "reqwest"] },
    Arrows {
        name: "muster-bench",
        ours: &["muster-core", "muster-okta", "muster-store", "muster-server", "muster-oktasim"],
        never: &[],
    },
    Arrows { name: "xtask", ours: &[], never: &[] },
];

/// Where the service may use the simulator: the demo. Tests may too, they lie elsewhere.
const SIMULATOR_USERS: [&str; 2] =
    ["crates/muster-server/src/cli/demo.rs", "crates/muster-server/src/cli/demo/"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in repo.ending("Cargo.toml").filter(|file| file.path != "Cargo.toml") {
        match file.text.parse::<Table>() {
            Ok(manifest) => manifest_rules(file, &manifest, &mut found),
            Err(error) => found.push(Finding::about(&file.path, error.message())),
        }
    }
    for file in repo.ending(".rs").filter(|file| file.is_in("crates/muster-server/src/")) {
        if SIMULATOR_USERS.iter().any(|user| file.path.starts_with(user)) {
            continue;
        }
        for (line, code) in file.code().filter(|(_, code)| code.contains("muster_oktasim")) {
            let what = code.trim();
            let message = format!("only the demo and tests may use the simulator: `{what}`");
            found.push(Finding::at(file, line, message));
        }
    }
    found
}

fn manifest_rules(file: &File, manifest: &Table, found: &mut Vec<Finding>) {
    let name = manifest.get("package").and_then(|package| package.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let folder = file.path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default();
    if folder != name {
        found.push(Finding::about(
            &file.path,
            format!("folder and crate must share a name: {name}"),
        ));
    }
    let Some(arrows) = ARROWS.iter().find(|arrows| arrows.name == name) else {
        let message =
            format!("say in ARCHITECTURE.md and in xtask's `tidy/crates.rs` why `{name}` exists");
        found.push(Finding::about(&file.path, message));
        return;
    };
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let table = manifest.get(kind).and_then(Value::as_table);
        for (other, value) in table.into_iter().flatten() {
            let ours = ARROWS.iter().any(|arrows| arrows.name == other);
            if ours && !arrows.ours.contains(&other.as_str()) {
                found.push(Finding::about(&file.path, format!("{name} must not import {other}")));
            }
            // A test may serve what the crate itself may not: a server on loopback, say.
            if kind == "dependencies" && arrows.never.contains(&other.as_str()) {
                found.push(Finding::about(&file.path, format!("{name} must not import {other}")));
            }
            if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                let message = format!("`{other}` must take its version from the workspace");
                found.push(Finding::about(&file.path, message));
            }
        }
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if lints.and_then(Value::as_bool) != Some(true) {
        found.push(Finding::about(&file.path, "must take the lints of the workspace"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const LINTS: &str = "\n[lints]\nworkspace = true\n";

    #[track_caller]
    fn finds(name: &str, rest: &str, want: &[&str]) {
        let path = format!("crates/{name}/Cargo.toml");
        let text = format!("[package]\nname = \"{name}\"\n{rest}{LINTS}");
        let want: Vec<String> = want.iter().map(|message| format!("{path}: {message}")).collect();
        assert_eq!(found(check, &[(&path, &text)]), want);
    }

    #[test]
    fn arrows() {
        finds("muster-okta", "[dependencies]\nmuster-core.workspace = true", &[]);
        finds(
            "muster-core",
            "[dependencies]\ntokio.workspace = true",
            &["muster-core must not import tokio"],
        );
        finds(
            "muster-okta",
            "[dev-dependencies]\naxum.workspace = true\nmuster-oktasim.workspace = true",
            &["muster-okta must not import muster-oktasim"],
        );
        finds(
            "muster-oktasim",
            "[build-dependencies]\nmuster-core = { workspace = true }",
            &["muster-oktasim must not import muster-core"],
        );
        finds(
            "xtask",
            "[dependencies]\ntoml = \"1\"",
            &["`toml` must take its version from the workspace"],
        );
        finds(
            "muster-extra",
            "",
            &["say in ARCHITECTURE.md and in xtask's `tidy/crates.rs` why `muster-extra` exists"],
        );
    }

    #[test]
    fn every_crate_takes_the_lints() {
        let without = ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n");
        assert_eq!(
            found(check, &[without]),
            ["xtask/Cargo.toml: must take the lints of the workspace"]
        );
    }

    #[test]
    fn the_simulator_stays_in_the_demo() {
        let uses = "//! Not muster_oktasim.\nuse muster_oktasim::Sim;\n";
        let files = [
            ("crates/muster-server/src/cli/demo.rs", uses),
            ("crates/muster-server/tests/it/main.rs", uses),
            ("crates/muster-server/src/sync/read.rs", uses),
        ];
        let want = "crates/muster-server/src/sync/read.rs:2: only the demo and tests may use the simulator: \
                    `use muster_oktasim::Sim;`";
        assert_eq!(found(check, &files), [want]);
    }
}
