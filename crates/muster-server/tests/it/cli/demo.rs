//! The demo: it ends by itself, tells its story, and leaves nothing behind.

use crate::support::Home;

#[test]
fn the_story_is_told_to_its_end_and_nothing_is_left() {
    let mut home = Home::sqlite();
    let temporary = home.path().join("temporary");
    std::fs::create_dir(&temporary).expect("made");
    home.set("TMPDIR", &temporary.display().to_string());
    let told = home.line("demo --once").done();
    let places: Vec<_> = [
        "Fernhill Group, with 240 people",
        "193 would be created",
        "193 created",
        "Fabian Foreman",
        "Mona Mover moved",
        "incomplete: nobody was removed",
        "Maidwell → Bridewell",
        "Okta is well again",
        "Leo Leaver           access taken away: deactivated in Okta",
        "held the removals",
        "nobody had lost anything",
        "Maria Bridewell <maria.bridewell@fernhill.example>",
    ]
    .map(|text| told.out.find(text).unwrap_or_else(|| panic!("{text:?} is not in\n{}", told.out)))
    .into();
    assert!(places.is_sorted(), "the story is told in order\n{}", told.out);
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
    let told: Vec<_> =
        acts.iter().map(|act| (act["act"].as_str(), act["run"]["state"].as_str())).collect();
    let want = [
        ("preview", "done"),
        ("first_sync", "done"),
        ("bad_moment", "incomplete"),
        ("morning", "done"),
        ("wrong_group", "held"),
        ("wrong_group", "done"),
    ];
    assert_eq!(told, want.map(|(act, state)| (Some(act), Some(state))));
}

#[test]
fn a_named_folder_is_kept_and_never_written_over() {
    let mut home = Home::sqlite();
    home.line("demo --once --people 300 --seed 7 --data kept").done();
    let ran = home.line("demo --once --data kept").exits(2);
    assert!(ran.err.contains("already"), "{}", ran.err);
    home.set("MUSTER_DATABASE_URL", "sqlite://kept/muster.db");
    let runs = home.line("run list fernhill --json").done().lines();
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[0]["counts"]["created"], 0, "nothing was left to do the second time");
}
