use super::fixtures::{
    TODAY, ana, applied, date, days_ago, now, okta_id, person, person_id, rules, user,
};
use super::*;
use crate::matching::Pairing;
use crate::name::Name;
use crate::okta_user::Attributes;

/// One row, the rules and the step; changed by each case.
#[derive(Clone)]
struct Case {
    row: Row,
    rules: String,
    step: EmailStep,
}

/// Ana, known and in step with Okta.
fn known() -> Case {
    let read = user("00u_ana", "ACTIVE", &ana());
    let row = Row { read, known: None, facts: Facts::default() };
    let made = plan(std::slice::from_ref(&row), &rules(""), TODAY, now(), EmailStep::Defer);
    let known = applied(&row, &made[0], person_id(1), now());
    Case { row: Row { known, ..row }, rules: String::new(), step: EmailStep::Resolve }
}

fn unknown() -> Case {
    let mut case = known();
    case.row.known = None;
    case
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Row)) -> Self {
        change(&mut self.row);
        self
    }

    /// Changes what the directory holds of the person.
    fn held(self, change: impl FnOnce(&mut Person)) -> Self {
        self.with(|row| change(row.known.as_mut().expect("somebody known")))
    }

    fn status(self, status: &str) -> Self {
        self.with(|row| row.read.status = OktaStatus::parse(status))
    }

    /// Sets an attribute at Okta, or clears it.
    fn says(self, name: &str, value: &str) -> Self {
        self.with(|row| {
            let mut attributes = Attributes::default();
            for (kept, value) in row.read.attributes.iter().filter(|(kept, _)| *kept != name) {
                attributes.insert(kept, value.clone());
            }
            attributes.insert(name, value.into());
            row.read.attributes = attributes;
        })
    }

    fn rules(mut self, text: &str) -> Self {
        self.rules = format!("{}{text}\n", self.rules);
        self
    }

    fn out(self, reason: StatusReason, days: i64) -> Self {
        self.held(|person| {
            (person.profile.status, person.profile.reason) = (Status::Deactivated, reason);
            person.deactivated_at = days_ago(days);
        })
    }

    fn plan(&self) -> Planned {
        let rules = rules(&self.rules);
        let mut planned = plan(std::slice::from_ref(&self.row), &rules, TODAY, now(), self.step);
        assert_eq!(planned.len(), 1);
        planned.remove(0)
    }

    /// The plan as one line: kind, status after it with its reason, what changed, problems.
    fn line(&self) -> String {
        let planned = self.plan();
        let mut words = vec![planned.kind.to_string()];
        if let Some(after) = &planned.after {
            words.push(format!("{} {}", after.status, after.reason));
        }
        let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
        // A new account's fields have a test of their own; the status stands in front.
        let told = planned.fields.iter().filter(|change| {
            planned.kind != ChangeKind::Create
                && !matches!(change.field, Field::OktaStatus | Field::Status)
        });
        words.extend(told.map(|change| {
            format!("{}:{}>{}", change.field, shown(&change.before), shown(&change.after))
        }));
        words.extend(planned.waits_for_email.then(|| "waits".to_owned()));
        words.extend(planned.confirm_needed.then(|| "confirm".to_owned()));
        words.extend(planned.problems.iter().map(|code| format!("!{}", code.name())));
        words.join(" ")
    }

    #[track_caller]
    fn gives(self, name: &str, want: &str) {
        assert_eq!(self.line(), want, "{name}");
        // Carried out and planned again, nothing is left to do.
        let planned = self.plan();
        let again = Case {
            row: Row {
                known: applied(&self.row, &planned, person_id(2), now()).or(self.row.known.clone()),
                ..self.row.clone()
            },
            ..self
        };
        let kind = again.plan().kind;
        let settled = [ChangeKind::Unchanged, ChangeKind::Skip, ChangeKind::Review];
        assert!(settled.contains(&kind), "{name}, again: {}", again.line());
    }
}

