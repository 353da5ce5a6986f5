//! A small reference: what the directory must look like after a run that Okta did not disturb.
//!
//! Written from the product's decisions alone, without a look at how Muster carries them out: plain loops over few people.
//! It takes the directory before the run (which remembers who came first to an address) and the company as it truly is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use muster_core::id::PersonId;
use muster_core::person::{Role, Status, StatusReason};
use muster_core::run::RunState;

use super::company::{Truth, User};
use super::directory::{Directory, Row, key};
use super::people::{Standing, address, feed, is_by_hand, standing};
use super::policy::Managers;
use super::setting::Setting;

/// What must come out.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) state: RunState,
    pub(crate) rows: Vec<Row>,
    pub(crate) read: u64,
    pub(crate) missing: u64,
    pub(crate) created: u64,
    pub(crate) linked: u64,
    pub(crate) reactivated: u64,
    pub(crate) deactivated: u64,
    pub(crate) held: u64,
    /// Okta ids of those whose removal waits.
    pub(crate) waiting: BTreeSet<String>,
}

impl Expected {
    fn nothing() -> Self {
        Self {
            state: RunState::Done,
            rows: Vec::new(),
            read: 0,
            missing: 0,
            created: 0,
            linked: 0,
            reactivated: 0,
            deactivated: 0,
            held: 0,
            waiting: BTreeSet::new(),
        }
    }
}

const SAMPLE: usize = 20;

struct Model<'a> {
    set: &'a Setting<'a>,
    truth: &'a Truth,
    rows: Vec<Row>,
    /// Row and reason of everybody whom the listing shows as out.
    out: Vec<(usize, StatusReason, User)>,
    created: u64,
    linked: u64,
    reactivated: u64,
}

/// What the model makes of somebody when it first comes to them.
enum First {
    Write(usize),
    Out(usize, StatusReason),
    Create,
    Link(usize),
    Wait(Option<usize>),
    Nothing,
}

/// The directory after a run that read everything undisturbed.
pub(crate) fn after_run(before: &Directory, truth: &Truth, set: &Setting<'_>) -> Expected {
    let mut model = Model::of_before(before, truth, set);
    let listed: Vec<&User> =
        truth.values().filter(|user| user.assigned).map(|user| &**user).collect();
    let losers = model.losers(&listed);
    model.people(&listed, &losers);
    // Managers are found when everybody is there, and before anybody goes.
    let named: Vec<Option<usize>> = (0..model.rows.len()).map(|at| model.named(at)).collect();
    let leaders = model.leaders(before, &named);
    let had_access =
        before.rows.iter().filter(|row| row.okta.is_some() && row.has_access()).count();
    let removals = model.removals(&listed, had_access);
    let managers: Vec<_> =
        (0..model.rows.len()).map(|at| model.manager(at, named[at], &leaders)).collect();
    for (row, manager) in model.rows.iter_mut().zip(managers) {
        row.manager = manager;
    }
    Expected {
        rows: model.rows,
        read: listed.len() as u64,
        created: model.created,
        linked: model.linked,
        reactivated: model.reactivated,
        ..removals
    }
}

impl<'a> Model<'a> {
    fn of_before(before: &Directory, truth: &'a Truth, set: &'a Setting<'a>) -> Self {
        let rows = before.rows.clone();
        Self { set, truth, rows, out: Vec::new(), created: 0, linked: 0, reactivated: 0 }
    }

    fn of(&self, user: &User) -> Option<usize> {
        self.rows.iter().position(|row| row.okta.as_deref() == Some(&user.id))
    }

    fn holder(&self, email: &str, but: Option<usize>) -> Option<usize> {
        (0..self.rows.len()).find(|&at| Some(at) != but && self.rows[at].email == email)
    }

    fn standing(&self, user: &User) -> Standing {
        standing(user, self.set.policy, self.set.today)
    }

    /// E5: of several with one address, whoever has it here already, else who may enter, else who is older.
    fn losers(&self, listed: &[&User]) -> BTreeSet<String> {
        let mut rivals: BTreeMap<String, Vec<&User>> = BTreeMap::new();
        for user in listed {
            if let Some(email) = address(user) {
                rivals.entry(email).or_default().push(user);
            }
        }
        let mut losers = BTreeSet::new();
        for (email, mut users) in rivals {
            users.sort_by_key(|user| {
                let holds = self.of(user).is_some_and(|at| self.rows[at].email == email);
                let place = match self.standing(user) {
                    Standing::In | Standing::NotYet(_) => 0,
                    Standing::Out(_) => 1,
                    Standing::Excluded => 2,
                };
                (!holds, place, user.created, user.id.clone())
            });
            losers.extend(users.iter().skip(1).map(|user| user.id.clone()));
        }
        losers
    }

