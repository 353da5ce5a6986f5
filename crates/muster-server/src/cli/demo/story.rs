//! The story of the demo, act by act.

use muster_core::id::ChangeId;
use muster_core::run::{RunKind, RunState};
use muster_oktasim::org::{MorningStep, morning};
use muster_oktasim::{Action, Fault, Faults, Rule};
use muster_store::runs::Run;

use super::live;
use super::stage::{SUB, Stage};
use super::tell::{self, Act};
use crate::cli::exit::CliError;
use crate::cli::output::{Out, count};

/// The group that everybody at Fernhill is assigned through.
const EVERYBODY: &str = "app-learn-employees";

/// People whom Okta lists in its bad moment, of 226.
const LISTED: usize = 200;

/// Steps of the morning that happen while Muster is away. The others arrive by hook; and the failing page is a long wait to
/// watch, where the lost page is the worse one.
const MEANWHILE: [&str; 2] = ["marriage", "starter"];

/// Plays the story. An org of any size has the first acts only; Fernhill has a morning too.
pub(super) async fn tell(stage: &mut Stage, fernhill: bool, out: &mut Out) -> Result<(), CliError> {
    overture(stage, fernhill, out).await?;
    preview(stage, out).await?;
    first_sync(stage, fernhill, out).await?;
    live::hooks(stage, fernhill, out).await?;
    if fernhill {
        let away = stage.now();
        bad_moment(stage, out).await?;
        morning_after(stage, out).await?;
        wrong_group(stage, out).await?;
        live::back(stage, away, out).await?;
        explained(stage, out).await?;
    } else {
        nothing_to_do(stage, out).await?;
    }
    Ok(())
}

async fn overture(stage: &Stage, fernhill: bool, out: &mut Out) -> Result<(), CliError> {
    let people = stage.org().with(|org| org.people_count());
    let people = count(people as u64, "person", "people");
    let here = stage.db.people_counts().await?;
    let company = if fernhill { "Fernhill Group" } else { "a company" };
    tell::open(
        out,
        &format!(
            "Muster demo: {company}, with {people} in a simulated Okta. Nothing leaves this machine."
        ),
    )?;
    if fernhill {
        tell::plain(
            out,
            &format!(
                "Fernhill made {} by hand before it connected Okta: some are people whom Okta knows, some are not. Contractors \
             stay out by a rule. Now Okta is connected.",
                count(here.active, "account", "accounts")
            ),
        )?;
    }
    Ok(())
}

async fn preview(stage: &Stage, out: &mut Out) -> Result<(), CliError> {
    let act = Act::begin(out, "preview", "First a preview: what would a sync do?")?;
    let run = stage.run(RunKind::Preview).await?;
    act.run(out, &run)?;
    tell::plain(out, "Nothing was changed, and nobody was written to.")
}

async fn first_sync(stage: &Stage, fernhill: bool, out: &mut Out) -> Result<(), CliError> {
    let act = Act::begin(out, "first_sync", "The first sync")?;
    let run = stage.run(RunKind::Full).await?;
    act.run(out, &run)?;
    if fernhill {
        let shown = [
            ("made-by-hand", "had an account made by hand; it was linked, not doubled"),
            (
                "foreign-domain-admin",
                "has the e-mail of an admin's account, on a domain that anybody might own",
            ),
            ("second-owner", "has the e-mail of an owner's account"),
            ("likely-duplicate", "may be somebody who is here under another e-mail"),
            ("two-users-one-email", "shares an e-mail with another Okta user"),
            ("contractor-excluded", "is a contractor"),
            ("manager-listed-later", "comes before her manager in Okta's list"),
            ("locked-out", "typed a wrong password too often"),
            ("suspended", "is suspended in Okta"),
            ("staged-starter", "starts next Monday"),
        ];
        tell::look_at(out, stage, &run, &shown).await?;
    }
    tell::problems(out, &run)
}

async fn nothing_to_do(stage: &Stage, out: &mut Out) -> Result<(), CliError> {
    let act = Act::begin(out, "second_sync", "And again, with nothing new in Okta")?;
    let run = stage.run(RunKind::Full).await?;
    act.run(out, &run)
}