#[test]
fn somebody_new() {
    unknown().gives("R1 assigned and active", "create active assigned");
    unknown().status("PROVISIONED").gives("provisioned for ever", "create active assigned");
    unknown().status("LOCKED_OUT").gives("E41 locked out", "create active assigned");
    unknown().status("STAGED").gives("E41 staged", "create not_yet staged");
    unknown().status("SUSPENDED").gives("E40 out from the start", "create deactivated suspended");
    unknown()
        .status("DEPROVISIONED")
        .gives("gone from the start", "create deactivated deactivated_in_okta");
    unknown().status("ODD").gives("D2 a new status", "review !unknown_status");
    unknown().says("email", "").gives("E14 no e-mail", "skip !email_missing");
    unknown().says("email", "ana at acme").gives("E14 no address", "skip !email_malformed");
    unknown()
        .says("userType", "Contractor")
        .rules("[[exclude]]\nattribute = \"userType\"\nis = \"Contractor\"")
        .gives("E58 kept out", "skip !excluded_by_rule");
    unknown().says("department", "").gives("E24 no team", "create active assigned !no_team");
    unknown().says("lastName", "").gives("E15 one name", "create active assigned");
    unknown()
        .says("department", "")
        .rules("[map]\nteam = \"\"")
        .gives("teams are not fed", "create active assigned");
}

#[test]
fn start_dates() {
    let gated = || unknown().rules("invite = \"on_start_date\"");
    let known_gated = || known().rules("invite = \"on_start_date\"");
    gated()
        .says("startDate", "2026-12-01")
        .gives("E32 starts later", "create not_yet before_start_date");
    gated().says("startDate", "2026-11-24").gives("starts today", "create active assigned");
    gated().says("startDate", "2020-01-01").gives("E33 long ago", "create active assigned");
    gated().gives("no date", "create active assigned !start_date_missing");
    gated()
        .says("startDate", "31/02/2026")
        .gives("no such date", "create active assigned !start_date_malformed");
    unknown().says("startDate", "2026-12-01").gives("E32 no gate", "create active assigned");
    known_gated().says("startDate", "2026-12-01").gives(
        "E32 moving the date takes nothing away",
        "update active assigned start_date:->2026-12-01",
    );
    let waiting = known_gated().held(|person| {
        (person.profile.status, person.profile.reason) =
            (Status::NotYet, StatusReason::BeforeStartDate);
        person.profile.start_date = Some(date(2026, 12, 1));
        person.profile.from_okta = person.profile.from_okta.with(Field::StartDate, true);
    });
    let due = waiting.clone().says("startDate", "2026-12-01");
    assert_eq!(due.plan().due, Some(date(2026, 12, 1)));
    due.gives("still waiting", "unchanged");
    waiting
        .says("startDate", "2026-11-24")
        .gives("the day has come", "update active assigned start_date:2026-12-01>2026-11-24");
    assert_eq!(known().says("startDate", "2026-12-01").plan().due, None, "nobody waits");
}

#[test]
fn values_that_change() {
    known().gives("in step", "unchanged");
    known().says("title", "Lead").gives("R3 a new value", "update active assigned title:->Lead");
    known()
        .says("firstName", "Anna")
        .says("lastName", "Berg")
        .says("email", "anna.berg@acme.example")
        .says("login", "anna.berg@acme.example")
        .gives(
            "G11 everything at once is the same account",
            "update active assigned first_name:Ana>Anna last_name:Ito>Berg \
             email:ana@acme.example>anna.berg@acme.example login:ana@acme.example>anna.berg@acme.example",
        );
    known().says("email", "Ana@Acme.Example").gives(
        "E13 other letters",
        "update active assigned email:ana@acme.example>Ana@Acme.Example",
    );
    known().says("department", " SALES ").gives("E26 another spelling", "unchanged");
    known()
        .says("department", "Sales EMEA")
        .gives("E25 another team", "update active assigned team:Sales>Sales EMEA");
    known().status("LOCKED_OUT").gives("E41 a wrong password", "update active assigned");
    known().says("title", &"x".repeat(300)).gives(
        "E15 too long",
        &format!("update active assigned title:->{} !text_shortened", "x".repeat(255)),
    );
}