    fn people(&mut self, listed: &[&User], losers: &BTreeSet<String>) {
        let firsts: Vec<First> = listed.iter().map(|user| self.first(user, losers)).collect();
        let mut waiting = Vec::new();
        for (user, first) in listed.iter().zip(firsts) {
            match first {
                First::Write(at) => {
                    let moves = address(user).filter(|_| !losers.contains(&user.id));
                    self.write(at, user, moves);
                }
                First::Out(at, reason) => self.out.push((at, reason, (*user).clone())),
                First::Create => self.create(user),
                First::Link(at) => self.link(at, user),
                First::Wait(at) => waiting.push((*user, at)),
                First::Nothing => {}
            }
        }
        let granted = self.granted(&waiting);
        let moves: Vec<_> =
            waiting.iter().map(|(user, at)| (*user, *at, granted.contains(&user.id))).collect();
        for (user, at, granted) in moves {
            let wanted = address(user).filter(|_| granted);
            match (at, self.loses_access(at, user)) {
                (Some(at), Some(reason)) => self.out.push((at, reason, user.clone())),
                (Some(at), None) => self.write(at, user, wanted),
                (None, _) if granted && self.is_twin(user) => {}
                (None, _) if granted => self.create(user),
                (None, _) => self.returner(user),
            }
        }
    }

    fn loses_access(&self, at: Option<usize>, user: &User) -> Option<StatusReason> {
        let row = &self.rows[at?];
        let reason = match self.standing(user) {
            Standing::Out(reason) => reason,
            Standing::Excluded => StatusReason::Filtered,
            Standing::In | Standing::NotYet(_) => return None,
        };
        (row.has_access() && !row.protected).then_some(reason)
    }

    fn first(&self, user: &User, losers: &BTreeSet<String>) -> First {
        let lost = losers.contains(&user.id);
        let email = address(user);
        if let Some(at) = self.of(user) {
            let other = email.filter(|email| !lost && *email != self.rows[at].email);
            if other.is_some_and(|email| self.holder(&email, Some(at)).is_some()) {
                return First::Wait(Some(at));
            }
            return match self.loses_access(Some(at), user) {
                Some(reason) => First::Out(at, reason),
                None => First::Write(at),
            };
        }
        let enters = match self.standing(user) {
            Standing::Excluded => return First::Nothing,
            Standing::In | Standing::NotYet(_) => true,
            Standing::Out(_) => false,
        };
        let Some(email) = email.filter(|_| !lost) else { return First::Nothing };
        if let Some(at) = self.holder(&email, None) {
            let holder = &self.rows[at];
            if holder.okta.is_some() {
                return First::Wait(None);
            }
            // D1, E1: once, by address, if the domain is the tenant's own and the account is no owner's or admin's.
            let free = matches!(holder.role, Role::Learner | Role::Hr) && !holder.protected;
            return if free && self.is_own_domain(&email) && enters {
                First::Link(at)
            } else {
                First::Nothing
            };
        }
        if self.is_twin(user) { First::Nothing } else { First::Create }
    }

    /// E2: the same name is no sign; with the same first day or number it is.
    fn is_twin(&self, user: &User) -> bool {
        let text = |name| user.text(name).map(str::to_owned);
        let name = key(&format!(
            "{} {}",
            text("firstName").unwrap_or_default(),
            text("lastName").unwrap_or_default()
        ));
        self.rows.iter().any(|row| {
            row.okta.is_none()
                && key(&format!("{} {}", row.first, row.last)) == name
                && ((row.start.is_some()
                    && row.start == super::people::start_date(user).map(|day| day.to_string()))
                    || (row.number.is_some() && row.number == text("employeeNumber")))
        })
    }

    fn is_own_domain(&self, email: &str) -> bool {
        let domain = email.rsplit('@').next().unwrap_or_default();
        self.set.policy.domains.contains(&domain)
    }

