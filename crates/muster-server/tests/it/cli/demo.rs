//! The demo: it ends by itself, tells its story, and leaves nothing behind.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{Client, Home, Program};

#[test]
fn the_story_is_told_to_its_end_and_nothing_is_left() {
    let mut home = Home::sqlite();
    let temporary = home.path().join("temporary");
    std::fs::create_dir(&temporary).expect("made");
    home.set("TMPDIR", &temporary.display().to_string());
    let told = home.line("demo --once").done();
    let mut rest = told.out.as_str();
    for text in [
        "Fernhill Group, with 240 people",
        "193 would be created",
        "193 created",
        "Fabian Foreman",
        "Okta verified it",
        "Joy Newcombe joined",
        " ms  hook received",
        "account made: Joy Newcombe",
        "Mona Mover moved",
        "Leo Leaver left",
        " ms  access taken away: deactivated in Okta",
        "Duncan Twice was suspended",
        " ms  access taken away: suspended in Okta",
        "is lost on its way, on purpose",
        "missed by hook, found in the log after",
        "wendy.manyreports@fernhill.example",
        "9 events came by hook, 1 was missed by hook",
        "Muster is stopped for an update",
        "incomplete: nobody was removed",
        "Maidwell → Bridewell",
        "Okta is well again",
        "Oona Order           access taken away: no longer assigned",
        "held the removals",
        "nobody had lost anything",
        "Muster serves again",
        "Nobody had to be changed",
        "Lina Linkwell <lina.linkwell@fernhill.example>",
        "from Okta's System Log",
    ] {
        // Each after the one before.
        let at = rest.find(text).unwrap_or_else(|| panic!("{text:?} is not in\n{rest}"));
        rest = &rest[at + text.len()..];
    }
    assert_eq!(told.out.matches(" ms  hook received").count(), 4, "{}", told.out);
    let wide: Vec<_> = told
        .out
        .lines()
        .filter(|line| line.chars().count() > 80 && !line.contains("$ muster"))
        .collect();
    assert!(wide.is_empty(), "{wide:?}");
    assert_eq!(told.err, "");
    assert_eq!(std::fs::read_dir(&temporary).expect("listed").count(), 0, "the folder is gone");
    assert!(!home.path().join("data").exists(), "the installation's own database is not touched");
}

#[test]
fn scripts_get_an_object_an_act() {
    let home = Home::sqlite();
    let acts = home.line("demo --once --json").done().lines();
    let told: Vec<_> = acts
        .iter()
        .filter(|act| act["run"].is_object())
        .map(|act| (act["act"].as_str(), act["run"]["state"].as_str()))
        .collect();
    let want = [
        ("preview", "done"),
        ("first_sync", "done"),
        ("bad_moment", "incomplete"),
        ("morning", "done"),
        ("wrong_group", "held"),
        ("wrong_group", "done"),
    ];
    assert_eq!(told, want.map(|(act, state)| (Some(act), Some(state))));
    let last = acts.last().expect("an act");
    assert_eq!((&last["act"], &last["changed"]), (&json!("back"), &json!(0)), "{last}");
    let events = &last["events"];
    assert_eq!(events["by_hook"], 0, "nobody was there to be called: {last}");
    assert!(
        events["missed"] == events["in_log"] && events["missed"].as_i64() > Some(400),
        "{last}"
    );
}

#[test]
fn changes_arrive_by_hook_and_the_one_that_is_lost_is_found_in_the_log() {
    let home = Home::sqlite();
    let acts = home.line("demo --once --json").done().lines();
    let changes: Vec<&Value> = acts.iter().filter(|act| act["change"].is_string()).collect();
    let how: Vec<_> = changes.iter().map(|act| (&act["change"], &act["by"])).collect();
    let want = [
        ("joiner", "hook"),
        ("mover", "hook"),
        ("leaver", "hook"),
        ("suspended", "hook"),
        ("new-manager", "log"),
    ]
    .map(|(change, by)| (json!(change), json!(by)));
    assert_eq!(how, want.iter().map(|(change, by)| (change, by)).collect::<Vec<_>>());
    for change in &changes {
        let by_hook = change["by"] == "hook";
        assert_eq!(change["hook_ms"].is_u64(), by_hook, "{change}");
        // The log may have shown it, too; what came first is what it was done by.
        let known = [&change["hook_ms"], &change["log_ms"]].into_iter().filter_map(Value::as_u64);
        assert!(known.min().expect("a time") <= change["applied_ms"].as_u64().expect("a time"));
        assert!(by_hook || change["log_ms"].is_u64(), "{change}");
    }
    let compared: Vec<_> = acts.iter().filter(|act| act["act"] == "hooks").collect();
    let compared = &compared.last().expect("an act")["events"];
    assert_eq!(*compared, json!({"by_hook": 9, "in_log": 10, "missed": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_serving_until_it_is_stopped() {
    let mut home = Home::sqlite();
    let temporary = home.path().join("temporary");
    std::fs::create_dir(&temporary).expect("made");
    home.set("TMPDIR", &temporary.display().to_string());
    let mut program = Program::start(home.command(&["demo", "--people", "5", "--json"]));
    let serving = loop {
        let act: Value = serde_json::from_str(&program.first_line()).expect("an object");
        if act["act"] == "serving" {
            break act;
        }
    };
    let address: SocketAddr = serving["listen"].as_str().expect("text").parse().expect("a place");
    let ready = Client::to(address).await.call("GET", "/readyz", &[("host", "any")], b"").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    for (name, value) in serving["env"].as_object().expect("variables") {
        home.set(name, value.as_str().expect("text"));
    }
    let people = home.line("people list fernhill --status active --json").done().lines();
    let person = people.iter().find(|person| person["managed"] == true).expect("somebody");
    let (id, who) = (&person["okta_user_id"], person["email"].as_str().expect("text"));
    // Okta's administrator, as the simulator's own command calls it.
    let base = serving["base"].as_str().expect("text");
    let okta: SocketAddr = base.trim_start_matches("http://").parse().expect("a place");
    let action = json!({"do": "update", "who": id, "profile": {"title": "Lead of Everything"}});
    let mut admin = Client::to(okta).await;
    let headers = [("host", "any"), ("content-type", "application/json")];
    let done = admin.call("POST", "/_sim/act", &headers, action.to_string().as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.body);
    // Each look takes a while; the change is here within milliseconds.
    let line = format!("people show fernhill {who} --json");
    let looks = (0..200).map(|_| home.line(&line).done().json());
    let seen = looks.into_iter().find(|person| person["title"] == "Lead of Everything");
    assert_eq!(seen.expect("changed")["timeline"][0]["cause"], "event");
    assert_eq!(program.end_by("TERM", 0), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(&temporary).expect("listed").count(), 0, "the folder is gone");
}

#[test]
fn a_named_folder_is_kept_and_never_written_over() {
    let mut home = Home::sqlite();
    home.line("demo --once --people 300 --seed 7 --data kept").done();
    let ran = home.line("demo --once --data kept").exits(2);
    assert!(ran.err.contains("already"), "{}", ran.err);
    home.set("MUSTER_DATABASE_URL", "sqlite://kept/muster.db");
    let mut runs = home.line("run list fernhill --json").done().lines();
    runs.retain(|run| run["kind"] != "person");
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[0]["counts"]["created"], 0, "nothing was left to do the second time");
}