#[test]
fn values_that_go() {
    let titled = |from_okta: bool| {
        known().held(|person| {
            person.profile.title = Some("Lead".to_owned());
            person.profile.from_okta = person.profile.from_okta.with(Field::Title, from_okta);
        })
    };
    titled(true).gives("D4 cleared", "update active assigned title:Lead>-");
    titled(false).gives("D4 set by hand, kept", "unchanged");
    titled(true).rules("clear_empty = false").gives("D4 clearing is off", "unchanged");
    known()
        .says("department", "")
        .gives("D4 no team any more", "update active assigned team:Sales>- !no_team");
    known().says("firstName", "").gives("D4 names are never blanked", "unchanged !name_kept");
    known().says("lastName", " ").gives("D4 nor last names", "unchanged !name_kept");
    known().says("email", "").gives("D4 nor e-mails", "unchanged !email_missing");
    known().says("email", "none").gives("E14 nor made useless", "unchanged !email_malformed");
    let pictured = known().held(|person| {
        person.profile.photo_url = Some("https://img.acme.example/a".to_owned());
        person.profile.from_okta = person.profile.from_okta.with(Field::PhotoUrl, true);
    });
    pictured
        .clone()
        .says("picture", "http://img.acme.example/b")
        .gives("D9 the old picture stays", "unchanged !photo_not_https");
    pictured.gives(
        "no picture any more",
        "update active assigned photo_url:https://img.acme.example/a>-",
    );
}

#[test]
fn pins() {
    let pinned =
        |field| known().held(move |person| person.pinned = person.pinned.with(field, true));
    pinned(Field::Team).says("department", "Board").gives("E28 a pinned team", "unchanged");
    pinned(Field::Team).says("department", "").gives("E28 nor cleared", "unchanged");
    pinned(Field::Email).says("email", "x@acme.example").gives("a pinned e-mail", "unchanged");
    pinned(Field::FirstName).says("firstName", "").gives("a pinned name", "unchanged");
    pinned(Field::Team)
        .says("title", "Lead")
        .gives("others follow", "update active assigned title:->Lead");
}

#[test]
fn nameless_people() {
    let only = unknown().says("firstName", "").says("lastName", "").says("displayName", "Prince");
    only.clone().gives("E15 the display name stands in", "create active assigned");
    let after = only.plan().after.expect("an account");
    assert_eq!((after.first_name.as_str(), after.last_name.as_str()), ("Prince", ""));
    let known = only.with(|row| {
        row.known = Some(Person { profile: after, ..person(1, "ana@acme.example") });
    });
    known.clone().gives("and stays", "unchanged");
    known.says("displayName", "The Artist").gives(
        "and follows",
        "update active assigned first_name:Prince>The Artist display_name:Prince>The Artist",
    );
}

#[test]
fn leaving() {
    known().status("SUSPENDED").gives("E40", "deactivate deactivated suspended");
    known().status("DEPROVISIONED").gives("R5", "deactivate deactivated deactivated_in_okta");
    known()
        .says("userType", "Contractor")
        .rules("[[exclude]]\nattribute = \"userType\"\nis = \"Contractor\"")
        .gives("E58 excluded later", "deactivate deactivated filtered");
    known().status("ODD").gives("D2 a new status", "update active assigned !unknown_status");
    known()
        .status("ODD")
        .held(|person| person.profile.okta_status = Some(OktaStatus::parse("ODD")))
        .gives("D2 and still", "review !unknown_status");
    known()
        .status("SUSPENDED")
        .held(|person| person.break_glass = true)
        .gives("E54 protected", "update active assigned !last_owner_kept");
    known()
        .status("SUSPENDED")
        .held(|person| person.role = Role::Owner)
        .gives("E54 other owners leave like anyone", "deactivate deactivated suspended");
    known().status("STAGED").gives("staged again takes nothing away", "update active assigned");
    known()
        .out(StatusReason::Unassigned, 3)
        .status("SUSPENDED")
        .gives("the first reason stays", "update deactivated unassigned");
    let planned = known().status("SUSPENDED").plan();
    assert_eq!(planned.status_reason, Some(StatusReason::Suspended));
    assert_eq!(planned.reason, "suspended in Okta");
}