    /// E6: who gets the address they wait for: everybody whose holder moves away too.
    fn granted(&self, waiting: &[(&User, Option<usize>)]) -> BTreeSet<String> {
        let mut granted: BTreeSet<String> =
            waiting.iter().map(|(user, _)| user.id.clone()).collect();
        loop {
            let stuck = waiting.iter().find(|(user, at)| {
                let wants = address(user).unwrap_or_default();
                let leaves = |holder: usize| {
                    waiting.iter().any(|(other, of)| {
                        *of == Some(holder)
                            && granted.contains(&other.id)
                            && address(other).is_some_and(|email| email != wants)
                            // Whoever is losing access keeps their address for now.
                            && self.loses_access(*of, other).is_none()
                    })
                };
                granted.contains(&user.id)
                    && self.holder(&wants, *at).is_some_and(|holder| !leaves(holder))
            });
            match stuck {
                Some((user, _)) => granted.remove(&user.id),
                None => return granted,
            };
        }
    }

    /// E8: somebody new with the address of somebody whose Okta user is gone.
    fn returner(&mut self, user: &User) {
        let email = address(user).unwrap_or_default();
        let Some(at) = self.holder(&email, None) else { return };
        let row = &self.rows[at];
        // Whoever is in the list of the app again is not gone, even if they may not enter.
        let old = row.okta.as_ref().and_then(|id| self.truth.get(id));
        let back = old.is_some_and(|user| user.assigned);
        let gone = !back
            && row.status == Status::Deactivated
            && matches!(row.reason, StatusReason::DeactivatedInOkta | StatusReason::DeletedInOkta);
        let name = |first: &str, last: &str| key(&format!("{first} {last}"));
        let same = name(
            user.text("firstName").unwrap_or_default(),
            user.text("lastName").unwrap_or_default(),
        ) == name(&row.first, &row.last);
        let automatic = !self.set.policy.review_returners
            && row.role == Role::Learner
            && !row.protected
            && self.is_own_domain(&email);
        if gone && same && automatic {
            self.link(at, user);
        }
    }

    fn create(&mut self, user: &User) {
        let (status, reason) = match self.standing(user) {
            Standing::In => (Status::Active, StatusReason::Assigned),
            Standing::NotYet(reason) => (Status::NotYet, reason),
            Standing::Out(reason) => (Status::Deactivated, reason),
            Standing::Excluded => return,
        };
        let mut row = Row {
            id: None,
            okta: None,
            okta_status: None,
            status,
            reason,
            email: address(user).unwrap_or_default(),
            first: String::new(),
            last: String::new(),
            title: None,
            language: None,
            location: None,
            team: None,
            photo: None,
            start: None,
            number: None,
            manager_raw: None,
            manager: None,
            role: Role::Learner,
            protected: false,
            confirm: false,
            gone_at: (status == Status::Deactivated).then_some(self.set.now),
            login: None,
            made: None,
        };
        feed(&mut row, user, self.set.policy);
        self.rows.push(row);
        self.created += 1;
    }

    fn link(&mut self, at: usize, user: &User) {
        let was_by_hand = is_by_hand(&self.rows[at]);
        feed(&mut self.rows[at], user, self.set.policy);
        self.linked += 1;
        let standing = self.standing(user);
        self.access(at, &standing);
        let row = &mut self.rows[at];
        match standing {
            _ if row.status == Status::Active => row.reason = StatusReason::Assigned,
            Standing::Out(reason) if !was_by_hand => row.reason = reason,
            _ => {}
        }
    }

    fn write(&mut self, at: usize, user: &User, email: Option<String>) {
        feed(&mut self.rows[at], user, self.set.policy);
        if let Some(email) = email {
            self.rows[at].email = email;
        }
        let was_out = !self.rows[at].has_access();
        let standing = self.standing(user);
        self.access(at, &standing);
        self.reactivated += u64::from(was_out && self.rows[at].has_access());
    }

    /// D2, E7, E32, E47, E48: access given or kept. Nothing here takes it away.
    fn access(&mut self, at: usize, standing: &Standing) {
        let (policy, now) = (self.set.policy, self.set.now);
        let row = &mut self.rows[at];
        let (status, reason) = match standing {
            Standing::In => (Status::Active, StatusReason::Assigned),
            Standing::NotYet(reason) => (Status::NotYet, *reason),
            Standing::Out(_) | Standing::Excluded => return,
        };
        if row.has_access() {
            // Whoever is in stays in, even if their first day is moved.
            if row.status != Status::Active || status == Status::Active {
                (row.status, row.reason) = (status, reason);
            }
            return;
        }
        if !policy.reactivate || (is_by_hand(row) && !policy.okta_wins) {
            return;
        }
        let long = row
            .gone_at
            .is_some_and(|at| now.duration_since(at) > SignedDuration::from_hours(24 * 30));
        row.confirm |= long && row.role != Role::Learner;
        (row.status, row.reason, row.gone_at) = (status, reason, None);
    }

