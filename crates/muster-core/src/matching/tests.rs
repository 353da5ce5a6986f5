use super::*;
use crate::id::OktaUserId;
use crate::mapping::map;
use crate::okta_user::OktaUser;
use crate::plan::fixtures::{ana, date, person, user};

fn check(name: &str, facts: &Facts, rules: &str, enters: bool, want: &str) {
    let user = user("00u_new", "ACTIVE", &ana());
    check_user(name, &user, facts, rules, enters, want);
}

#[track_caller]
fn check_user(name: &str, user: &OktaUser, facts: &Facts, rules: &str, enters: bool, want: &str) {
    let rules =
        Rules::parse(&format!("email_domains = [\"acme.example\"]\n{rules}")).expect("rules");
    let got = |may_leave| match find(&map(user, &rules), facts, &rules, enters, may_leave) {
        Match::Create => "create".to_owned(),
        Match::Link(id) => format!("link {}", id.uuid().as_u128()),
        Match::Relink(id) => format!("relink {}", id.uuid().as_u128()),
        Match::Wait => "wait".to_owned(),
        Match::Review(code, why) => {
            assert!(!why.is_empty());
            code.name().to_owned()
        }
    };
    assert_eq!(got(false), want, "{name}");
    let first = got(true);
    assert!(first == want || first == "wait", "{name}: {first} before addresses move");
}

fn holder(change: impl FnOnce(&mut Person)) -> Facts {
    let mut account = person(7, "ana@acme.example");
    change(&mut account);
    Facts { holder: Some(account), ..Facts::default() }
}

fn linked(account: &mut Person, status: Status, reason: StatusReason) {
    account.profile.okta_user_id = OktaUserId::parse("00u_old").ok();
    (account.profile.status, account.profile.reason) = (status, reason);
}

#[test]
fn an_account_with_the_same_email() {
    check("nobody has it", &Facts::default(), "", true, "create");
    check("E1 link by e-mail", &holder(|_| ()), "", true, "link 7");
    check("E1 of HR", &holder(|p| p.role = Role::Hr), "", true, "link 7");
    check("E1 never an owner", &holder(|p| p.role = Role::Owner), "", true, "protected_account");
    check("E1 never an admin", &holder(|p| p.role = Role::Admin), "", true, "protected_account");
    check(
        "E54 never break-glass",
        &holder(|p| p.break_glass = true),
        "",
        true,
        "protected_account",
    );
    check("would lose access", &holder(|_| ()), "", false, "would_link_without_access");
    // G15: anybody could make such an Okta user.
    let abroad = user(
        "00u_new",
        "ACTIVE",
        &[("email", "ana@mail.example"), ("firstName", "Ana"), ("lastName", "Ito")],
    );
    let facts = Facts { holder: Some(person(7, "ana@mail.example")), ..Facts::default() };
    check_user("D1 a domain that is not ours", &abroad, &facts, "", true, "domain_not_listed");
    let admin = Facts {
        holder: facts.holder.clone().map(|p| Person { role: Role::Admin, ..p }),
        ..Facts::default()
    };
    check_user("an admin abroad", &abroad, &admin, "", true, "protected_account");
    let sub = user("00u_new", "ACTIVE", &[("email", "ana@eu.acme.example")]);
    let facts = Facts { holder: Some(person(7, "ana@eu.acme.example")), ..Facts::default() };
    check_user("a subdomain is another domain", &sub, &facts, "", true, "domain_not_listed");
    let shouted = user("00u_new", "ACTIVE", &[("email", "ANA@Acme.Example")]);
    check_user("E13 capitals", &shouted, &holder(|_| ()), "", true, "link 7");
}

#[test]
fn two_okta_users_with_one_email() {
    let winner = OktaUserId::parse("00u_first").ok();
    let facts = Facts { email_winner: winner.clone(), ..Facts::default() };
    check("E5 the second", &facts, "", true, "email_duplicate");
    let facts = Facts { email_winner: winner, ..holder(|_| ()) };
    check("E5 not linked either", &facts, "", true, "email_duplicate");
}

