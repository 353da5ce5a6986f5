//! `muster okta hook-secret` and `muster okta hook-create`: what Okta shows when it calls, and the hook that calls.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use muster_core::event::TYPES;
use muster_core::tenant::TenantSlug;
use muster_okta::error::{ErrorKind, OktaError};
use muster_okta::hooks::SECRET_HEADER;
use muster_okta::wire::EventHook;
use muster_okta::{NewEventHook, OktaClient};
use muster_store::TenantDb;
use muster_store::history::{Subject, json_object};
use muster_store::secrets::SecretField;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::exit::{CliError, Exit};
use super::output::clean;
use super::{Context, Why, by, subdomain, sync};
use crate::app::App;
use crate::clock::random_seed;

/// How long a secret still counts after it was replaced: somebody has a day to paste the new one into Okta.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// How often a call is tried while somebody waits for it.
pub(super) const TRIES: u32 = 2;

#[derive(Debug, Args)]
pub(super) struct HookSecret {
    /// The tenant's subdomain
    #[arg(value_name = "SUB", value_parser = subdomain)]
    sub: TenantSlug,
    /// Make a new one. The present one still counts for 24 hours
    #[arg(long)]
    rotate: bool,
    /// The present one ends at once
    #[arg(long, requires = "rotate")]
    now: bool,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
pub(super) struct HookCreate {
    /// The tenant's subdomain
    #[arg(value_name = "SUB", value_parser = subdomain)]
    sub: TenantSlug,
    #[command(flatten)]
    why: Why,
}

/// The address that Okta calls for a tenant.
pub(super) fn hook_url(app: &App, sub: &str) -> String {
    format!("{}/webhooks/okta", app.config.public_url.of_tenant(sub))
}

pub(super) async fn secret(args: HookSecret, cx: &mut Context) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(&args.sub).await?;
    sync::must_be_enabled(&tenant)?;
    let now = cx.app.clock.now();
    let present = db.hook_secrets(now).await?;
    let mut until = present.before.map(|(_, until)| until);
    let kept = present.current.filter(|_| !args.rotate);
    let made = kept.is_none();
    let secret = if let Some(secret) = kept {
        secret
    } else {
        until = (args.rotate && !args.now).then(|| now + OVERLAP);
        make(&mut cx.app, &db, until, &args.why, now).await?
    };
    let url = hook_url(&cx.app, args.sub.as_str());
    if cx.out.json {
        cx.out.object(&json!({
            "subdomain": args.sub.as_str(),
            "url": url,
            "authentication_field": SECRET_HEADER,
            "secret": secret.expose_secret(),
            "changed": made,
            "former_counts_until": until,
        }))?;
        return Ok(Exit::Done);
    }
    // The secret alone is the result, so that it can be piped to where it belongs.
    cx.out.line(secret.expose_secret())?;
    cx.out.flush()?;
    eprintln!("Paste it into the event hook in Okta: URL {url},");
    eprintln!("Authentication field {SECRET_HEADER}, Authentication secret: the line above.");
    match until {
        Some(until) => eprintln!("The former secret counts until {}.", cx.out.time(until)),
        None if args.rotate => eprintln!("The former secret does not count any more."),
        None => {}
    }
    if args.rotate {
        eprintln!("After saving it, press Verify: editing a hook drops its verification.");
    }
    Ok(Exit::Done)
}

/// 256 bits from the operating system, as letters, digits, `-` and `_`: Okta shows it in a header as it stands.
async fn make(
    app: &mut App,
    db: &TenantDb,
    keep_old_until: Option<Timestamp>,
    why: &Why,
    now: Timestamp,
) -> Result<SecretString, CliError> {
    let random = Zeroizing::new(random_seed());
    let secret = SecretString::from(URL_SAFE_NO_PAD.encode(*random));
    let actor = app.actor();
    let by = by(&actor, why.reason.as_deref());
    db.rotate_hook_secret(&secret, keep_old_until, by, &mut app.ids, now).await?;
    Ok(secret)
}

/// What became of the hook in Okta.
pub(super) struct Made {
    pub(super) hook: EventHook,
    /// What was done, in words; empty when all was as it should be.
    pub(super) did: Vec<&'static str>,
}

/// An attempt to have the hook in Okta as it should be.
pub(super) struct Attempt {
    pub(super) made: Result<Made, OktaError>,
    pub(super) wanted: NewEventHook,
    client: OktaClient,
}

pub(super) async fn create(args: HookCreate, cx: &mut Context) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(&args.sub).await?;
    sync::ready(&tenant, &db, cx).await?;
    let Attempt { made, wanted, client } = attempt(&mut cx.app, &args.sub, &db, &args.why).await?;
    let by_hand = ByHand::of(&client, &wanted, args.sub.as_str());
    let result = match &made {
        Ok(made) => show(cx, made, &wanted, &by_hand),
        Err(error) => refused(cx, error, &wanted, &by_hand),
    };
    cx.out.flush()?;
    result
}

