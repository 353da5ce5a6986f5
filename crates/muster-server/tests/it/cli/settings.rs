//! Tenants, settings, rules and accounts: what commands print, and what they leave behind.

use serde_json::{Value, json};

use crate::support::Home;

fn acme() -> Home {
    let home = Home::sqlite();
    home.line("tenant create acme --name Acme --owner Olga@acme.example").done();
    home.line("okta enable acme").done();
    home
}

/// The names in a JSON object, in any order.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_tenant_begins_with_an_owner_and_the_switch_off() {
    let home = Home::sqlite();
    let made = home.muster(&[
        "--json",
        "tenant",
        "create",
        "acme",
        "--name",
        "Acme Ltd",
        "--owner",
        "o@acme.example",
    ]);
    let made = made.done().json();
    assert_eq!(made["subdomain"], "acme");
    assert_eq!(made["okta_enabled"], false);
    assert_eq!(made["url"], "http://acme.localhost:8080");
    let listed = home.line("tenant list --json").done().lines();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], made["id"]);
    let people = home.line("people list acme --json").done().lines();
    assert_eq!(
        (people[0]["role"].as_str(), people[0]["email"].as_str()),
        (Some("owner"), Some("o@acme.example"))
    );
    assert_eq!(home.line("okta show acme --json").done().json()["state"], "off");
    let again = home.line("okta enable acme --json").done().json();
    assert_eq!(again, json!({"subdomain": "acme", "okta_enabled": true, "changed": true}));
    assert_eq!(home.line("okta enable acme --json").done().json()["changed"], false);
    assert_eq!(home.line("okta show acme --json").done().json()["state"], "not_connected");
}

#[test]
fn a_person_has_exactly_the_promised_shape() {
    let home = acme();
    let add = "people add acme --email ana@acme.example --first Ana --last Ito --role hr --reason helps --json";
    let person = home.line(add).done().json();
    let promised = [
        "email",
        "first_name",
        "id",
        "language",
        "last_name",
        "location",
        "managed",
        "manager",
        "okta_status",
        "okta_user_id",
        "photo_url",
        "role",
        "start_date",
        "status",
        "status_reason",
        "team",
        "title",
    ];
    for name in promised {
        assert!(person.get(name).is_some(), "{name} is missing in {person}");
    }
    assert_eq!(person["okta_user_id"], Value::Null);
    assert_eq!(
        (person["status"].as_str(), person["status_reason"].as_str()),
        (Some("active"), Some("unmanaged"))
    );
    assert_eq!((person["managed"].as_bool(), person["role"].as_str()), (Some(false), Some("hr")));
    let id = person["id"].as_str().expect("an id");
    assert!(id.starts_with("per_"), "{id}");
    for key in ["ana@acme.example", "ANA@acme.example", id] {
        assert_eq!(home.line(&format!("people show acme {key} --json")).done().json()["id"], id);
    }
    let shown = home.line("people show acme ana@acme.example --json").done().json();
    let first = &shown["timeline"][0];
    assert_eq!((first["kind"].as_str(), first["actor"].as_str()), (Some("create"), Some("os:ana")));
    assert_eq!((first["cause"].as_str(), first["reason"].as_str()), (Some("cli"), Some("helps")));
    assert_eq!(first["fields"]["email"], json!([null, "ana@acme.example"]));
}

#[test]
fn access_is_taken_and_given_back_with_a_reason() {
    let home = acme();
    home.line("people add acme --email ana@acme.example --first Ana --last Ito").done();
    let out =
        home.line("people deactivate acme ana@acme.example --reason leave --json").done().json();
    assert_eq!(
        (out["status"].as_str(), out["status_reason"].as_str()),
        (Some("deactivated"), Some("by_hand"))
    );
    home.line("people deactivate acme ana@acme.example --reason again").exits(2);
    assert_eq!(home.line("people list acme --status deactivated --json").done().lines().len(), 1);
    let back =
        home.line("people reactivate acme ana@acme.example --reason back --json").done().json();
    assert_eq!(
        (back["status"].as_str(), back["status_reason"].as_str()),
        (Some("active"), Some("unmanaged"))
    );
    let shown = home.line("people show acme ana@acme.example").done().out;
    let places: Vec<_> =
        ["access given back", "\"back\"", "access taken away", "\"leave\"", "account made"]
            .map(|text| shown.find(text).unwrap_or_else(|| panic!("{text} is not in\n{shown}")))
            .into();
    assert!(places.is_sorted(), "newest first\n{shown}");
}

#[test]
fn an_import_adds_everybody_and_lists_fit_80_columns() {
    let home = acme();
    let rows: String = (0..1_200)
        .map(|n| format!("person.number.{n:04}@a-very-long-subdomain.acme.example,Maximiliana {n},Featherstonehaugh-Cholmondeley,Principal Engineer of Everything,Operations & Logistics\n"))
        .collect();
    home.file("people.csv", &format!("email,first_name,last_name,title,team\n{rows}"));
    assert_eq!(
        home.line("people import acme people.csv --json").done().json(),
        json!({"added": 1200})
    );
    let listed = home.line("people list acme").done().out;
    assert_eq!(listed.lines().count(), 1_202, "a head, the owner, and everybody");
    let wide: Vec<_> = listed.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:?}");
    assert!(listed.contains('…'));
    assert_eq!(home.line("people list acme --json").done().lines().len(), 1_201);
    let stdin = home.muster_with(
        &["people", "import", "acme", "-", "--json"],
        "email;first_name;last_name\nzoe@acme.example;Zoë;Ø\n",
    );
    assert_eq!(stdin.done().json(), json!({"added": 1}));
}

