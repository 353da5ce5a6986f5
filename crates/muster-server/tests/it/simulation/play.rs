//! One seed from its first day to its last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use muster_core::id::RunId;
use muster_core::run::{RunCause, RunKind, RunState};
use muster_store::StoreError;
use muster_store::db::Db;
use muster_store::history::Entry;
use muster_store::items::ItemState;
use muster_store::runs::Run;
use serde_json::value::RawValue;

use super::checks::{Check, Chronicle, Ended, differences, must};
use super::dice::Dice;
use super::directory::Directory;
use super::model;
use super::people::standing;
use super::policy::Policy;
use super::setting::Setting;
use super::stage::{Stage, Workers};
use super::weather::{self, Weather};
use super::{hands, life};

/// How one seed is to be played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) seed: u64,
    /// Workers are also dropped wherever they wait, so that two plays may differ in what was done by then.
    pub(crate) drops: bool,
}

/// What happened, line by line. Two plays of one seed have the same lines.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Each line is printed at once.
    pub(crate) aloud: bool,
    pub(crate) lines: Vec<String>,
}

impl Story {
    fn tell(&mut self, line: impl Into<String>) {
        let line = line.into();
        if self.aloud {
            eprintln!("{line}");
        }
        self.lines.push(line);
    }

    /// A number that two stories share only if they are the same.
    pub(crate) fn digest(&self) -> u64 {
        let bytes = self.lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

struct Play {
    stage: Stage,
    chronicle: Chronicle,
    drops: bool,
    /// Runs lie weeks apart.
    slow: bool,
    /// The last run whose removals wait, and whose they are.
    held: Option<(RunId, BTreeSet<String>)>,
}

/// Plays a seed. `Err` says what was wrong; the story tells how it came to that.
pub(crate) async fn play(db: &Db, manner: Manner, story: &mut Story) -> Check {
    let mut dice = Dice::new(manner.seed);
    let mut setting = dice.fork();
    let stage = Stage::set(db.clone(), manner.seed, &mut setting).await.map_err(fault)?;
    let mut play = Play {
        stage,
        chronicle: Chronicle::default(),
        drops: manner.drops,
        slow: setting.chance(25),
        held: None,
    };
    play.chronicle.read_on(&play.stage.tenant).await?;
    story.tell(play.stage.policy.toml());
    for day in 0..dice.within(6, 13) {
        let mut dice = dice.fork();
        story.tell(format!("-- {day}: {}", play.stage.now().strftime("%F")));
        play.day(&mut dice, story).await?;
    }
    story.tell("-- the end");
    play.last_day(&mut dice, story).await
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function on errors")]
fn fault(error: StoreError) -> String {
    format!("the database failed: {error}")
}

impl Play {
    async fn day(&mut self, dice: &mut Dice, story: &mut Story) -> Check {
        let hours = match self.slow {
            // Okta ends a token that nobody used for thirty days.
            true => dice.within(100, 600),
            false if dice.chance(15) => dice.within(100, 230),
            false => dice.within(5, 40),
        };
        self.stage.clock.advance(Duration::from_secs(hours as u64 * 3600));
        self.manage(&mut dice.fork(), story).await?;
        let mut weather =
            weather::fair(&self.stage.wire.company(), self.stage.log_readable, self.stage.now());
        weather::limits(&self.stage.wire.company(), &mut dice.fork());
        let mut morning = dice.fork();
        for _ in 0..morning.below(8) {
            self.stage.clock.advance(Duration::from_secs(morning.below(4000) as u64));
            story.tell(life::happen(&mut self.stage.wire.company(), &mut morning));
        }
        self.stage.clock.advance(Duration::from_mins(1));
        let mut sky = dice.fork();
        let mut changes = None;
        if sky.chance(50) {
            if sky.chance(80) {
                weather::foul(&self.stage.wire.company(), &mut weather, &mut sky);
            }
            if sky.chance(25) {
                weather.stale = u32::try_from(sky.within(1, 5)).expect("it fits");
                weather.said.push(format!("reads {} s late", weather.stale));
                let seconds = weather.stale;
                self.stage.wire.org.settings(|settings| settings.stale_seconds = seconds);
                for _ in 0..sky.within(1, 4) {
                    story.tell(life::happen(&mut self.stage.wire.company(), &mut sky));
                    self.stage.clock.advance(Duration::from_millis(sky.below(1500) as u64));
                }
            }
            if sky.chance(20) {
                weather.said.push("changes meanwhile".to_owned());
                changes = Some((sky.within(1, 12) as u64, sky.fork()));
            }
        }
        let kind = if dice.chance(12) { RunKind::Preview } else { RunKind::Full };
        let mut workers = dice.pick(&[
            Workers::One,
            Workers::One,
            Workers::One,
            Workers::Killed,
            Workers::Killed,
            Workers::Frozen,
            Workers::Two,
        ]);
        if workers == Workers::Killed && self.drops {
            workers = Workers::Dropped;
        }
        // Of the strikes at calls one is armed at a time; changes come with a worker who is left alone.
        if let Some((at, dice)) = changes {
            workers = Workers::One;
            self.stage.strikes.change_at_call(at, dice);
        }
        let approve = self.held.take().filter(|_| dice.chance(60));
        match approve {
            Some((held, _)) if dice.chance(30) => self.discard(held, story).await?,
            Some((held, waiting)) => {
                self.approve(held, &waiting, &weather, workers, dice, story).await?;
            }
            None => {
                self.run(kind, &weather, workers, dice, story).await?;
                if weather.is_clean() && kind == RunKind::Full && dice.chance(35) {
                    self.run(kind, &weather, Workers::One, dice, story).await?;
                }
            }
        }
        self.stage.strikes.clear();
        Ok(())
    }

    /// Changes by hand, and of the rules.
    async fn manage(&mut self, dice: &mut Dice, story: &mut Story) -> Check {
        if dice.chance(60) {
            return Ok(());
        }
        let stage = &mut self.stage;
        let now = stage.now();
        let (truth, next_hire) = {
            let company = stage.wire.company();
            (company.now.clone(), company.number + 1)
        };
        let seen = Directory::read(&stage.tenant, stage.policy.managers, &truth, |_| true)
            .await
            .map_err(fault)?;
        for _ in 0..dice.within(1, 3) {
            if dice.chance(20) {
                stage.policy.change(dice);
                let toml = stage.policy.toml();
                let revision = stage
                    .tenant
                    .replace_rules(&toml, hands::BY, &mut stage.ids, now)
                    .await
                    .map_err(fault)?;
                stage.policies.insert(revision, stage.policy.clone());
                story.tell(format!("rules {revision}: {}", toml.replace('\n', "; ")));
            } else {
                let said = hands::happen(
                    &stage.tenant,
                    &seen,
                    &mut stage.hands,
                    next_hire,
                    &mut stage.ids,
                    now,
                    dice,
                );
                story.tell(said.await.map_err(fault)?);
            }
        }
        let (losses, _) = self.chronicle.read_on(&self.stage.tenant).await?;
        must!(
            losses.iter().all(|loss| loss.run.is_none()),
            "a run removed somebody while nobody worked"
        );
        Ok(())
    }

    /// The directory before a run: what the model starts from.
    async fn directory(&self, policy: &Policy, today: Date) -> Check<Directory> {
        let truth = self.stage.wire.company().now.clone();
        let is_fed =
            |user: &super::company::User| user.assigned && standing(user, policy, today).is_in();
        Directory::read(&self.stage.tenant, policy.managers, &truth, is_fed).await.map_err(fault)
    }

    fn today(&self, at: jiff::Timestamp, policy: &Policy) -> Date {
        at.to_zoned(TimeZone::get(policy.zone).expect("a zone")).date()
    }

    async fn drive(
        &mut self,
        run: RunId,
        workers: Workers,
        dice: &mut Dice,
        between: bool,
    ) -> Check<Run> {
        let ended = self.stage.drive(run, workers, dice.fork(), between).await;
        self.stage.strikes.clear();
        ended.map_err(|error| {
            let cause =
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("the worker failed: {error} {cause} {error:?}")
        })
    }

    async fn run(
        &mut self,
        kind: RunKind,
        weather: &Weather,
        workers: Workers,
        dice: &mut Dice,
        story: &mut Story,
    ) -> Check {
        let policy = self.stage.policy.clone();
        let today = self.today(self.stage.now(), &policy);
        let before = self.directory(&policy, today).await?;
        let (settled, truth, forgotten) = {
            let now = self.stage.now();
            let company = self.stage.wire.company();
            (company.is_settled(8), company.now.clone(), company.forgotten(now))
        };
        let clean = weather.is_clean() && settled;
        let now = self.stage.now();
        let seq = self.chronicle.seen;
        let id = self.stage.request(kind, RunCause::Schedule, None).await.map_err(fault)?;
        story.tell(format!("{kind} run by {workers:?}; {}", weather.said.join(", ")));
        let run = self.drive(id, workers, dice, !clean).await?;
        let after = self.judge(&run, weather, story).await?;
        if kind == RunKind::Preview {
            must!(self.chronicle.seen == seq, "a preview wrote into the history");
            must!(differences_of(&before, &after).is_none(), "a preview changed people");
            return Ok(());
        }
        if clean {
            let set = Setting {
                policy: &policy,
                today,
                now,
                hands: &self.stage.hands,
                log_readable: weather.log_readable,
                forgotten: &forgotten,
            };
            let expected = model::after_run(&before, &truth, &set);
            self.compare(&run, &expected, &after, true)?;
            let quiet = differences(&expected, &before, true).is_none();
            must!(
                !quiet || self.chronicle.seen == seq || self.is_aside(seq).await?,
                "nothing was to be done, and the history grew from {seq} to {}",
                self.chronicle.seen
            );
        }
        self.held = match run.state {
            RunState::Held => Some((run.id, self.waiting(&run).await?)),
            _ => self.held.take(),
        };
        Ok(())
    }

    /// Whether all new entries are about what the model does not look at: logins, the spelling of an address, and managers,
    /// which for people without access are settled a run later.
    async fn is_aside(&self, seq: i64) -> Check<bool> {
        let count = self.chronicle.seen - seq;
        let entries = self.stage.tenant.history(None, count).await.map_err(fault)?;
        let aside = |entry: &Entry| {
            let side = |json: &Option<Box<RawValue>>| -> BTreeMap<String, Option<String>> {
                json.as_ref()
                    .and_then(|json| serde_json::from_str(json.get()).ok())
                    .unwrap_or_default()
            };
            let (before, after) = (side(&entry.before), side(&entry.after));
            let spelling = |sides: &BTreeMap<String, Option<String>>| {
                sides.get("email").cloned().flatten().map(|email| email.to_lowercase())
            };
            entry.kind == "manager"
                || after.keys().all(|field| match field.as_str() {
                    "login" => true,
                    "email" => spelling(&before) == spelling(&after),
                    _ => false,
                })
        };
        Ok(entries.iter().all(aside))
    }

    /// The checks that every run must pass, however it went. Gives the directory as it is now.
    async fn judge(&mut self, run: &Run, weather: &Weather, story: &mut Story) -> Check<Directory> {
        let policy = self.stage.policies.get(&run.rules_revision).cloned();
        let policy =
            policy.ok_or_else(|| format!("nobody set the rules {}", run.rules_revision))?;
        let today = self.today(run.queued_at, &policy);
        let truth = self.stage.wire.company().now.clone();
        let after = Directory::read(&self.stage.tenant, policy.managers, &truth, |_| true)
            .await
            .map_err(fault)?;
        let (losses, _) = self.chronicle.read_on(&self.stage.tenant).await?;
        self.chronicle.compare(&after)?;
        let problems: Vec<&str> = run.problems.iter().map(|problem| problem.code.name()).collect();
        story.tell(format!("  {} {:?} {:?} {problems:?}", run.state, run.listing, run.counts));
        for row in &after.rows {
            story.tell(format!("    {}", row.line()));
        }
        let company = self.stage.wire.company();
        Ended {
            run,
            losses: &losses,
            after: &after,
            company: &company,
            policy: &policy,
            today,
            weather,
        }
        .check()?;
        drop(company);
        Ok(after)
    }

    fn compare(
        &self,
        run: &Run,
        expected: &model::Expected,
        after: &Directory,
        managers: bool,
    ) -> Check {
        must!(
            run.state == expected.state,
            "the run is {} and must be {}",
            run.state,
            expected.state
        );
        if let Some(text) = differences(expected, after, managers) {
            return Err(format!("the directory differs from the model:\n{text}"));
        }
        let c = &run.counts;
        if run.approves.is_none() {
            let told =
                [c.read, c.missing, c.created, c.linked, c.reactivated, c.deactivated, c.held];
            let e = expected;
            let want =
                [e.read, e.missing, e.created, e.linked, e.reactivated, e.deactivated, e.held];
            must!(
                told == want,
                "read, missing, created, linked, reactivated, deactivated, held: {told:?} and not {want:?}"
            );
        } else {
            must!(
                c.deactivated == expected.deactivated,
                "removed {} and not {}",
                c.deactivated,
                expected.deactivated
            );
        }
        Ok(())
    }

    /// Whose removals a held run keeps.
    async fn waiting(&self, run: &Run) -> Check<BTreeSet<String>> {
        let items = self.stage.tenant.items(run.id, None, 1_000).await.map_err(fault)?;
        let held = items.iter().filter(|item| item.state == ItemState::Held);
        let held: BTreeSet<String> = held.map(|item| item.okta_user_id.to_string()).collect();
        must!(
            held.len() as u64 == run.counts.held,
            "{} removals are held and {} counted",
            held.len(),
            run.counts.held
        );
        Ok(held)
    }

    async fn discard(&mut self, held: RunId, story: &mut Story) -> Check {
        story.tell("discard");
        let now = self.stage.now();
        let change = self.stage.ids.next(now);
        self.stage.tenant.discard_run(held, "os:olga", None, change, now).await.map_err(fault)?;
        let (losses, _) = self.chronicle.read_on(&self.stage.tenant).await?;
        must!(losses.is_empty(), "a discarded run removed somebody");
        let run = self.stage.tenant.run(held).await.map_err(fault)?;
        must!(
            run.is_some_and(|run| run.state == RunState::Discarded),
            "the discarded run is not discarded"
        );
        Ok(())
    }

    async fn approve(
        &mut self,
        held: RunId,
        waiting: &BTreeSet<String>,
        weather: &Weather,
        workers: Workers,
        dice: &mut Dice,
        story: &mut Story,
    ) -> Check {
        let policy = self.stage.policy.clone();
        let now = self.stage.now();
        let today = self.today(now, &policy);
        let before = self.directory(&policy, today).await?;
        let (settled, truth, forgotten) = {
            let now = self.stage.now();
            let company = self.stage.wire.company();
            (company.is_settled(8), company.now.clone(), company.forgotten(now))
        };
        let clean = weather.is_clean() && settled;
        let id = self
            .stage
            .request(RunKind::Full, RunCause::Approval, Some(held))
            .await
            .map_err(fault)?;
        story.tell(format!(
            "approve {} removals by {workers:?}; {}",
            waiting.len(),
            weather.said.join(", ")
        ));
        let run = self.drive(id, workers, dice, !clean).await?;
        let after = self.judge(&run, weather, story).await?;
        if clean {
            let set = Setting {
                policy: &policy,
                today,
                now,
                hands: &self.stage.hands,
                log_readable: weather.log_readable,
                forgotten: &forgotten,
            };
            let expected = model::after_approval(&before, &truth, waiting, &set);
            self.compare(&run, &expected, &after, false)?;
        }
        let first = self.stage.tenant.run(held).await.map_err(fault)?;
        let settled = first
            .is_some_and(|first| (first.state == RunState::Done) == (run.state == RunState::Done));
        must!(settled, "the approval is {} and the held run is not settled with it", run.state);
        if run.state != RunState::Done {
            self.held = Some((held, waiting.clone()));
        }
        Ok(())
    }

    /// Fair weather at last: everything must come to rest as the model says.
    async fn last_day(&mut self, dice: &mut Dice, story: &mut Story) -> Check {
        self.stage.clock.advance(Duration::from_hours(1));
        self.stage.log_readable = true;
        let weather = weather::fair(&self.stage.wire.company(), true, self.stage.now());
        self.run(RunKind::Full, &weather, Workers::One, dice, story).await?;
        if let Some((held, waiting)) = self.held.take() {
            self.approve(held, &waiting, &weather, Workers::One, dice, story).await?;
        }
        // An address that somebody keeps while losing access moves in the run after it, and another's in the same.
        for _ in 0..2 {
            self.run(RunKind::Full, &weather, Workers::One, dice, story).await?;
        }
        let seq = self.chronicle.seen;
        self.run(RunKind::Full, &weather, Workers::One, dice, story).await?;
        must!(
            self.chronicle.seen == seq,
            "a run of which nothing was left to do wrote into the history"
        );
        self.chronicle.reread(&self.stage.tenant).await?;
        let open = self.stage.tenant.runs(1_000).await.map_err(fault)?;
        must!(open.iter().all(|run| !run.is_open()), "there are runs that nobody works on");
        Ok(())
    }
}

fn differences_of(before: &Directory, after: &Directory) -> Option<String> {
    let lines =
        |of: &Directory| of.rows.iter().map(super::directory::Row::line).collect::<Vec<_>>();
    (lines(before) != lines(after)).then(|| "people differ".to_owned())
}