#[test]
fn an_account_of_another_okta_user() {
    use StatusReason::{Assigned, ByHand, DeactivatedInOkta, DeletedInOkta, Suspended, Unassigned};
    let here = |status, reason| holder(move |p| linked(p, status, reason));
    let gone = |change: fn(&mut Person)| {
        holder(move |p| {
            linked(p, Status::Deactivated, DeactivatedInOkta);
            change(p);
        })
    };
    check("E4 somebody active", &here(Status::Active, Assigned), "", true, "email_conflict");
    check("E8 back under a new id", &gone(|_| ()), "", true, "relink 7");
    check("E8 after deletion", &here(Status::Deactivated, DeletedInOkta), "", true, "relink 7");
    check(
        "E8 but review is asked for",
        &gone(|_| ()),
        "returners = \"review\"",
        true,
        "returner_needs_decision",
    );
    check(
        "E8 higher roles by hand",
        &gone(|p| p.role = Role::Hr),
        "",
        true,
        "returner_needs_decision",
    );
    check(
        "E8 admins by hand",
        &gone(|p| p.role = Role::Admin),
        "",
        true,
        "returner_needs_decision",
    );
    check(
        "E8 break-glass by hand",
        &gone(|p| p.break_glass = true),
        "",
        true,
        "returner_needs_decision",
    );
    check(
        "E8 another name",
        &gone(|p| p.profile.last_name = "Kato".into()),
        "",
        true,
        "returner_needs_decision",
    );
    check(
        "E8 the name in other letters",
        &gone(|p| p.profile.last_name = " ITO".into()),
        "",
        true,
        "relink 7",
    );
    check(
        "E8 whose older Okta user is in the listing again",
        &Facts { holder_listed: true, ..gone(|_| ()) },
        "",
        true,
        "returner_needs_decision",
    );
    check(
        "unassigned, perhaps for good",
        &here(Status::Deactivated, Unassigned),
        "",
        true,
        "returner_needs_decision",
    );
    check(
        "by hand, perhaps for good",
        &here(Status::Deactivated, ByHand),
        "",
        true,
        "returner_needs_decision",
    );
    let other = holder(|p| {
        linked(p, Status::Deactivated, Suspended);
        p.profile.first_name = "Bo".into();
    });
    check("somebody suspended", &other, "", true, "email_conflict");
    let abroad = user(
        "00u_new",
        "ACTIVE",
        &[("email", "ana@mail.example"), ("firstName", "Ana"), ("lastName", "Ito")],
    );
    let mut account = person(7, "ana@mail.example");
    linked(&mut account, Status::Deactivated, DeactivatedInOkta);
    let facts = Facts { holder: Some(account), ..Facts::default() };
    check_user("E8 on another domain", &abroad, &facts, "", true, "returner_needs_decision");
}

#[test]
fn only_a_holder_who_may_leave_is_waited_for() {
    use StatusReason::{Assigned, DeactivatedInOkta, Suspended};
    let rules = Rules::parse("email_domains = [\"acme.example\"]").expect("rules");
    let mapped = map(&user("00u_new", "ACTIVE", &ana()), &rules);
    let wait = |facts: &Facts| find(&mapped, facts, &rules, true, true) == Match::Wait;
    assert!(wait(&holder(|p| linked(p, Status::Active, Assigned))), "E6");
    assert!(
        wait(&holder(|p| linked(p, Status::Deactivated, Suspended))),
        "listed, so may change too"
    );
    assert!(
        wait(&holder(|p| linked(p, Status::Deactivated, DeactivatedInOkta))),
        "E8 perhaps back"
    );
    assert!(!wait(&holder(|_| ())), "an account that Okta does not feed keeps its address");
}

