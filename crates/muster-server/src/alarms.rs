//! Alarms: what the facts of each tenant give is raised once, ended when it is over, and told to owners and admins by mail.
//!
//! It looks at the database alone and works whatever becomes of runs and jobs: a service that does nothing still says so.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use muster_core::alarm::{self, Alarm, AlarmCode};
use muster_core::event::TYPES;
use muster_core::id::{IdSource, PersonId, TenantId};
use muster_core::rules::Rules;
use muster_store::alarms::{AlarmMail, OpenAlarm, Raised, clear, raise};
use muster_store::{Db, StoreError};

use crate::clock::Clock;
use crate::config::variables::wrap;
use crate::mail::{Letter, Mailer};

/// An alarm that lasts is noted as seen this often: a row that says so each minute would be written for nothing.
const SEEN_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// Nobody else sends a mail for this long after somebody began to. Twenty people, each with a server that hardly answers.
const MAIL_LEASE: SignedDuration = SignedDuration::from_mins(15);
/// Mails that are sent at one look.
const MAILS_AT_ONCE: usize = 10;
/// Pauses between tries of one mail, doubled each time.
const MAIL_AGAIN: SignedDuration = SignedDuration::from_mins(2);
const MAIL_AGAIN_LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// What a look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticked {
    /// Alarms that are new.
    pub raised: usize,
    /// Alarms that ended.
    pub cleared: usize,
    /// Alarms that last, of all tenants.
    pub open: usize,
    /// Mails that left.
    pub mailed: usize,
    /// Mails that did not, and are tried again or given up.
    pub unmailed: usize,
}

