//! What holds for every plan, tried on small worlds in which everything collides with everything.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fixtures::{TODAY, days_ago, now, okta_id, person, person_id, rules, user};
use super::*;
use crate::mapping::map;
use crate::matching::Pairing;
use crate::name::key_of;

/// A directory and the Okta organisation beside it.
#[derive(Debug, Clone)]
struct World {
    users: Vec<OktaUser>,
    people: Vec<Person>,
    pairings: Vec<(OktaUserId, PersonId, bool)>,
    rules: Rules,
    made: u128,
}

impl World {
    /// One Okta user beside what the directory and the listing say, as the store's queries find it.
    fn row(&self, read: &OktaUser) -> Row {
        let mapped = map(read, &self.rules);
        let email = mapped.email.as_ref().ok().map(Email::key);
        let of =
            |user: &OktaUser| map(user, &self.rules).email.ok().map(|email| email.key().to_owned());
        let email_winner = self
            .users
            .iter()
            .filter(|other| email.is_some() && of(other).as_deref() == email && other.id < read.id)
            .map(|other| other.id.clone())
            .min();
        let is_own = |person: &&Person| person.profile.okta_user_id.as_ref() == Some(&read.id);
        let holder = self
            .people
            .iter()
            .find(|person| !is_own(person) && Some(person.profile.email.key()) == email);
        let name = |first: &str, last: &str| key_of(&format!("{first} {last}"));
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let named = name(&part(&mapped.first_name), &part(&mapped.last_name));
        let namesakes = self.people.iter().filter(|person| {
            !person.is_managed()
                && Some(person.profile.email.key()) != email
                && name(&person.profile.first_name, &person.profile.last_name) == named
        });
        let pairing =
            self.pairings.iter().find(|(id, _, _)| *id == read.id).and_then(|(_, id, same)| {
                let account = self.people.iter().find(|person| person.id == *id)?;
                Some(if *same { Pairing::Same(account.clone()) } else { Pairing::Different(*id) })
            });
        Row {
            read: read.clone(),
            known: self.people.iter().find(is_own).cloned(),
            facts: Facts {
                email_winner,
                holder_listed: holder
                    .and_then(|person| person.profile.okta_user_id.as_ref())
                    .is_some_and(|id| self.users.iter().any(|user| user.id == *id)),
                holder: holder.cloned(),
                namesakes: namesakes.cloned().collect(),
                pairing,
            },
        }
    }

    fn write(&mut self, row: &Row, planned: &Planned) {
        self.made += 1;
        let new = person_id(1_000 + self.made);
        if let Some(person) = super::fixtures::applied(row, planned, new, now()) {
            self.people.retain(|other| other.id != person.id);
            self.people.push(person);
        }
    }

    /// A run, `batch` people at a time and in the order of `users`: first everybody, then whoever waits for an address.
    fn run(&mut self, batch: usize) -> Vec<Planned> {
        let mut all = Vec::new();
        let mut waiting = Vec::new();
        for users in self.users.clone().chunks(batch) {
            let rows: Vec<Row> = users.iter().map(|user| self.row(user)).collect();
            for (row, planned) in
                rows.iter().zip(plan(&rows, &self.rules, TODAY, now(), EmailStep::Defer))
            {
                if planned.waits_for_email {
                    assert_eq!(planned.after, None);
                    waiting.push(row.read.clone());
                } else {
                    self.write(row, &planned);
                    all.push(planned);
                }
            }
        }
        waiting.sort_by(|a, b| a.id.cmp(&b.id));
        for user in waiting {
            let row = self.row(&user);
            let planned =
                plan(std::slice::from_ref(&row), &self.rules, TODAY, now(), EmailStep::Resolve)
                    .remove(0);
            assert!(!planned.waits_for_email);
            self.write(&row, &planned);
            all.push(planned);
        }
        self.check();
        all
    }

    /// What the database's indexes demand.
    fn check(&self) {
        let emails: BTreeSet<_> =
            self.people.iter().map(|person| person.profile.email.key()).collect();
        assert_eq!(emails.len(), self.people.len(), "an e-mail twice: {:#?}", self.people);
        let linked =
            || self.people.iter().filter_map(|person| person.profile.okta_user_id.as_ref());
        assert_eq!(linked().collect::<BTreeSet<_>>().len(), linked().count(), "an Okta id twice");
    }

    /// The directory without the ids and versions that depend on who came first.
    fn shape(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .people
            .iter()
            .map(|person| {
                format!("{:?} {:?} {:?}", person.role, person.deactivated_at, person.profile)
            })
            .collect();
        lines.sort();
        lines
    }
}

const EMAILS: [&str; 5] =
    ["a@acme.example", "B@acme.example", "c@acme.example", "d@mail.example", "none"];