    /// D11, D12: who loses access, who waits for a human, and what keeps everybody in.
    fn removals(&mut self, listed: &[&User], had_access: usize) -> Expected {
        let ids: BTreeSet<&str> = listed.iter().map(|user| user.id.as_str()).collect();
        let is_missing =
            |row: &Row| row.okta.as_deref().is_some_and(|id| !ids.contains(id)) && row.has_access();
        let mut missing: Vec<usize> =
            (0..self.rows.len()).filter(|&at| is_missing(&self.rows[at])).collect();
        missing.sort_by_key(|&at| self.rows[at].okta.clone());
        let policy = self.set.policy;
        let all = missing.len() + self.out.len();
        let limit =
            (policy.guard_people as usize).max(had_access * policy.guard_percent as usize / 100);
        let everybody = !missing.is_empty() && missing.len() >= had_access;
        let too_many = all > limit || everybody;
        let mut expected = Expected { missing: missing.len() as u64, ..Expected::nothing() };
        let exists = |at: &&usize| {
            self.rows[**at].okta.as_ref().is_some_and(|id| self.truth.contains_key(id))
        };
        let asked: Vec<&usize> =
            missing.iter().take(if too_many { SAMPLE } else { usize::MAX }).collect();
        let deleted =
            asked.iter().filter(|at| !exists(at)).filter_map(|at| self.rows[**at].okta.as_ref());
        let tells = self.set.can_tell(deleted);
        let known = self.rows.iter().filter(|row| row.has_access());
        let blind = listed.is_empty()
            && self.set.is_blind(known.filter_map(|row| row.okta.as_ref()), self.truth);
        if blind || !tells {
            expected.state = RunState::Incomplete;
            expected.missing = if blind { 0 } else { expected.missing };
            return expected;
        }
        let mut going: Vec<(usize, StatusReason, Option<User>)> =
            self.out.drain(..).map(|(at, reason, user)| (at, reason, Some(user))).collect();
        for at in missing {
            let user = self.rows[at].okta.as_ref().and_then(|id| self.truth.get(id));
            let reason = match user.map(|user| self.standing(user)) {
                None => StatusReason::DeletedInOkta,
                Some(Standing::Out(reason)) => reason,
                Some(_) => continue,
            };
            going.push((at, reason, None));
        }
        if too_many {
            expected.state = RunState::Held;
            expected.held = going.len() as u64;
            expected.waiting =
                going.iter().filter_map(|(at, _, _)| self.rows[*at].okta.clone()).collect();
            return expected;
        }
        going.sort_by_key(|(at, _, _)| self.rows[*at].okta.clone());
        for (at, reason, user) in going {
            expected.deactivated += u64::from(self.remove(at, reason, user.as_ref()));
        }
        expected
    }

    /// E54: everybody who is out goes, but not a protected account and not the last active owner.
    fn remove(&mut self, at: usize, reason: StatusReason, user: Option<&User>) -> bool {
        let is_owner = |row: &&Row| row.role == Role::Owner && row.status == Status::Active;
        let owners = self.rows.iter().filter(is_owner).count();
        let row = &mut self.rows[at];
        if row.protected || (is_owner(&&*row) && owners <= 1) {
            return false;
        }
        if let Some(user) = user {
            feed(row, user, self.set.policy);
        } else {
            let known = match reason {
                StatusReason::Suspended => Some("SUSPENDED"),
                StatusReason::DeactivatedInOkta => Some("DEPROVISIONED"),
                _ => None,
            };
            row.okta_status = known.map(str::to_owned).or(row.okta_status.take());
        }
        (row.status, row.reason, row.gone_at) = (Status::Deactivated, reason, Some(self.set.now));
        true
    }