/// [`look`] and [`tell`], one after the other.
pub async fn tick(
    db: &Db,
    mailer: Option<&Mailer>,
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<Ticked, StoreError> {
    let mut ticked = look(db, ids, now).await?;
    if let Some(mailer) = mailer {
        tell(db, mailer, &Clock::manual(now), &mut ticked).await?;
    }
    Ok(ticked)
}

/// What is to be written for one tenant.
#[derive(Default)]
struct Changes {
    /// To be raised or noted as seen.
    alarms: Vec<Alarm>,
    over: Vec<AlarmCode>,
}

/// Looks at all tenants once: raises and ends alarms. To be called about once a minute; any number of processes may.
pub async fn look(db: &Db, ids: &mut IdSource, now: Timestamp) -> Result<Ticked, StoreError> {
    let eight: Vec<&str> = TYPES.iter().filter(|kind| kind.eight).map(|kind| kind.name).collect();
    let facts = db.alarm_facts(&eight).await?;
    let mut open: BTreeMap<TenantId, Vec<OpenAlarm>> = BTreeMap::new();
    for alarm in db.open_alarms().await? {
        open.entry(alarm.tenant).or_default().push(alarm);
    }
    let mut changes: BTreeMap<TenantId, Changes> = BTreeMap::new();
    for (tenant, facts) in &facts {
        let decision = alarm::decide(facts, now);
        let known = open.remove(tenant).unwrap_or_default();
        let of = |code: AlarmCode| known.iter().find(|alarm| alarm.code == code);
        for alarm in &decision.alarms {
            let fresh = |known: &OpenAlarm| now.duration_since(known.last_seen) < SEEN_EVERY;
            if !of(alarm.code).is_some_and(fresh) {
                changes.entry(*tenant).or_default().alarms.push(alarm.clone());
            }
        }
        let lasts = |code| {
            decision.alarms.iter().any(|alarm| alarm.code == code)
                || decision.undecided.contains(&code)
        };
        for over in known.iter().map(|alarm| alarm.code).filter(|code| !lasts(*code)) {
            changes.entry(*tenant).or_default().over.push(over);
        }
    }
    // Tenants that are switched off or no longer connected have no facts, and so no alarms.
    for (tenant, alarms) in open {
        let over = alarms.iter().map(|alarm| alarm.code);
        changes.entry(tenant).or_default().over.extend(over);
    }
    let mut ticked = Ticked::default();
    for (tenant, changes) in changes {
        match write(db, tenant, &changes, ids, now).await {
            Ok((raised, cleared)) => {
                ticked.raised += raised;
                ticked.cleared += cleared;
            }
            // The tenant went away meanwhile.
            Err(StoreError::NoTenant(_)) => {}
            // One tenant's trouble is not another's.
            Err(error) => {
                let error = crate::telemetry::chain(&error);
                tracing::error!(%tenant, error, "alarms could not be written down");
            }
        }
    }
    ticked.open = db.open_alarms().await?.len();
    Ok(ticked)
}

async fn write(
    db: &Db,
    tenant: TenantId,
    changes: &Changes,
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<(usize, usize), StoreError> {
    let tenant = db.tenant(tenant);
    let zone = if changes.alarms.is_empty() {
        TimeZone::UTC
    } else {
        let rules = Rules::parse(&tenant.rules().await?.body).ok();
        rules.and_then(|rules| TimeZone::get(&rules.time_zone).ok()).unwrap_or(TimeZone::UTC)
    };
    let (mut raised, mut cleared) = (0, 0);
    let mut write = tenant.write(now).await?;
    for alarm in &changes.alarms {
        let detail = alarm::detail(alarm, &zone);
        let id = ids.draw(now);
        if raise(&mut write, id, alarm.code, alarm.since, &detail).await? == Raised::New {
            raised += 1;
            tracing::warn!(tenant = %tenant.id(), alarm = %alarm.code, detail, "alarm");
        }
    }
    for code in &changes.over {
        if clear(&mut write, *code).await? {
            cleared += 1;
            tracing::info!(tenant = %tenant.id(), alarm = %code, "alarm is over");
        }
    }
    write.commit().await?;
    Ok((raised, cleared))
}

/// Tells by mail what was not told yet. It takes as long as the mail server does, so nobody should wait for it.
pub async fn tell(
    db: &Db,
    mailer: &Mailer,
    clock: &Clock,
    ticked: &mut Ticked,
) -> Result<(), StoreError> {
    for _ in 0..MAILS_AT_ONCE {
        // One at a time: a server that is away must not keep mails from a process that reaches it.
        let Some(mail) = db.claim_alarm_mail(clock.now(), MAIL_LEASE, 1).await?.pop() else {
            return Ok(());
        };
        if !tell_of(db, mailer, clock, &mail, ticked).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends one alarm's mail to everybody who has not got it. False: the server is away.
async fn tell_of(
    db: &Db,
    mailer: &Mailer,
    clock: &Clock,
    mail: &AlarmMail,
    ticked: &mut Ticked,
) -> Result<bool, StoreError> {
    let tenant = db.tenant(mail.alarm.tenant);
    let mut told = mail.told.clone();
    let (mut again, mut away) = (false, false);
    for person in tenant.alarm_recipients().await? {
        if told.contains(&person.id) {
            continue;
        }
        let letter = letter(mail, person.id, &person.email);
        match mailer.send(&letter, clock.now()).await {
            Ok(()) => {
                ticked.mailed += 1;
                told.push(person.id);
            }
            Err(error) => {
                ticked.unmailed += 1;
                let (may_pass, code) = (error.may_pass(), error.code());
                // Not the server's own words: they may name the address.
                tracing::warn!(tenant = %tenant.id(), person = %person.id, %error, code, may_pass, "mail did not leave");
                again |= may_pass;
                away = error.is_away();
            }
        }
        if away {
            break;
        }
    }
    let now = clock.now();
    let again_at = again.then(|| now.checked_add(pause(mail.tries)).unwrap_or(now));
    tenant.alarm_mailed(mail.alarm.id, &told, again_at, now).await?;
    Ok(!away)
}

fn pause(tries: i64) -> SignedDuration {
    let doubled = MAIL_AGAIN.checked_mul(1 << tries.saturating_sub(1).clamp(0, 10));
    doubled.map_or(MAIL_AGAIN_LONGEST, |pause| pause.min(MAIL_AGAIN_LONGEST))
}

/// The mail about an alarm, to one person.
fn letter(mail: &AlarmMail, person: PersonId, email: &str) -> Letter {
    let sub = mail.slug.as_str();
    let told = mail.alarm.code.told(sub, &mail.alarm.detail);
    let mut body = String::new();
    for text in [told.what.as_str(), told.why.as_str(), told.meanwhile, ""] {
        paragraph(&mut body, text);
    }
    body.push_str("What to do:\n\n");
    paragraph(&mut body, &told.fix);
    let end = format!(
        "You get this as an owner or admin of {} ({sub}). It is sent once; `muster okta show {sub}` says how things stand.",
        mail.name
    );
    body.push_str("-- \n");
    paragraph(&mut body, &end);
    Letter {
        to: email.to_owned(),
        subject: format!("[Muster] {}: {}", mail.name, told.title),
        body: format!("{}\n", body.trim_end()),
        id: format!("alarm-{}-{}", mail.alarm.id.simple(), person.uuid().simple()),
    }
}

/// Stands for a blank at which no line may end. No text of ours has it.
const UNBROKEN: &str = "\u{2423}";

fn paragraph(body: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    // A command is not broken over two lines: somebody wants to copy it.
    let whole = text.split('`').enumerate().map(|(part, text)| {
        if part % 2 == 1 { format!("`{}`", text.replace(' ', UNBROKEN)) } else { text.to_owned() }
    });
    for line in wrap(&whole.collect::<String>(), 72) {
        body.push_str(&line.replace(UNBROKEN, " "));
        body.push('\n');
    }
    body.push('\n');
}

#[cfg(test)]
mod tests {
    use muster_core::tenant::TenantSlug;

    use super::*;

    #[test]
    fn a_letter_says_what_happened_and_what_to_do() {
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let alarm = OpenAlarm {
            tenant: TenantId::new(uuid::Uuid::from_u128(1)),
            id: uuid::Uuid::from_u128(2),
            code: AlarmCode::TokenRefused,
            since: at,
            raised_at: at,
            last_seen: at,
            detail: "since 2026-11-24 12:00 (GMT)".to_owned(),
            mailed_at: None,
        };
        let slug = TenantSlug::parse("acme").expect("a subdomain");
        let mail =
            AlarmMail { alarm, slug, name: "Acme Ltd".to_owned(), told: Vec::new(), tries: 1 };
        let letter = letter(&mail, PersonId::new(uuid::Uuid::from_u128(3)), "olga@acme.example");
        assert_eq!(letter.subject, "[Muster] Acme Ltd: Okta refuses the API token");
        assert_eq!(
            letter.body,
            "\
Okta refuses the API token (E0000011), since 2026-11-24 12:00 (GMT).

It was revoked, expired after 30 unused days, or its owner was
deactivated.

Nobody has been deactivated. Nothing is read from Okta until then.

What to do:

Create a new one in Okta (Security > API > Tokens) and store it:
`muster okta set acme --api-token FILE`.

--\x20
You get this as an owner or admin of Acme Ltd (acme). It is sent once;
`muster okta show acme` says how things stand.
"
        );
    }

    #[test]
    fn mail_is_tried_again_with_growing_pauses() {
        let minutes: Vec<i64> = (1..12).map(|tries| pause(tries).as_mins()).collect();
        assert_eq!(minutes, [2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
    }
}
