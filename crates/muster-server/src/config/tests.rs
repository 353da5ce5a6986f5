//! The configuration as people get it wrong.

use super::*;

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let read = Config::read(None, &Environment::of(variables.iter().copied()));
    read.map(drop).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_those_of_the_page() {
    let config = Config::read(None, &Environment::of([])).expect("defaults");
    let shown: BTreeMap<_, _> = config
        .in_force()
        .into_iter()
        .map(|(name, value, origin)| (name, (value, origin)))
        .collect();
    let want = [
        ("MUSTER_DATABASE_URL", "sqlite://muster-data/muster.db"),
        ("MUSTER_LISTEN", "127.0.0.1:8080"),
        ("MUSTER_PUBLIC_URL", "http://localhost:8080"),
        ("MUSTER_MASTER_KEY_FILE", "muster-data/master.key"),
        ("MUSTER_LOG_POLL_SECONDS", "300"),
        ("MUSTER_LOG_FORMAT", "text"),
        ("MUSTER_LEASE_SECONDS", "15"),
        ("MUSTER_SMTP_URL", "(none)"),
    ];
    for (name, value) in want {
        assert_eq!(shown[name], (value.to_owned(), Origin::Default), "{name}");
    }
    assert_eq!(shown.len(), var::VARIABLES.len());
}

#[test]
fn each_wrong_value_is_told_and_all_at_once() {
    let cases = [
        ("MUSTER_DATABASE_URL", "mysql://x"),
        ("MUSTER_LISTEN", "8080"),
        ("MUSTER_PUBLIC_URL", "http://example.com"),
        ("MUSTER_OKTA_EXTRA_HOSTS", "localhost"),
        ("MUSTER_SUPPORT_CONTACT", "a\nb"),
        ("MUSTER_LOG_POLL_SECONDS", "-1"),
        ("MUSTER_OPS_LISTEN", "127.0.0.1"),
        ("MUSTER_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("MUSTER_SMTP_URL", "mail.example"),
        ("MUSTER_MAIL_FROM", "nobody"),
        ("MUSTER_OTLP_URL", "collector:4317"),
        ("MUSTER_LOG", "muster=loud"),
        ("MUSTER_LOG_FORMAT", "xml"),
        ("MUSTER_LEASE_SECONDS", "0"),
        ("MUSTER_LISTN", "127.0.0.1:1"),
    ];
    for (name, value) in cases {
        let told = problems(&[(name, value)]);
        assert!(
            told.len() == 1 && told[0].starts_with(&format!("{name}: ")),
            "{name}={value}: {told:?}"
        );
    }
    assert_eq!(problems(&cases).len(), cases.len());
}

#[test]
fn what_belongs_together_is_looked_at_together() {
    let postgres = ("MUSTER_DATABASE_URL", "postgres://ana@db/muster");
    assert!(problems(&[postgres])[0].starts_with("MUSTER_MASTER_KEY_FILE: must name a file"));
    let told = problems(&[postgres, ("MUSTER_MASTER_KEY_FILE", "/nowhere/master.key")]);
    assert!(told.len() == 1 && told[0].contains("/nowhere/master.key cannot be read"), "{told:?}");
    let told = problems(&[("MUSTER_SMTP_URL", "smtp://u:hunter2@mail.example")]);
    assert!(told.len() == 1 && told[0].starts_with("MUSTER_MAIL_FROM: must be set"), "{told:?}");
    let told = problems(&[("MUSTER_OPS_LISTEN", "0.0.0.0:8080")]);
    assert!(told.len() == 1 && told[0].contains("where the public listens"), "{told:?}");
    assert!(problems(&[("MUSTER_LISTEN", " "), ("MUSTER_SERVICE_HOST", "10.1.2.3")]).is_empty());
}

#[test]
fn no_password_is_ever_shown() {
    let env = [
        ("MUSTER_DATABASE_URL", "postgres://ana:hunter2@db/muster?password=hunter2"),
        ("MUSTER_MASTER_KEY_FILE", "/dev/null"),
        ("MUSTER_SMTP_URL", "smtp://ana:hunter2@mail.example:587"),
        ("MUSTER_MAIL_FROM", "Muster <muster@acme.example>"),
        ("MUSTER_OTLP_URL", "https://ana:hunter2@traces.example/v1?key=hunter2"),
    ];
    let config = Config::read(None, &Environment::of(env)).expect("fine");
    let shown = format!("{:?} {config:?}", config.in_force());
    assert!(!shown.contains("hunter2"), "{shown}");
    let wrong = problems(&[
        ("MUSTER_DATABASE_URL", "postgres://ana:hunter2@db:port/x"),
        ("MUSTER_SMTP_URL", "hunter2"),
    ]);
    assert!(!wrong.join(" ").contains("hunter2"), "{wrong:?}");
}

#[test]
fn a_file_has_the_same_names_and_the_environment_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("muster.toml");
    let text = "# ours\nMUSTER_LISTEN = \"127.0.0.1:9000\"\nMUSTER_LOG_POLL_SECONDS = 60\n\
                MUSTER_TRUSTED_PROXIES = [\"10.0.0.0/8\", \"::1\"]\n";
    std::fs::write(&file, text).expect("written");
    let config = Config::read(Some(&file), &Environment::of([("MUSTER_LISTEN", "127.0.0.1:9001")]))
        .expect("fine");
    assert_eq!(config.listen.port(), 9001);
    assert_eq!(config.log_poll, Some(Duration::from_mins(1)));
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.origins[var::LOG_POLL_SECONDS], Origin::File(3));
    let told = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let read = Config::read(Some(&file), &Environment::of([])).map(drop);
        read.err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(told("\nMUSTER_LISTN = \"x\"").contains("line 2); did you mean MUSTER_LISTEN?"));
    assert!(told("listen = \"x\"\ncolour = 3").matches("there is no such setting").count() == 2);
    assert!(told("[MUSTER_LISTEN]\na = 1").contains("line 1: a text"));
    assert!(told("MUSTER_LISTEN = \"127.0.0.1:1\"\nMUSTER_LOG = ").contains("line 2"));
    let broken = told("MUSTER_SMTP_URL = \"smtp://u:hunter2@x\nMUSTER_LOG_FORMAT = \"xml\"");
    assert!(broken.contains("line 1") && !broken.contains("hunter2"), "{broken}");
}