#[test]
fn rules_are_shown_as_written_and_replaced() {
    let home = acme();
    let first = home.line("okta rules acme").done().out;
    assert!(first.contains("acme.example") && first.contains("[map]"), "{first}");
    let own = "# ours\nemail_domains = [\"acme.example\"]\nlanguages = [\"en-GB\", \"de\"]\n";
    home.file("rules.toml", own);
    let told = home.line("okta rules acme rules.toml --json").done().json();
    assert_eq!((told["revision"].as_i64(), told["changed"].as_bool()), (Some(2), Some(true)));
    assert_eq!(home.line("okta rules acme").done().out, own);
    assert_eq!(home.line("okta rules acme rules.toml --json").done().json()["changed"], false);
    // What is shown can be given back as it is.
    let again = home.muster_with(&["okta", "rules", "acme", "-", "--json"], &first).done().json();
    assert_eq!(again["revision"], 3);
}

#[test]
fn settings_are_tidied_kept_and_shown_without_secrets() {
    let home = acme();
    home.file("secret", "  s3cret-client\n\n");
    home.file("token", "SSWS s3cret-token\r\n");
    let line = "okta set acme --api-url https://acme-admin.okta.com/admin/apps --client-id 0oa1client2id \
                --client-secret secret --api-token token";
    let ran = home.line(line).done();
    assert!(
        ran.out.contains("removed -admin") && ran.out.contains("removed the word SSWS"),
        "{}",
        ran.out
    );
    let shown = home.line("okta show acme --json").done().json();
    assert_eq!(shown["state"], "ready");
    assert_eq!(shown["api_url"], "https://acme.okta.com");
    assert_eq!(shown["client_id"], "0oa1client2id");
    assert_eq!(shown["api_token"]["set_by"], "os:ana");
    assert_eq!(names(&shown["api_token"]), ["host", "set_at", "set_by"]);
    // One value alone.
    home.line("okta set acme --app-id 0oaApp").done();
    let shown = home.line("okta show acme --json").done().json();
    assert_eq!(
        (shown["app_id"].as_str(), shown["client_id"].as_str()),
        (Some("0oaApp"), Some("0oa1client2id"))
    );
    // Another host: both secrets again, or nothing changes.
    let ran = home.line("okta set acme --api-url other.okta.com --api-token token").exits(2);
    assert!(ran.err.contains("--client-secret") && ran.err.contains("nothing was"), "{}", ran.err);
    assert_eq!(
        home.line("okta show acme --json").done().json()["api_url"],
        "https://acme.okta.com"
    );
    home.line("okta set acme --api-url other.okta.com --api-token token --client-secret secret")
        .done();
    let text = home.line("okta show acme").done().out;
    assert!(text.contains("https://other.okta.com") && text.contains("set on "), "{text}");
    let custom = "okta set acme --api-url https://id.acme.example --confirm-custom-domain --api-token - --client-secret secret";
    let ran =
        home.muster_with(&custom.split_whitespace().collect::<Vec<_>>(), "s3cret-token\n").done();
    assert!(!format!("{}{}", ran.out, ran.err).contains("s3cret"));
}

#[test]
fn several_first_starts_at_once_agree_on_one_key() {
    let home = Home::sqlite();
    let start = || {
        let mut command = home.command(&["tenant", "list"]);
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("started")
    };
    let started: Vec<_> = (0..6).map(|_| start()).collect();
    for child in started {
        let output = child.wait_with_output().expect("ended");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
    }
    let left: Vec<_> = std::fs::read_dir(home.path().join("data"))
        .expect("listed")
        .map(|file| file.expect("a file").file_name().into_string().expect("text"))
        .filter(|name| name.contains("key"))
        .collect();
    assert_eq!(left, ["master.key"]);
    home.line("tenant create acme --name Acme --owner o@acme.example").done();
}

#[test]
fn results_are_for_stdout_and_the_rest_is_not() {
    let home = acme();
    for line in ["tenant list", "people list acme", "okta show acme", "check-config", "migrate"] {
        let ran = home.line(&format!("{line} --json")).done();
        assert!(ran.err.is_empty(), "`{line}` printed {:?}", ran.err);
        assert!(!ran.lines().is_empty());
    }
    let help = home.line("--help").done();
    for text in ["MUSTER_DATABASE_URL", "MUSTER_LEASE_SECONDS", "Exit codes"] {
        assert!(help.out.contains(text), "{text}");
    }
    assert!(home.line("--version").done().out.starts_with("muster "));
}

#[test]
fn whoever_reads_only_the_first_lines_is_not_shouted_at() {
    let home = acme();
    let rows: String = (0..3_000).map(|n| format!("p{n:05}@acme.example,P,Q\n")).collect();
    home.file("people.csv", &format!("email,first_name,last_name\n{rows}"));
    home.line("people import acme people.csv").done();
    let mut child = home
        .command(&["people", "list", "acme", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
