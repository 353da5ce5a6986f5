//! Facts and the alarms they give.

use uuid::Uuid;

use super::*;

const NOW: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A tenant that does well.
fn well() -> Facts {
    Facts {
        since: at("2026-01-01T00:00Z"),
        complete_run: Some(at("2026-11-24T03:04Z")),
        open_run: None,
        attention: None,
        failing_since: None,
        held: None,
        hook: HookFacts {
            verified_at: Some(at("2026-01-02T00:00Z")),
            last_event_at: Some(at("2026-11-24T11:00Z")),
            missed: None,
            refused: None,
        },
        dead_letters: None,
        kept_owners: None,
    }
}

fn codes(facts: &Facts) -> Vec<&'static str> {
    decide(facts, at(NOW)).alarms.into_iter().map(|alarm| alarm.code.as_str()).collect()
}

#[track_caller]
fn gives(change: impl FnOnce(&mut Facts), want: &[&str]) {
    let mut facts = well();
    change(&mut facts);
    assert_eq!(codes(&facts), want, "{facts:?}");
}

#[test]
fn a_tenant_that_does_well_gives_none() {
    gives(|_| {}, &[]);
}

#[test]
fn no_complete_run_for_26_hours() {
    let ended = |text: &str| Some(at(text));
    gives(|f| f.complete_run = ended("2026-11-23T10:00:01Z"), &[]);
    gives(|f| f.complete_run = ended("2026-11-23T10:00:00Z"), &["no_complete_run"]);
    // Never one: counted from the connection on.
    gives(|f| (f.complete_run, f.since) = (None, at("2026-11-23T11:00Z")), &[]);
    gives(|f| (f.complete_run, f.since) = (None, at("2026-11-23T10:00Z")), &["no_complete_run"]);
    // A clock that was set back is no alarm.
    gives(|f| f.complete_run = ended("2026-12-24T03:00Z"), &[]);
}

#[test]
fn whoever_just_woke_up_has_begun_what_was_missed() {
    let open = |at_text: &str| Facts {
        complete_run: Some(at("2026-11-22T03:00Z")),
        open_run: Some(at(at_text)),
        ..well()
    };
    let decision = decide(&open("2026-11-24T11:59Z"), at(NOW));
    assert_eq!((decision.alarms.len(), decision.undecided), (0, vec![AlarmCode::NoCompleteRun]));
    // One that hangs is no excuse.
    let decision = decide(&open("2026-11-24T10:00Z"), at(NOW));
    assert_eq!((decision.alarms.len(), decision.undecided), (1, vec![]));
}

#[test]
fn whatever_needs_a_person() {
    for (problem, code) in [
        (ProblemCode::TokenRefused, "token_refused"),
        (ProblemCode::RightsMissing, "rights_missing"),
        (ProblemCode::AppNotFound, "app_not_found"),
        (ProblemCode::OktaUnreadable, "needs_attention"),
    ] {
        gives(|f| f.attention = Some((problem, at(NOW))), &[code]);
    }
}

#[test]
fn okta_may_be_away_for_an_hour() {
    gives(|f| f.failing_since = Some(at("2026-11-24T11:00:01Z")), &[]);
    gives(|f| f.failing_since = Some(at("2026-11-24T11:00:00Z")), &["okta_unreachable"]);
}

#[test]
fn a_hook_is_silent_when_the_log_has_what_it_did_not_bring() {
    let missed = |text: &str| Some((at(text), 4));
    // Less than an hour late is nothing.
    gives(|f| f.hook.missed = missed("2026-11-24T11:30Z"), &[]);
    gives(
        |f| {
            f.hook.last_event_at = Some(at("2026-11-24T09:00Z"));
            f.hook.missed = missed("2026-11-24T10:00Z");
        },
        &["hooks_silent"],
    );
    // Something came since: one was lost, and the hook works.
    gives(|f| f.hook.missed = missed("2026-11-24T10:00Z"), &[]);
    // Verified, and never an event.
    gives(
        |f| {
            f.hook.last_event_at = None;
            f.hook.missed = missed("2026-11-24T10:00Z");
        },
        &["hooks_silent"],
    );
    // Nobody made a hook.
    gives(
        |f| f.hook = HookFacts { missed: missed("2026-11-24T10:00Z"), ..Default::default() },
        &[],
    );
}

#[test]
fn wrong_secrets_are_told_when_there_are_several_and_nothing_good_since() {
    let refused = |last: &str, count| Some((at("2026-11-24T11:03Z"), at(last), count));
    gives(|f| f.hook.refused = refused("2026-11-24T11:30Z", 2), &[]);
    gives(|f| f.hook.refused = refused("2026-11-24T11:30Z", 3), &["hook_refused"]);
    // Okta got through after that: it was somebody else.
    gives(|f| f.hook.refused = refused("2026-11-24T10:30Z", 9), &[]);
    // It ends by itself a day later.
    gives(
        |f| {
            f.hook.last_event_at = None;
            f.hook.refused = refused("2026-11-23T11:59Z", 9);
        },
        &[],
    );
}

#[test]
fn held_removals_and_work_given_up() {
    let run = RunId::new(Uuid::from_u128(7));
    gives(|f| f.held = Some((run, 12, at(NOW))), &["removals_held"]);
    gives(|f| f.dead_letters = Some((3, at(NOW))), &["dead_letters"]);
    gives(|f| f.kept_owners = Some((1, at(NOW))), &["owner_kept"]);
    let all = |f: &mut Facts| {
        f.complete_run = None;
        f.attention = Some((ProblemCode::TokenRefused, at(NOW)));
        f.failing_since = Some(at("2026-11-24T01:00Z"));
        f.held = Some((run, 1, at(NOW)));
        f.dead_letters = Some((1, at(NOW)));
    };
    let want =
        ["no_complete_run", "token_refused", "okta_unreachable", "removals_held", "dead_letters"];
    gives(all, &want);
}

#[test]
fn every_alarm_says_what_happened_why_what_to_do_and_what_was_done() {
    let zone = TimeZone::get("Europe/London").expect("a zone");
    for code in AlarmCode::ALL {
        assert_eq!(AlarmCode::parse(code.as_str()), Some(*code));
        let alarm = Alarm { code: *code, since: at(NOW), count: 2, run: None };
        let told = code.told("acme", &detail(&alarm, &zone));
        let sentences = [&told.what, &told.why, &told.fix, &told.meanwhile.to_owned()];
        for text in sentences {
            assert!(text.ends_with('.') && !text.contains('{'), "{text}");
            assert!(!text.contains("  "), "{text}");
        }
        assert!(!told.title.is_empty() && !told.title.ends_with('.'), "{}", told.title);
    }
    let alarm = Alarm {
        code: AlarmCode::TokenRefused,
        since: at("2026-07-01T02:00Z"),
        count: 0,
        run: None,
    };
    let told = alarm.code.told("acme", &detail(&alarm, &zone));
    assert_eq!(told.what, "Okta refuses the API token (E0000011), since 2026-07-01 03:00 (BST).");
    assert!(told.fix.contains("muster okta set acme --api-token FILE"), "{}", told.fix);
    assert!(told.meanwhile.starts_with("Nobody has been deactivated."));
}