#[test]
fn likely_doubles() {
    type Change = fn(&mut Person);

    let rules = "[map]\nstart_date = \"startDate\"";
    let mut attributes = ana();
    attributes.extend([("startDate", "2026-01-05"), ("employeeNumber", "0042")]);
    let new = user("00u_new", "ACTIVE", &attributes);
    let facts = |change: fn(&mut Person), pairing| {
        let mut twin = person(9, "ana.ito@old.example");
        change(&mut twin);
        // Somebody else of that name comes first, and hides nobody.
        let other = person(7, "ana.ito@elsewhere.example");
        Facts { namesakes: vec![other, twin], pairing, ..Facts::default() }
    };
    let cases: [(&str, Change, &str); 5] = [
        ("E2 a name alone", |_| (), "create"),
        (
            "E2 same start date",
            |p| p.profile.start_date = Some(date(2026, 1, 5)),
            "likely_duplicate",
        ),
        ("E2 another start date", |p| p.profile.start_date = Some(date(2026, 1, 6)), "create"),
        ("E9 same number", |p| p.profile.employee_number = Some("0042".into()), "likely_duplicate"),
        ("E9 another number", |p| p.profile.employee_number = Some("42".into()), "create"),
    ];
    for (name, change, want) in cases {
        check_user(name, &new, &facts(change, None), rules, true, want);
        let told = Some(Pairing::Different(person(9, "x@old.example").id));
        check_user(name, &new, &facts(change, told), rules, true, "create");
        let other = Some(Pairing::Different(person(8, "x@old.example").id));
        check_user(name, &new, &facts(change, other), rules, true, want);
    }
    // Nothing set on either side is nothing in common.
    let bare = user("00u_new", "ACTIVE", &ana());
    check_user("E2 nothing set", &bare, &facts(|_| (), None), rules, true, "create");
}

#[test]
fn decisions_by_hand() {
    use StatusReason::{Assigned, ByHand, DeactivatedInOkta, Unassigned};
    let same = |change: &dyn Fn(&mut Person)| {
        let mut account = person(9, "ana.ito@old.example");
        change(&mut account);
        Facts { pairing: Some(Pairing::Same(account)), ..Facts::default() }
    };
    let out = |reason| move |p: &mut Person| linked(p, Status::Deactivated, reason);
    check("E2 paired", &same(&|_| ()), "", true, "link 9");
    check("E2 paired, but out", &same(&|_| ()), "", false, "would_link_without_access");
    check("paired with an owner", &same(&|p| p.role = Role::Owner), "", true, "protected_account");
    check("E8 paired with who left", &same(&out(DeactivatedInOkta)), "", true, "relink 9");
    check("E8 unassigned before", &same(&out(Unassigned)), "", true, "relink 9");
    check("E8 by hand before", &same(&out(ByHand)), "", true, "relink 9");
    let admin = same(&|p| {
        linked(p, Status::Deactivated, DeactivatedInOkta);
        p.role = Role::Admin;
    });
    check(
        "E8 higher roles are re-linked by hand",
        &admin,
        "returners = \"review\"",
        true,
        "relink 9",
    );
    let here = same(&|p| linked(p, Status::Active, Assigned));
    check("paired with somebody who is in", &here, "", true, "email_conflict");
    // A decision goes before everything else.
    let facts = Facts { email_winner: OktaUserId::parse("00u_1").ok(), ..same(&|_| ()) };
    check("paired, though a double", &facts, "", true, "link 9");
    // Two people by decision: the address is a conflict, never a link.
    let told = |mut facts: Facts| {
        facts.pairing = facts.holder.as_ref().map(|holder| Pairing::Different(holder.id));
        facts
    };
    check("told apart", &told(holder(|_| ())), "", true, "email_conflict");
    let gone = told(holder(|p| linked(p, Status::Deactivated, DeactivatedInOkta)));
    check("told apart from who left", &gone, "", true, "email_conflict");
}