#[test]
fn coming_back() {
    let gone = |days| known().out(StatusReason::DeactivatedInOkta, days);
    gone(3).gives("R6 E7 back", "reactivate active assigned");
    gone(3).status("STAGED").gives("back, but not started", "reactivate not_yet staged");
    gone(3).rules("reactivate = false").gives("E48 switched off", "unchanged");
    gone(3)
        .rules("reactivate = false")
        .says("title", "Lead")
        .gives("E48 the rest is fed", "update deactivated deactivated_in_okta title:->Lead");
    let by_hand = || known().out(StatusReason::ByHand, 3);
    by_hand().gives("E47 by hand is sticky", "unchanged");
    by_hand()
        .says("title", "Lead")
        .gives("E47 the rest is fed", "update deactivated by_hand title:->Lead");
    by_hand().rules("okta_wins = true").gives("E47 Okta wins", "reactivate active assigned");
    by_hand()
        .rules("okta_wins = true\nreactivate = false")
        .gives("E48 goes before E47", "unchanged");
    let hr = |days| gone(days).held(|person| person.role = Role::Hr);
    hr(30).gives("E7 away for 30 days", "reactivate active assigned");
    hr(31).gives(
        "E7 away for longer",
        "reactivate active assigned confirm !returns_after_long_absence",
    );
    gone(400).gives("E7 a learner", "reactivate active assigned");
}

#[test]
fn emails_of_others() {
    let moving = || known().says("email", "bo@acme.example");
    let taken = || {
        moving().with(|row| {
            row.facts.holder = Some(person(5, "bo@acme.example"));
        })
    };
    moving().gives(
        "E3 a free address",
        "update active assigned email:ana@acme.example>bo@acme.example",
    );
    taken().gives("E4 a taken one", "review !email_conflict");
    taken()
        .says("title", "Lead")
        .gives("E4 all else is fed", "update active assigned title:->Lead !email_conflict");
    let mut waiting = taken();
    waiting.step = EmailStep::Defer;
    assert_eq!(waiting.line(), "unchanged waits", "E6 it may become free");
    taken()
        .status("SUSPENDED")
        .gives("E4 leaving goes before", "deactivate deactivated suspended !email_conflict");
    let double = moving().with(|row| row.facts.email_winner = Some(okta_id("00u_0")));
    double.gives("E5 somebody comes first", "review !email_duplicate");
    known()
        .with(|row| row.facts.email_winner = Some(okta_id("00u_0")))
        .gives("E5 the own address stays", "unchanged");
    let reason = taken().plan().reason;
    assert_eq!(reason, "the new e-mail belongs to Ana Ito; change it for one of them");
}

/// An account made by hand, with what is set only there.
fn by_hand() -> Person {
    let mut account = person(7, "ana@acme.example");
    account.role = Role::Hr;
    account.profile.title = Some("Coach".to_owned());
    account.profile.team = Name::parse("Board");
    account.profile.employee_number = Some("7".to_owned());
    account
}

#[test]
fn linking() {
    let held = |change: fn(&mut Person)| {
        unknown().with(|row| {
            let mut account = by_hand();
            change(&mut account);
            row.facts.holder = Some(account);
        })
    };
    let taken = "team:Board>Sales okta_user_id:->00u_ana login:->ana@acme.example";
    held(|_| ()).gives("E1 link", &format!("link active assigned {taken}"));
    let planned = held(|_| ()).plan();
    assert_eq!(planned.target, Some(person_id(7)));
    let after = planned.after.expect("a profile");
    assert_eq!(after.title.as_deref(), Some("Coach"), "what Okta does not set stays");
    held(|_| ())
        .status("STAGED")
        .gives("E1 staged takes nothing away", &format!("link active assigned {taken}"));
    held(|person| {
        (person.profile.status, person.profile.reason) =
            (Status::Deactivated, StatusReason::ByHand);
    })
    .gives("E47 linked, but by hand is sticky", &format!("link deactivated by_hand {taken}"));
    held(|person| person.pinned = person.pinned.with(Field::Team, true)).gives(
        "E28 pins hold",
        "link active assigned okta_user_id:->00u_ana login:->ana@acme.example",
    );
    held(|_| ()).status("SUSPENDED").gives("out", "review !would_link_without_access");
    held(|person| person.role = Role::Admin).gives("an admin", "review !protected_account");
}