const REASONS: [StatusReason; 7] = [
    StatusReason::Unassigned,
    StatusReason::Suspended,
    StatusReason::DeactivatedInOkta,
    StatusReason::DeletedInOkta,
    StatusReason::Filtered,
    StatusReason::ByHand,
    StatusReason::ByHand,
];

fn any_user() -> impl Strategy<Value = OktaUser> {
    let status = prop_oneof![
        4 => Just("ACTIVE"),
        1 => proptest::sample::select(vec!["STAGED", "PROVISIONED", "LOCKED_OUT", "SUSPENDED", "DEPROVISIONED", "ODD"]),
    ];
    let words = |words: &'static [&'static str]| proptest::sample::select(words);
    (
        0_u8..8,
        status,
        (words(&EMAILS), words(&["Ana", "Bo", ""]), words(&["Ito", "Berg", "", "Ito "])),
        (
            words(&["", "Sales", "sales ", "Ops"]),
            words(&["", "en_GB", "de", "xx"]),
            words(&["", "7", "8"]),
        ),
        (
            words(&["", "2026-12-24", "2026-01-05", "soon"]),
            words(&["", "Contractor"]),
            words(&["", "https://i.example/p", "http://i.example/p"]),
        ),
        words(&["", "Prince"]),
    )
        .prop_map(
            |(
                id,
                status,
                (email, first, last),
                (team, language, number),
                (start, kind, photo),
                display,
            )| {
                user(
                    &format!("00u_{id}"),
                    status,
                    &[
                        ("email", email),
                        ("login", email),
                        ("firstName", first),
                        ("lastName", last),
                        ("displayName", display),
                        ("department", team),
                        ("city", team),
                        ("locale", language),
                        ("employeeNumber", number),
                        ("startDate", start),
                        ("userType", kind),
                        ("picture", photo),
                        ("managerId", number),
                    ],
                )
            },
        )
}

fn any_person() -> impl Strategy<Value = Person> {
    let linked = proptest::option::weighted(0.6, 0_u8..12);
    let status = proptest::sample::select(
        &[Status::Active, Status::Active, Status::NotYet, Status::Deactivated][..],
    );
    (
        (1_u128..8, 0_usize..4, linked, status),
        (
            proptest::sample::select(&REASONS[..]),
            proptest::sample::select(Role::ALL),
            any::<u32>(),
            any::<u32>(),
        ),
        (0_i64..80, proptest::bool::weighted(0.1), proptest::option::of("[78]"), any::<bool>()),
    )
        .prop_map(
            |(
                (id, email, linked, status),
                (reason, role, pinned, fed),
                (days, protected, number, titled),
            )| {
                let mut person = person(id, EMAILS[email]);
                let profile = &mut person.profile;
                profile.okta_user_id = linked.map(|id| okta_id(&format!("00u_{id}")));
                (profile.status, profile.reason) = match (status, linked) {
                    (Status::Deactivated, Some(_)) => (status, reason),
                    (Status::Deactivated, None) => (status, StatusReason::ByHand),
                    (_, None) => (Status::Active, StatusReason::Unmanaged),
                    (Status::NotYet, Some(_)) => (status, StatusReason::Staged),
                    (Status::Active, Some(_)) => (status, StatusReason::Assigned),
                };
                profile.title = titled.then(|| "Coach".to_owned());
                profile.team = crate::name::Name::parse(if titled { "SALES" } else { "Board" });
                profile.employee_number = number;
                profile.from_okta = FieldSet::from_bits(i64::from(fed));
                person.deactivated_at = days_ago(days).filter(|_| status == Status::Deactivated);
                person.role = role;
                person.break_glass = protected;
                // Few pins, or nothing would ever change.
                person.pinned = FieldSet::from_bits(i64::from(
                    pinned & pinned.rotate_left(7) & pinned.rotate_left(13),
                ));
                person
            },
        )
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (any::<[bool; 4]>(), 0_usize..3, any::<bool>()).prop_map(|(flags, invite, exclude)| {
        let [clear, reactivate, wins, review] = flags;
        let invite = ["off", "now", "on_start_date"][invite];
        let returners = if review { "review" } else { "automatic" };
        let exclude = if exclude { "[[exclude]]\nattribute = \"userType\"\nis = \"contractor\"" } else { "" };
        rules(&format!(
            "clear_empty = {clear}\nreactivate = {reactivate}\nokta_wins = {wins}\nreturners = \"{returners}\"\n\
             invite = \"{invite}\"\nlanguages = [\"en-GB\", \"de\"]\n{exclude}"
        ))
    })
}