/// The administrator makes changes, and then Okta loses the end of the list without a word.
async fn bad_moment(stage: &mut Stage, out: &mut Out) -> Result<(), CliError> {
    let act = Act::begin(out, "bad_moment", "Muster is stopped for an update; Okta goes on")?;
    stage.stop_serving().await;
    for step in morning().iter().filter(|step| MEANWHILE.contains(&step.name)) {
        admin(stage, *step, out)?;
    }
    let who = "oona.order@fernhill.example".to_owned();
    okta(stage, &Action::Unassign { who, app: None })?;
    tell::admin(out, "Oona Order went to a sister company and was taken off the app.")?;
    stage.org().faults(|faults| {
        faults.add(Rule::on_app_users().page(1).fault(Fault::ShortPage(LISTED)));
        faults.add(Rule::on_app_users().page(2).fault(Fault::EmptyList));
    });
    tell::admin(
        out,
        &format!(
            "No hook finds anybody now. Then a sync is made by hand, and Okta has a bad moment: its list of people ends after \
             {LISTED}, without an error."
        ),
    )?;
    let run = stage.run(RunKind::Full).await?;
    act.run(out, &run)?;
    if run.state == RunState::Incomplete {
        tell::plain(
            out,
            "People who were not in the list were still there when asked for one by one: the list was not whole, and half a \
             list proves nobody's absence. What was read is true, and is done:",
        )?;
    }
    tell::changes(out, stage, &run).await
}

async fn morning_after(stage: &Stage, out: &mut Out) -> Result<(), CliError> {
    let act = Act::begin(out, "morning", "Okta is well again")?;
    stage.org().faults(Faults::clear);
    let run = stage.run(RunKind::Full).await?;
    act.run(out, &run)?;
    tell::changes(out, stage, &run).await
}

/// A mistake that would lock almost everybody out.
async fn wrong_group(stage: &mut Stage, out: &mut Out) -> Result<(), CliError> {
    let act = Act::begin(out, "wrong_group", "A slip: the wrong group is taken off the app")?;
    let group = EVERYBODY.to_owned();
    okta(stage, &Action::UnassignGroup { group: group.clone(), app: None })?;
    tell::admin(
        out,
        &format!("The group {EVERYBODY} was taken off the app. Almost everybody is in it."),
    )?;
    let held = stage.run(RunKind::Full).await?;
    act.run(out, &held)?;
    if held.state == RunState::Held {
        let n = count(held.counts.held, "person", "people");
        tell::plain(
            out,
            &format!(
                "{n} at once is more than the guard lets through. Everybody keeps working; a human decides:"
            ),
        )?;
        tell::command(out, &format!("muster run show {SUB} {}", held.id))?;
        tell::command(out, &format!("muster okta sync {SUB} --approve {}", held.id))?;
        tell::command(
            out,
            &format!("muster run discard {SUB} {} --reason \"wrong group\"", held.id),
        )?;
        let now = stage.now();
        let change: ChangeId = stage.app.ids.next(now);
        stage
            .db
            .discard_run(held.id, &stage.app.actor(), Some("wrong group".to_owned()), change, now)
            .await?;
    }
    okta(stage, &Action::AssignGroup { group, app: None })?;
    tell::admin(out, "Somebody noticed, put the group back and discarded the removals.")?;
    let run = stage.run(RunKind::Full).await?;
    act.run(out, &run)?;
    if run.state == RunState::Done && changed(&run) == 0 {
        tell::plain(out, "As if nothing had happened: nobody had lost anything.")?;
    }
    Ok(())
}

async fn explained(stage: &Stage, out: &mut Out) -> Result<(), CliError> {
    Act::begin(out, "explained", "And every change can be explained, months later")?;
    let lina = "lina.linkwell@fernhill.example";
    tell::command(out, &format!("muster people show {SUB} {lina}"))?;
    tell::person(out, stage, lina).await
}

/// How many people a run changed.
pub(super) fn changed(run: &Run) -> u64 {
    let counts = &run.counts;
    counts.created + counts.linked + counts.updated + counts.reactivated + counts.deactivated
}

fn admin(stage: &Stage, step: MorningStep, out: &mut Out) -> Result<(), CliError> {
    let line = step
        .run(stage.org(), stage.now())
        .map_err(|refused| anyhow::anyhow!("the simulator refused: {refused}"))?;
    tell::admin(out, &line)
}

fn okta(stage: &Stage, action: &Action) -> Result<(), CliError> {
    let done = stage.org().act(action, stage.now());
    done.map(drop).map_err(|refused| anyhow::anyhow!("the simulator refused: {refused}").into())
}
