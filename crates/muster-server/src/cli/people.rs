//! `muster people`: who is here, what happened to them, and what is done by hand.

use clap::Subcommand;
use muster_core::id::OktaUserId;
use muster_core::person::{Email, Role, Status};
use muster_core::rules::{ManagerMode, Rules};
use muster_core::tenant::TenantSlug;
use muster_store::TenantDb;
use muster_store::accounts::NewAccount;
use muster_store::error::StoreError;
use muster_store::people::PersonKey;
use muster_store::people_view::PersonView;

use super::exit::{CliError, Exit};
use super::input::{self, Source};
use super::output::{Column, Out, Table, clean, column, count};
use super::tenant::{LINK, link_of};
use super::{Context, Why, by, csv_people, person_view, reason, subdomain, words};
use crate::signin::Token;

/// People read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List people by e-mail address
    List {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// Only those of one status: active, not_yet or deactivated
        #[arg(long, value_parser = words::status)]
        status: Option<Status>,
    },
    /// Show a person and their timeline: what changed, when, why
    Show {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address, an id (per_…) or an Okta id
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
    },
    /// Add an account that Okta does not know
    Add(Add),
    /// Add accounts that Okta does not know, all of them or none
    #[command(after_help = csv_people::HELP)]
    Import {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// A CSV file, or - for standard input
        #[arg(value_name = "FILE.csv")]
        file: Source,
        #[command(flatten)]
        why: Why,
    },
    /// Take somebody's access away by hand; the sync does not give it back on its own
    Deactivate {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address, an id (per_…) or an Okta id
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Give somebody's access back by hand
    Reactivate {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address, an id (per_…) or an Okta id
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        /// Also when Okta says that they are out: cuts the link, so that Okta does not feed the account any more
        #[arg(long)]
        unlink: bool,
    },
    /// Decide that an Okta user is an account that is here, or is not; the next run heeds it
    Pair {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address or an id (per_…)
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        /// The Okta user (00u…)
        #[arg(value_name = "OKTA_ID", value_parser = okta_id)]
        okta_id: OktaUserId,
        /// They are two different people
        #[arg(long)]
        different: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Make a link with which an owner, or an account that Okta does not know, sets a password; an earlier one ends
    PasswordLink {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address or an id (per_…)
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        #[command(flatten)]
        why: Why,
    },
    /// Make an owner's account a break-glass account, which no run takes access from, or an ordinary one again
    Protect {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address or an id (per_…)
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        /// Take the mark off
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Take a second factor off that its owner has lost; their sessions end
    SecondFactorOff {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address or an id (per_…)
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Say that somebody who came back after a long absence may sign in again
    Confirm {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// An e-mail address, an id (per_…) or an Okta id
        #[arg(value_name = "PERSON", value_parser = words::person)]
        person: PersonKey,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The tenant's subdomain
    #[arg(value_name = "SUB", value_parser = subdomain)]
    sub: TenantSlug,
    #[arg(long, value_parser = words::email)]
    email: Email,
    /// First name
    #[arg(long, value_name = "FIRST", value_parser = csv_people::name)]
    first: String,
    /// Last name
    #[arg(long, value_name = "LAST", value_parser = csv_people::name)]
    last: String,
    /// owner, admin, hr or learner
    #[arg(long, default_value = "learner", value_parser = words::role)]
    role: Role,
    #[command(flatten)]
    why: Why,
}

pub(super) async fn run(command: Command, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::List { sub, status } => list(cx, &sub, status).await,
        Command::Show { sub, person } => show(cx, &sub, &person).await,
        Command::Add(new) => add(cx, new).await,
        Command::Import { sub, file, why } => import(cx, &sub, &file, &why).await,
        Command::Deactivate { sub, person, reason } => deactivate(cx, &sub, &person, &reason).await,
        Command::Reactivate { sub, person, reason, unlink } => {
            reactivate(cx, &sub, &person, &reason, unlink).await
        }
        Command::Pair { sub, person, okta_id, different, why } => {
            pair(cx, &sub, &person, &okta_id, !different, &why).await
        }
        Command::PasswordLink { sub, person, why } => password_link(cx, &sub, &person, &why).await,
        Command::Protect { sub, person, off, why } => protect(cx, &sub, &person, !off, &why).await,
        Command::SecondFactorOff { sub, person, reason } => {
            second_factor_off(cx, &sub, &person, &reason).await
        }
        Command::Confirm { sub, person, why } => confirm(cx, &sub, &person, &why).await,
    }
}

async fn password_link(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    why: &Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let person = found(&db, key).await?;
    if person.role != Role::Owner && person.is_managed() {
        let label = person.profile.email.shown();
        return Err(StoreError::Conflict(format!(
            "{label} signs in with Okta and needs no password"
        ))
        .into());
    }
    let (actor, now) = (cx.app.actor(), cx.app.clock.now());
    let (token, ends_at) = (Token::new(), now + LINK);
    let by = by(&actor, why.reason.as_deref());
    let (ids, hash) = (&mut cx.app.ids, token.hash("link"));
    db.make_password_link(&PersonKey::Id(person.id), &hash, ends_at, by, ids, now).await?;
    let link = link_of(&cx.app.config, sub, &token);
    if cx.out.json {
        cx.out.object(&serde_json::json!({
            "person": person.id, "link": link, "ends_at": ends_at
        }))?;
        return Ok(Exit::Done);
    }
    cx.out.line(format!("For {}, once, for 24 hours:", person.profile.email.shown()))?;
    cx.out.line("")?;
    cx.out.line(format!("    {link}"))?;
    Ok(Exit::Done)
}

async fn protect(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    on: bool,
    why: &Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let person = found(&db, key).await?;
    let label = clean(person.profile.email.shown());
    if on && (person.role != Role::Owner || person.is_managed()) {
        let text = format!(
            "{label} is no owner whose account Okta does not feed: only such a one can be for emergencies"
        );
        return Err(StoreError::Conflict(text).into());
    }
    let (actor, now) = (cx.app.actor(), cx.app.clock.now());
    let by = by(&actor, why.reason.as_deref());
    let key = PersonKey::Id(person.id);
    db.set_protected(&key, on, by, &mut cx.app.ids, now).await?;
    if cx.out.json {
        cx.out.object(&serde_json::json!({ "person": person.id, "break_glass": on }))?;
    } else if on {
        cx.out.line(format!("{label} is a break-glass account. It counts once it has a password, a second factor and recovery codes."))?;
    } else {
        cx.out.line(format!("{label} is an ordinary account."))?;
    }
    Ok(Exit::Done)
}

async fn second_factor_off(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    reason: &str,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let person = found(&db, key).await?;
    let (actor, now) = (cx.app.actor(), cx.app.clock.now());
    let by = by(&actor, Some(reason));
    let removed = db.remove_second_factor(person.id, None, by, &mut cx.app.ids, now).await?;
    if cx.out.json {
        cx.out.object(&serde_json::json!({ "person": person.id, "removed": removed }))?;
    } else if removed {
        cx.out.line("The second factor is off, and their sessions are ended.")?;
    } else {
        cx.out.line("There was none.")?;
    }
    Ok(Exit::Done)
}

async fn found(db: &TenantDb, key: &PersonKey) -> Result<muster_core::person::Person, CliError> {
    let person = db.find_person(key).await?;
    Ok(person.ok_or_else(|| key.not_found())?)
}

async fn confirm(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    why: &Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let (actor, now) = (cx.app.actor(), cx.app.clock.now());
    let by = by(&actor, why.reason.as_deref());
    db.confirm_return(key, by, &mut cx.app.ids, now).await?;
    if cx.out.json {
        cx.out.object(&serde_json::json!({ "confirmed": true }))?;
    } else {
        cx.out.line("They may sign in again.")?;
    }
    Ok(Exit::Done)
}

const COLUMNS: [Column; 6] = [
    column("E-MAIL", 24),
    column("NAME", 11),
    column("TEAM", 7),
    column("TITLE", 7),
    column("MANAGER", 9),
    column("STATUS", 11),
];

async fn list(
    cx: &mut Context,
    sub: &TenantSlug,
    status: Option<Status>,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let mode = manager_mode(&db).await?;
    let out = &mut cx.out;
    let mut after = String::new();
    let mut table: Option<Table<'_>> = None;
    loop {
        let page = db.people_page(mode, status, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.email.to_lowercase();
        if out.json {
            for person in &page {
                out.object(person)?;
            }
        } else {
            let rows: Vec<Vec<String>> = page.iter().map(row).collect();
            if table.is_none() {
                let fitted = Table::fit(&COLUMNS, &rows, out.width);
                out.line(fitted.head())?;
                table = Some(fitted);
            }
            for row in &rows {
                if let Some(table) = &table {
                    out.line(table.row(row))?;
                }
            }
        }
        if out.is_closed() {
            break;
        }
    }
    if table.is_none() && !out.json {
        out.line("Nobody.")?;
    }
    Ok(Exit::Done)
}

fn row(person: &PersonView) -> Vec<String> {
    let or_none = |text: &Option<String>| clean(text.as_deref().unwrap_or_default());
    vec![
        clean(&person.email),
        clean(&person_view::name(person)),
        or_none(&person.team),
        or_none(&person.title),
        // What stands before the @ tells managers apart; the whole address is in `show` and in JSON.
        person
            .manager
            .as_ref()
            .and_then(|manager| manager.email.split('@').next())
            .map(clean)
            .unwrap_or_default(),
        words::status_words(person.status, person.status_reason),
    ]
}

async fn show(cx: &mut Context, sub: &TenantSlug, key: &PersonKey) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let person = view(&db, key).await?;
    let timeline = person_view::timeline(&db, person.id).await?;
    if cx.out.json {
        cx.out.object(&person_view::Shown { person: &person, timeline: &timeline })?;
    } else {
        person_view::text(&mut cx.out, &person, &timeline)?;
    }
    Ok(Exit::Done)
}

async fn add(cx: &mut Context, new: Add) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(&new.sub).await?;
    let account = NewAccount {
        first_name: new.first,
        last_name: new.last,
        ..NewAccount::new(new.email, new.role)
    };
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let added = db
        .add_people(&[account], by(&actor, new.why.reason.as_deref()), &mut cx.app.ids, now)
        .await?;
    for id in added {
        told(&mut cx.out, &db, &PersonKey::Id(id), "Added").await?;
    }
    Ok(Exit::Done)
}

async fn import(
    cx: &mut Context,
    sub: &TenantSlug,
    file: &Source,
    why: &Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let rows = csv_people::parse(&input::text(file)?)?;
    let (lines, accounts): (Vec<u64>, Vec<NewAccount>) = rows.into_iter().unzip();
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let added =
        db.add_people(&accounts, by(&actor, why.reason.as_deref()), &mut cx.app.ids, now).await;
    let added = added.map_err(|error| match error {
        StoreError::Taken(taken) => csv_people::refused(taken.iter().map(|one| {
            let line = lines.get(one.row).copied().unwrap_or_default();
            match one.earlier.and_then(|row| lines.get(row)) {
                Some(earlier) => (line, format!("{} is on line {earlier} already", one.email)),
                None => (line, format!("{} belongs to somebody already", one.email)),
            }
        })),
        other => other.into(),
    })?;
    let n = added.len() as u64;
    let json = serde_json::json!({"added": n});
    cx.out.say(
        &json,
        format!(
            "Added {}. Okta does not feed them until a run links them.",
            count(n, "account", "accounts")
        ),
    )?;
    Ok(Exit::Done)
}

async fn deactivate(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    reason: &str,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let id = db.deactivate_by_hand(key, by(&actor, Some(reason)), &mut cx.app.ids, now).await?;
    told(&mut cx.out, &db, &PersonKey::Id(id), "Deactivated").await?;
    Ok(Exit::Done)
}

async fn reactivate(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    reason: &str,
    unlink: bool,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let id =
        db.reactivate_by_hand(key, unlink, by(&actor, Some(reason)), &mut cx.app.ids, now).await?;
    told(&mut cx.out, &db, &PersonKey::Id(id), "Reactivated").await?;
    Ok(Exit::Done)
}

async fn pair(
    cx: &mut Context,
    sub: &TenantSlug,
    key: &PersonKey,
    user: &OktaUserId,
    same: bool,
    why: &Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    db.set_pairing(user, key, same, by(&actor, why.reason.as_deref()), &mut cx.app.ids, now)
        .await?;
    let person = view(&db, key).await?;
    let json = serde_json::json!({"person": person.email, "okta_user_id": user, "same": same});
    let verdict = if same { "is" } else { "is not" };
    cx.out.say(
        &json,
        format!(
            "Noted: Okta user {user} {verdict} {}. The next run heeds it.",
            clean(&person.email)
        ),
    )?;
    Ok(Exit::Done)
}

async fn told(out: &mut Out, db: &TenantDb, key: &PersonKey, what: &str) -> Result<(), CliError> {
    let person = view(db, key).await?;
    let text = format!(
        "{what} {} <{}>: {} ({}).",
        clean(&person_view::name(&person)),
        clean(&person.email),
        words::status_words(person.status, person.status_reason),
        person.role
    );
    out.say(&person, text)
}

async fn view(db: &TenantDb, key: &PersonKey) -> Result<PersonView, CliError> {
    let mode = manager_mode(db).await?;
    db.person_view(mode, key).await?.ok_or_else(|| {
        let who = match key {
            PersonKey::Id(id) => id.to_string(),
            PersonKey::Email(email) => email.clone(),
            PersonKey::Okta(id) => id.to_string(),
        };
        CliError::Usage(format!("there is nobody here with {who}"))
    })
}

/// How managers are handled, as the rules in force say.
async fn manager_mode(db: &TenantDb) -> Result<ManagerMode, CliError> {
    let stored = db.rules().await?;
    let rules = Rules::parse(&stored.body).map_err(|bad| {
        CliError::Other(anyhow::anyhow!(
            "the stored rules (revision {}) cannot be read: {bad}",
            stored.revision
        ))
    })?;
    Ok(rules.manager)
}

fn okta_id(text: &str) -> Result<OktaUserId, String> {
    OktaUserId::parse(text.trim()).map_err(|bad| bad.to_string())
}