#[test]
fn linking_by_decision() {
    let paired = |change: fn(&mut Row)| {
        unknown().with(|row| {
            let mut account = by_hand();
            account.profile.email = Email::parse("ana@old.example").expect("an address");
            row.facts.pairing = Some(Pairing::Same(account));
            change(row);
        })
    };
    let taken = "team:Board>Sales okta_user_id:->00u_ana login:->ana@acme.example";
    let email = "email:ana@old.example>ana@acme.example";
    paired(|_| ()).gives("E2 paired", &format!("link active assigned {email} {taken}"));
    paired(|row| row.facts.holder = Some(person(8, "ana@acme.example"))).gives(
        "E2 the address is another's",
        &format!("link active assigned {taken} !email_conflict"),
    );
    paired(|row| row.facts.email_winner = Some(okta_id("00u_0"))).gives(
        "E2 the address is a double",
        &format!("link active assigned {taken} !email_duplicate"),
    );
}

#[test]
fn linking_again() {
    let gone = |change: fn(&mut Person)| {
        let mut case = known();
        let mut old = case.row.known.take().expect("somebody known");
        old.profile.okta_user_id = Some(okta_id("00u_old"));
        (old.profile.status, old.profile.reason) =
            (Status::Deactivated, StatusReason::DeletedInOkta);
        old.deactivated_at = days_ago(90);
        change(&mut old);
        case.row.facts.holder = Some(old);
        case
    };
    let id = "okta_user_id:00u_old>00u_ana";
    gone(|_| ()).gives("E8", &format!("link active assigned {id}"));
    let reason = gone(|_| ()).plan().reason;
    assert!(reason.ends_with("re-linked from old id 00u_old"), "{reason}");
    gone(|_| ())
        .rules("reactivate = false")
        .gives("E48", &format!("link deactivated deleted_in_okta {id}"));
    gone(|_| ())
        .status("SUSPENDED")
        .gives("E8 back, but out", &format!("link deactivated suspended {id}"));
    gone(|_| ())
        .rules("returners = \"review\"")
        .gives("E8 asked", "review !returner_needs_decision");
    gone(|_| ()).status("STAGED").gives("E8 not started", &format!("link not_yet staged {id}"));
    // Higher roles come back by decision, and are confirmed like whoever comes back under the same id.
    let admin = gone(|person| person.role = Role::Admin).with(|row| {
        row.facts.pairing = row.facts.holder.clone().map(Pairing::Same);
    });
    admin.gives("E7 E8", &format!("link active assigned {id} confirm !returns_after_long_absence"));
}

#[test]
fn one_account_never_becomes_two_peoples() {
    // G5: the same account fits two Okta users of one batch.
    let row = |id: &str, pairing: Option<Pairing>| Row {
        read: user(id, "ACTIVE", &ana()),
        known: None,
        facts: Facts { holder: Some(by_hand()), pairing, ..Facts::default() },
    };
    let kinds = |rows: &[Row]| -> Vec<String> {
        plan(rows, &rules(""), TODAY, now(), EmailStep::Defer)
            .iter()
            .map(|plan| format!("{} {} {}", plan.okta_user_id, plan.kind, plan.after.is_some()))
            .collect()
    };
    let (a, b) = (row("00u_a", None), row("00u_b", None));
    assert_eq!(kinds(&[a.clone(), b.clone()]), ["00u_a link true", "00u_b review false"]);
    assert_eq!(kinds(&[b.clone(), a.clone()]), ["00u_b review false", "00u_a link true"]);
    // E8: the account's own Okta user is back in the same listing.
    let mut own = known();
    let old = own.row.known.as_mut().expect("somebody known");
    (old.profile.status, old.profile.reason) = (Status::Deactivated, StatusReason::ByHand);
    let mut other = row("00u_a", Some(Pairing::Same(old.clone())));
    other.facts.holder = None;
    assert_eq!(kinds(&[other, own.row]), ["00u_a review false", "00u_ana unchanged false"]);
    let chosen = row("00u_b", Some(Pairing::Same(by_hand())));
    assert_eq!(kinds(&[a, chosen]), ["00u_a review false", "00u_b link true"]);
}