    /// D5: who a manager value means, tried as id, login, address, number and, if allowed, as a name nobody else has.
    fn named(&self, at: usize) -> Option<usize> {
        let raw = self.rows[at].manager_raw.as_deref()?.trim();
        let wanted = key(raw);
        self.rows[at].okta.as_ref()?;
        let one = |test: &dyn Fn(&Row) -> bool| {
            let hits: Vec<usize> =
                (0..self.rows.len()).filter(|&of| test(&self.rows[of])).collect();
            <[usize; 1]>::try_from(hits).ok().map(|[of]| of)
        };
        one(&|row| row.okta.as_deref() == Some(raw))
            .or_else(|| {
                one(&|row| {
                    row.login.as_deref().map(key).as_ref() == Some(&wanted) && row.email != wanted
                })
            })
            .or_else(|| one(&|row| row.email == wanted))
            .or_else(|| one(&|row| row.number.as_deref() == Some(raw)))
            .or_else(|| {
                let name = |row: &Row| key(&format!("{} {}", row.first, row.last)) == wanted;
                self.set.policy.by_name.then(|| one(&name)).flatten()
            })
            .filter(|&of| of != at)
    }

    /// R68: in the mode of first members a team without a leader takes the manager of its first member.
    fn leaders(&self, before: &Directory, named: &[Option<usize>]) -> BTreeMap<String, usize> {
        let place = |id: PersonId| self.rows.iter().position(|row| row.id == Some(id));
        let mut leaders: BTreeMap<String, usize> = before
            .leaders
            .iter()
            .filter_map(|(team, id)| Some((team.clone(), place((*id)?)?)))
            .collect();
        if self.set.policy.managers != Managers::Team {
            return leaders;
        }
        let mut members: Vec<usize> = (0..self.rows.len())
            .filter(|&at| self.rows[at].okta.is_some() && self.rows[at].has_access())
            .collect();
        members.sort_by_key(|&at| (self.rows[at].made, self.rows[at].okta.clone()));
        for at in members {
            let (Some(team), Some(manager)) = (&self.rows[at].team, named[at]) else { continue };
            if self.rows[manager].has_access() {
                leaders.entry(team.clone()).or_insert(manager);
            }
        }
        leaders
    }

    /// The effective manager: by hand, from Okta, or the team's; nobody inactive, nobody for themselves.
    fn manager(
        &self,
        at: usize,
        named: Option<usize>,
        leaders: &BTreeMap<String, usize>,
    ) -> Option<(String, String)> {
        let row = &self.rows[at];
        let fit = |of: &usize| *of != at && self.rows[*of].status == Status::Active;
        let hand = row.id.and_then(|id| self.set.hands.get(&id));
        let hand = hand.and_then(|id| self.rows.iter().position(|row| row.id == Some(*id)));
        let okta = named.filter(|_| self.set.policy.managers == Managers::Individual);
        let team = row.team.as_ref().and_then(|team| leaders.get(team)).copied();
        hand.filter(fit)
            .map(|of| (of, "hand"))
            .or_else(|| okta.filter(fit).map(|of| (of, "okta")))
            .or_else(|| team.filter(fit).map(|of| (of, "team")))
            .map(|(of, source)| (self.rows[of].email.clone(), source.to_owned()))
    }
}

/// The directory after an undisturbed approval of removals that waited.
pub(crate) fn after_approval(
    before: &Directory,
    truth: &Truth,
    waiting: &BTreeSet<String>,
    set: &Setting<'_>,
) -> Expected {
    let mut model = Model::of_before(before, truth, set);
    let mut expected = Expected::nothing();
    let tells = set.can_tell(waiting.iter().filter(|id| !truth.contains_key(*id)));
    // Whoever waits to be removed proves nothing about the token.
    let others =
        before.rows.iter().filter(|row| row.has_access()).filter_map(|row| row.okta.as_ref());
    let blind = set.is_blind(others.filter(|id| !waiting.contains(*id)), truth);
    if blind || !tells {
        expected.state = RunState::Incomplete;
    } else {
        for id in waiting {
            let Some(at) = model.rows.iter().position(|row| row.okta.as_deref() == Some(id)) else {
                continue;
            };
            let reason = match truth.get(id).map(|user| model.standing(user)) {
                None => StatusReason::DeletedInOkta,
                Some(Standing::Out(reason)) => reason,
                Some(Standing::Excluded) => StatusReason::Filtered,
                Some(_) => continue,
            };
            if model.rows[at].has_access() {
                expected.deactivated += u64::from(model.remove(at, reason, None));
            }
        }
    }
    expected.rows = model.rows;
    expected
}