/// Has the hook of a connected tenant made and verified, or put right, with a secret if there is none yet.
pub(super) async fn attempt(
    app: &mut App,
    sub: &TenantSlug,
    db: &TenantDb,
    why: &Why,
) -> Result<Attempt, CliError> {
    let now = app.clock.now();
    let secret = match db.hook_secrets(now).await?.current {
        Some(secret) => secret,
        None => make(app, db, None, why, now).await?,
    };
    let wanted = NewEventHook {
        name: format!("Muster ({sub})", sub = sub.as_str()),
        description: Some(description(db).await?),
        uri: hook_url(app, sub.as_str()),
        secret,
        event_types: TYPES
            .iter()
            .filter(|kind| kind.hook)
            .map(|kind| kind.name.to_owned())
            .collect(),
    };
    let client = app.okta()?.with_tries(TRIES).probe(db).await.map_err(not_connected)?;
    let made = put_right(&client, &wanted).await;
    if let Ok(Made { hook, did }) = &made
        && !did.is_empty()
    {
        note(app, db, hook, did, why, now).await?;
    }
    Ok(Attempt { made, wanted, client })
}

/// Finds the hook with our URL, or makes it; brings it to what is wanted; has it verified.
async fn put_right(client: &OktaClient, wanted: &NewEventHook) -> Result<Made, OktaError> {
    let mut did = Vec::new();
    let found =
        client.event_hooks().await?.into_iter().find(|hook| hook.uri() == Some(&wanted.uri));
    let mut hook = match found {
        None => {
            did.push("made");
            client.create_event_hook(wanted).await?
        }
        Some(hook) if fits(&hook, wanted) => hook,
        Some(hook) => {
            did.push("edited");
            let edited = client.replace_event_hook(&hook.id, wanted).await?;
            // Okta's answer to an edit is the hook as it is now; its id stays.
            EventHook { id: hook.id, ..edited }
        }
    };
    if !hook.is_active() {
        did.push("switched on");
        hook = client.activate_event_hook(&hook.id).await?;
    }
    if !hook.is_verified() {
        hook = client.verify_event_hook(&hook.id).await?;
        did.push("verified");
    }
    Ok(Made { hook, did })
}

/// Whether a hook needs no edit. An edit drops the verification, so it is made only where it changes something. The secret
/// cannot be read back; the description says which one it is.
fn fits(hook: &EventHook, wanted: &NewEventHook) -> bool {
    let carries = |kind: &String| hook.event_types().contains(kind);
    let header = hook.secret_header().is_some_and(|name| name.eq_ignore_ascii_case(SECRET_HEADER));
    header && hook.description == wanted.description && wanted.event_types.iter().all(carries)
}

/// When the present secret was made: nothing secret, and enough to tell it from the one before.
async fn description(db: &TenantDb) -> Result<String, CliError> {
    let secrets = db.secrets().await?;
    let made = secrets.iter().find(|info| info.field == SecretField::HookSecret.as_str());
    let made = made.map(|info| info.set_at.to_string()).unwrap_or_default();
    Ok(format!("Instant updates for Muster, with the secret of {made}"))
}

/// The history knows that a hook was made or changed in Okta, and by whom.
async fn note(
    app: &mut App,
    db: &TenantDb,
    hook: &EventHook,
    did: &[&str],
    why: &Why,
    now: Timestamp,
) -> Result<(), CliError> {
    let actor = app.actor();
    let by = by(&actor, why.reason.as_deref());
    let id = app.ids.next(now);
    let done = did.join(", ");
    let after = json_object([
        ("event_hook", Some(hook.id.as_str())),
        ("url", hook.uri()),
        ("done", Some(done.as_str())),
    ]);
    let mut write = db.write(now).await?;
    write.record_by(id, by, Subject::Settings, "event_hook", None, Some(after));
    Ok(write.commit().await?)
}

fn not_connected(error: crate::sync::NotConnected) -> CliError {
    CliError::Run(error.into())
}

fn show(
    cx: &mut Context,
    made: &Made,
    wanted: &NewEventHook,
    by_hand: &ByHand,
) -> Result<Exit, CliError> {
    let Made { hook, did } = made;
    let works = hook.is_active() && hook.is_verified();
    if cx.out.json {
        cx.out.object(&json!({
            "hook": hook_json(hook),
            "url": wanted.uri,
            "done": did,
            "curl": by_hand.curl,
            "terraform": by_hand.terraform,
        }))?;
    } else {
        let name = clean(hook.name.as_deref().unwrap_or("(no name)"));
        cx.out.line(match did.as_slice() {
            [] => format!("The event hook {name} is as it should be; nothing was changed."),
            did => format!("The event hook {name} was {}.", did.join(" and ")),
        })?;
        let state = |yes, good, bad| if yes { good } else { bad };
        for (what, value) in [
            ("Id", hook.id.clone()),
            ("URL", wanted.uri.clone()),
            ("Status", state(hook.is_active(), "active", "inactive").to_owned()),
            ("Verified", state(hook.is_verified(), "yes", "no").to_owned()),
            ("Events", format!("{} types", hook.event_types().len())),
        ] {
            cx.out.line(format!("  {what:<15}{value}"))?;
        }
        if works {
            cx.out.line("It may take some minutes until the first events arrive.")?;
        }
        by_hand.print(cx)?;
    }
    Ok(if works { Exit::Done } else { Exit::Failed })
}