prop_compose! {
    fn any_world(pairings: usize)(
        users in proptest::collection::vec(any_user(), 1..7),
        people in proptest::collection::vec(any_person(), 0..7),
        pairs in proptest::collection::vec((0_u8..8, 1_u128..8, any::<bool>()), 0..=pairings),
        rules in any_rules(),
    ) -> World {
        let mut world = World { users: Vec::new(), people: Vec::new(), pairings: Vec::new(), rules, made: 0 };
        for user in users {
            if world.users.iter().all(|other| other.id != user.id) {
                world.users.push(user);
            }
        }
        for person in people {
            let clash = |other: &Person| {
                other.id == person.id
                    || other.profile.email.key() == person.profile.email.key()
                    || (other.is_managed() && other.profile.okta_user_id == person.profile.okta_user_id)
            };
            if !world.people.iter().any(clash) {
                world.people.push(person);
            }
        }
        for (user, person, same) in pairs {
            let user = okta_id(&format!("00u_{user}"));
            if world.pairings.iter().all(|(other, _, _)| *other != user) {
                world.pairings.push((user, person_id(person), same));
            }
        }
        world
    }
}

fn has_access(profile: &Profile) -> bool {
    profile.status == Status::Active
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    #[test]
    fn carried_out_and_planned_again_nothing_changes(mut world in any_world(3), batch in 1_usize..7) {
        // Addresses that become free during a run are taken in the next one; then all is still.
        for _ in 0..4 {
            world.run(batch);
        }
        let before = world.clone();
        for planned in world.run(batch) {
            let settled = [ChangeKind::Unchanged, ChangeKind::Skip, ChangeKind::Review];
            prop_assert!(settled.contains(&planned.kind), "{planned:#?}");
            prop_assert!(planned.after.is_none() && planned.fields.is_empty());
        }
        prop_assert_eq!(before.people, world.people);
    }

    #[test]
    fn one_person_planned_twice_is_unchanged(world in any_world(3)) {
        for read in &world.users {
            let row = world.row(read);
            let first = plan(std::slice::from_ref(&row), &world.rules, TODAY, now(), EmailStep::Resolve).remove(0);
            let Some(known) = super::fixtures::applied(&row, &first, person_id(99), now()) else { continue };
            let again = Row { known: Some(known), ..row };
            let second = plan(std::slice::from_ref(&again), &world.rules, TODAY, now(), EmailStep::Resolve).remove(0);
            prop_assert_eq!(&second.after, &None, "{:#?}", second);
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(
        world in any_world(3),
        order in Just((0_usize..7).collect::<Vec<_>>()).prop_shuffle(),
        resolve in any::<bool>(),
    ) {
        let step = if resolve { EmailStep::Resolve } else { EmailStep::Defer };
        let rows: Vec<Row> = world.users.iter().map(|user| world.row(user)).collect();
        let planned = plan(&rows, &world.rules, TODAY, now(), step);
        prop_assert_eq!(planned.len(), rows.len());
        let order: Vec<usize> = order.into_iter().filter(|at| *at < rows.len()).collect();
        let shuffled: Vec<Row> = order.iter().map(|&at| rows[at].clone()).collect();
        let again = plan(&shuffled, &world.rules, TODAY, now(), step);
        for (at, plan) in order.into_iter().zip(again) {
            prop_assert_eq!(&planned[at], &plan);
        }
    }

    #[test]
    fn neither_order_nor_batches_decide_where_it_ends(
        world in any_world(0),
        seed in Just((0_usize..7).collect::<Vec<_>>()).prop_shuffle(),
        batch in 1_usize..7,
    ) {
        let mut whole = world.clone();
        let mut pieces = world.clone();
        let order: Vec<usize> = seed.into_iter().filter(|at| *at < world.users.len()).collect();
        pieces.users = order.into_iter().map(|at| world.users[at].clone()).collect();
        for _ in 0..5 {
            whole.run(7);
            pieces.run(batch);
        }
        prop_assert_eq!(whole.shape(), pieces.shape());
    }

    #[test]
    fn who_is_given_or_loses_access(world in any_world(3), resolve in any::<bool>()) {
        let step = if resolve { EmailStep::Resolve } else { EmailStep::Defer };
        let rows: Vec<Row> = world.users.iter().map(|user| world.row(user)).collect();
        for (row, planned) in rows.iter().zip(plan(&rows, &world.rules, TODAY, now(), step)) {
            let before = row.known.as_ref().or_else(|| row.facts.account(planned.target?));
            let had = before.is_some_and(|person| has_access(&person.profile));
            match (&planned.after, planned.kind) {
                (None, kind) => {
                    let still = [ChangeKind::Skip, ChangeKind::Review, ChangeKind::Unchanged];
                    prop_assert!(still.contains(&kind) && planned.fields.is_empty() && !planned.confirm_needed);
                }
                (Some(after), ChangeKind::Deactivate) => {
                    prop_assert!(!has_access(after) && planned.status_reason == Some(after.reason));
                    prop_assert!(!before.is_some_and(|person| person.break_glass), "a protected account");
                }
                (Some(after), kind) => {
                    let gives = [ChangeKind::Create, ChangeKind::Link, ChangeKind::Update, ChangeKind::Reactivate];
                    prop_assert!(gives.contains(&kind), "{kind} writes");
                    prop_assert!(!had || has_access(after), "{kind} took access away");
                    if has_access(after) && !had {
                        let judged = crate::scope::scope(&row.read, true, &world.rules, TODAY);
                        prop_assert_eq!(judged, Scope::In);
                        let by_hand = before.is_some_and(|person| person.profile.reason == StatusReason::ByHand
                            && person.profile.status == Status::Deactivated);
                        prop_assert!(!by_hand || world.rules.okta_wins, "E47");
                        let was_out = before.is_some_and(|person| person.profile.status == Status::Deactivated);
                        prop_assert!(!was_out || world.rules.reactivate, "E48");
                    }
                }
            }
        }
    }

    #[test]
    fn whom_a_plan_may_touch(world in any_world(3), resolve in any::<bool>()) {
        let step = if resolve { EmailStep::Resolve } else { EmailStep::Defer };
        let rows: Vec<Row> = world.users.iter().map(|user| world.row(user)).collect();
        let mut linked = BTreeSet::new();
        for (row, planned) in rows.iter().zip(plan(&rows, &world.rules, TODAY, now(), step)) {
            let Some(after) = &planned.after else { continue };
            prop_assert_eq!(after.okta_user_id.as_ref(), Some(&row.read.id));
            match (planned.kind, planned.target) {
                (ChangeKind::Create, target) => prop_assert_eq!(target, None),
                (ChangeKind::Link, Some(target)) => {
                    prop_assert!(linked.insert(target), "one account for two");
                    let account = row.facts.account(target).expect("an account of the facts");
                    let by_decision = matches!(&row.facts.pairing, Some(Pairing::Same(person)) if person.id == target);
                    let apart = matches!(&row.facts.pairing, Some(Pairing::Different(id)) if *id == target);
                    prop_assert!(!apart && !account.break_glass && row.known.is_none());
                    if account.is_managed() {
                        prop_assert_eq!(account.profile.status, Status::Deactivated, "taken from somebody who is in");
                        prop_assert!(by_decision || account.role == Role::Learner);
                    } else {
                        prop_assert!(matches!(account.role, Role::Learner | Role::Hr));
                    }
                    if !by_decision {
                        let same = map(&row.read, &world.rules).email.is_ok_and(|email| email.key() == account.profile.email.key());
                        prop_assert!(same && account.profile.email.domain() == "acme.example");
                    }
                }
                (_, target) => {
                    let known = row.known.as_ref().expect("only known people are changed");
                    prop_assert_eq!(target, Some(known.id));
                }
            }
        }
    }

    #[test]
    fn names_and_pins_hold(world in any_world(3), resolve in any::<bool>()) {
        let step = if resolve { EmailStep::Resolve } else { EmailStep::Defer };
        let rows: Vec<Row> = world.users.iter().map(|user| world.row(user)).collect();
        for (row, planned) in rows.iter().zip(plan(&rows, &world.rules, TODAY, now(), step)) {
            let Some(after) = &planned.after else { continue };
            let Some(before) = row.known.as_ref().or_else(|| row.facts.account(planned.target?)) else { continue };
            let held = &before.profile;
            prop_assert!(held.first_name.is_empty() || !after.first_name.is_empty());
            prop_assert!(held.last_name.is_empty() || !after.last_name.is_empty());
            // What was never fed by Okta is never cleared by it.
            let own = |field| !held.from_okta.has(field) || before.pinned.has(field) || !world.rules.clear_empty;
            prop_assert!(!own(Field::Title) || after.title.is_some() || held.title.is_none());
            prop_assert!(!own(Field::EmployeeNumber) || after.employee_number.is_some() || held.employee_number.is_none());
            for field in PINNABLE.into_iter().filter(|field| before.pinned.has(*field) && *field != Field::Email) {
                prop_assert_eq!(after.from_okta.has(field), held.from_okta.has(field), "whose {} it is", field);
            }
            let shown = changes(Some(held), after);
            prop_assert_eq!(&planned.fields, &shown);
            for change in shown {
                prop_assert!(!before.pinned.has(change.field) || !PINNABLE.contains(&change.field), "{}", change.field);
            }
        }
    }
}

/// Fields an admin may pin; the others only mirror Okta or follow from it.
const PINNABLE: [Field; 11] = [
    Field::FirstName,
    Field::LastName,
    Field::Email,
    Field::Title,
    Field::Language,
    Field::Location,
    Field::Team,
    Field::PhotoUrl,
    Field::StartDate,
    Field::EmployeeNumber,
    Field::ManagerRaw,
];
