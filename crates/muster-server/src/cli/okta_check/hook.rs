//! C9 and C10: has Okta verified the hook, and did it ever bring anything. From what the door saw, and from Okta where the
//! token may look.

use muster_core::event::TYPES;
use muster_okta::wire::EventHook;
use muster_store::hooks::HookState;

use super::super::exit::CliError;
use super::super::okta_hook::hook_url;
use super::super::output::count;
use super::{EVENT, Found, HOOK, Probe};

pub(super) async fn checks(probe: &Probe<'_>, may_ask: bool) -> Result<[Found; 2], CliError> {
    let state = probe.db.hook_state().await?;
    let url = hook_url(&probe.cx.app, probe.sub);
    // Only some tokens may look; those that may not tell nothing.
    let hooks = if may_ask { probe.client.event_hooks().await.ok() } else { None };
    let ours = match hooks.as_ref().map(|hooks| hooks.iter().find(|hook| hook.uri() == Some(&url)))
    {
        None => Ours::Unknown,
        Some(None) => Ours::None,
        Some(Some(hook)) => Ours::Hook(hook),
    };
    Ok([verified(probe, &state, ours), first_event(probe, &state)])
}

/// The hook with our address, as far as Okta shows it.
#[derive(Clone, Copy)]
enum Ours<'h> {
    /// The token may not look.
    Unknown,
    /// There is none.
    None,
    Hook(&'h EventHook),
}

/// C9.
fn verified(probe: &Probe<'_>, state: &HookState, ours: Ours<'_>) -> Found {
    let time = |at| probe.cx.out.time(at);
    if let (Some(since), true) = (state.refused_since, state.refused > 0) {
        let times = count(u64::try_from(state.refused).unwrap_or(0), "time", "times");
        return HOOK.warn(
            format!(
                "Okta, or somebody else, called with a wrong Authorization value {times} since {}.",
                time(since)
            ),
            "Paste the secret again: muster okta hook-secret SUB",
        );
    }
    let again = "In Okta, Workflow › Event Hooks › the hook › Actions › Verify. Or: muster okta hook-create SUB";
    match ours {
        Ours::Hook(hook) if !hook.is_active() => {
            HOOK.warn("The hook is switched off in Okta.", "muster okta hook-create SUB")
        }
        Ours::Hook(hook) if !hook.is_verified() => {
            HOOK.waiting("The hook is in Okta and not verified: it brings nothing.", again)
        }
        Ours::Hook(hook) => {
            let lacks = |name: &&str| !hook.event_types().iter().any(|kind| kind == name);
            let eight = TYPES.iter().filter(|kind| kind.eight).map(|kind| kind.name);
            let missing: Vec<&str> = eight.filter(lacks).collect();
            if !missing.is_empty() {
                return HOOK.warn(
                    format!("The hook is verified, but does not bring: {}.", missing.join(", ")),
                    "Add these events to the hook, save and verify it. Or: muster okta hook-create SUB",
                );
            }
            HOOK.ok(match state.verified_at {
                Some(at) => format!("Verified {}, {} types of events.", time(at), hook.event_types().len()),
                None => format!("Verified, {} types of events.", hook.event_types().len()),
            })
        }
        Ours::None if state.verified_at.is_some() => {
            HOOK.warn("It was verified once, and Okta has no hook with this address any more.", again)
        }
        Ours::Unknown | Ours::None => match state.verified_at {
            Some(at) => HOOK.ok(format!("Verified {}.", time(at))),
            None => HOOK.waiting(
                "Okta has not called us yet. Hooks are optional: without them changes come with the next run.",
                "Did you press Verify after Save & Continue? Or have it made: muster okta hook-create SUB",
            ),
        },
    }
}

/// C10.
fn first_event(probe: &Probe<'_>, state: &HookState) -> Found {
    let time = |at| probe.cx.out.time(at);
    match (state.first_event_at, state.last_event_at) {
        (Some(first), Some(last)) => EVENT.ok(format!(
            "First {}, last {}, {}.",
            time(first),
            time(last),
            count(u64::try_from(state.events).unwrap_or(0), "event", "events")
        )),
        _ => EVENT.waiting("No event has come yet.", "Edit anything on a test person in Okta now."),
    }
}