fn hook_json(hook: &EventHook) -> Value {
    json!({
        "id": hook.id, "name": hook.name, "status": hook.status, "verification_status": hook.verification_status,
        "events": hook.event_types(),
    })
}

/// Shows how to make the hook by hand, and says why Okta did not make it.
fn refused(
    cx: &mut Context,
    error: &OktaError,
    wanted: &NewEventHook,
    by_hand: &ByHand,
) -> Result<Exit, CliError> {
    if cx.out.json {
        cx.out.object(&json!({
            "hook": null, "url": wanted.uri, "done": [], "error": error.to_string(), "causes": error.causes(),
            "curl": by_hand.curl, "terraform": by_hand.terraform,
        }))?;
    } else {
        by_hand.print(cx)?;
    }
    Err(match error.kind() {
        ErrorKind::Rights => CliError::Refused(format!(
            "{error}. Event hooks can be made by a super administrator, or with a custom role that has \
             okta.eventhooks.manage. A token for reading need not have it: make the hook by hand as shown, or in the \
             console (Workflow > Event Hooks)"
        )),
        ErrorKind::Credentials => CliError::Refused(format!(
            "{error}. The token was revoked, expired after 30 unused days, or its owner was deactivated. Create a new one \
             and store it with muster okta set SUB --api-token FILE"
        )),
        ErrorKind::BadRequest if !error.causes().is_empty() => {
            let causes = clean(&error.causes().join(" "));
            let plain = if wanted.uri.starts_with("http://") {
                " Okta delivers to https only: see MUSTER_PUBLIC_URL."
            } else {
                ""
            };
            CliError::Failed(format!(
                "{error}: {causes} Is `muster serve` running, and can Okta reach {}?{plain} Then run this again: the hook is \
                 found and verified",
                wanted.uri
            ))
        }
        _ => CliError::Failed(error.to_string()),
    })
}

/// The same by other means, for those who prefer them. The secret is in neither.
struct ByHand {
    curl: String,
    terraform: String,
}

impl ByHand {
    fn of(client: &OktaClient, wanted: &NewEventHook, sub: &str) -> Self {
        let base = client.address();
        let body = wanted.body_with("$HOOK_SECRET");
        let body = serde_json::to_string_pretty(&body).unwrap_or_else(|_| body.to_string());
        let curl = format!(
            "HOOK_SECRET=$(muster okta hook-secret {sub})\n\
             curl -X POST {base}/api/v1/eventHooks \\\n  \
             -H \"Authorization: SSWS $OKTA_API_TOKEN\" -H 'Content-Type: application/json' \\\n  \
             --data @- <<END\n{body}\nEND\n\
             # then, with the id that it answers:\n\
             curl -X POST {base}/api/v1/eventHooks/HOOK_ID/lifecycle/verify -H \"Authorization: SSWS $OKTA_API_TOKEN\"\n"
        );
        let events: String =
            wanted.event_types.iter().map(|kind| format!("    \"{kind}\",\n")).collect();
        let terraform = format!(
            "variable \"muster_hook_secret\" {{\n  type      = string\n  sensitive = true # muster okta hook-secret {sub}\n}}\n\n\
             resource \"okta_event_hook\" \"muster\" {{\n  name   = \"{name}\"\n  events = [\n{events}  ]\n  \
             channel = {{\n    type    = \"HTTP\"\n    version = \"1.0.0\"\n    uri     = \"{uri}\"\n  }}\n  \
             auth = {{\n    type  = \"HEADER\"\n    key   = \"{SECRET_HEADER}\"\n    value = var.muster_hook_secret\n  }}\n}}\n\n\
             resource \"okta_event_hook_verification\" \"muster\" {{\n  event_hook_id = okta_event_hook.muster.id\n}}\n",
            name = wanted.name,
            uri = wanted.uri,
        );
        Self { curl, terraform }
    }

    fn print(&self, cx: &mut Context) -> Result<(), CliError> {
        cx.out.line("\nBy hand, with curl:\n")?;
        cx.out.text(&self.curl)?;
        cx.out.line("\nWith Terraform (provider okta/okta):\n")?;
        cx.out.text(&self.terraform)
    }
}