#[test]
fn two_people_swap_their_addresses() {
    // E6: once both are known to leave, neither has a holder any more.
    let row = |n: u128, has: &str, wants: &str| {
        let mut known = known().row.known.expect("somebody known");
        known.id = person_id(n);
        known.profile.okta_user_id = Some(okta_id(has));
        known.profile.email = Email::parse(&format!("{has}@acme.example")).expect("an address");
        let wants = format!("{wants}@acme.example");
        Row { read: with_email(has, &wants), known: Some(known), facts: Facts::default() }
    };
    let rows = [row(1, "ana", "bo"), row(2, "bo", "ana")];
    let planned = plan(&rows, &rules(""), TODAY, now(), EmailStep::Resolve);
    let emails: Vec<_> = planned
        .iter()
        .filter_map(|plan| plan.after.as_ref())
        .map(|after| after.email.key())
        .collect();
    assert_eq!(emails, ["bo@acme.example", "ana@acme.example"]);
}

fn with_email(id: &str, email: &str) -> OktaUser {
    user(
        id,
        "ACTIVE",
        &[("email", email), ("firstName", "Ana"), ("lastName", "Ito"), ("department", "Sales")],
    )
}

#[test]
fn a_removal_takes_access_and_nothing_else() {
    // E38: everything is there when the person comes back.
    let person = known().row.known.expect("somebody known");
    let cases = [
        (StatusReason::Unassigned, None, "ACTIVE"),
        (StatusReason::Suspended, None, "SUSPENDED"),
        (StatusReason::DeactivatedInOkta, None, "DEPROVISIONED"),
        (StatusReason::DeletedInOkta, None, "ACTIVE"),
        (StatusReason::Unassigned, Some(OktaStatus::Recovery), "RECOVERY"),
    ];
    for (reason, status, want) in cases {
        let after = removal(&person, reason, status);
        assert_eq!(after.okta_status.as_ref().map(OktaStatus::as_str), Some(want), "{reason}");
        assert!(!removal_reason(reason).is_empty(), "{reason}");
        let back = Profile {
            status: person.profile.status,
            reason: person.profile.reason,
            okta_status: person.profile.okta_status.clone(),
            ..after
        };
        assert_eq!(back, person.profile, "{reason}");
    }
}

#[test]
fn what_people_are_called() {
    let label = |case: Case| case.plan().label;
    assert_eq!(label(unknown()), "ana@acme.example");
    assert_eq!(label(unknown().says("email", "")), "Ana Ito");
    let nameless = unknown().says("email", "").says("firstName", "").says("lastName", "");
    assert_eq!(label(nameless), "00u_ana");
    assert_eq!(label(known().says("email", "new@acme.example")), "ana@acme.example");
}

#[test]
fn a_new_account_shows_what_was_set() {
    let planned = unknown().plan();
    let shown: Vec<_> = planned
        .fields
        .iter()
        .map(|change| format!("{}={}", change.field, change.after.as_deref().unwrap_or("-")))
        .collect();
    let want = "first_name=Ana last_name=Ito email=ana@acme.example team=Sales status=active \
                okta_user_id=00u_ana okta_status=ACTIVE login=ana@acme.example";
    assert_eq!(shown.join(" "), want);
    assert!(planned.fields.iter().all(|change| change.before.is_none()));
}
