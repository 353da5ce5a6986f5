//! What somebody must be told: decided from facts alone, whatever the runs themselves say. A run that never began tells nobody.
//!
//! An alarm is told once, for as long as its cause lasts, and ends by itself when the facts no longer give it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::id::RunId;
use crate::problem::ProblemCode;

/// A day, and two hours in which the daily run may be late, slow or tried again.
pub const COMPLETE_RUN_WITHIN: SignedDuration = SignedDuration::from_hours(26);

/// The largest runs take about an hour (a million people at Okta's limits); one that takes longer is no excuse any more.
const RUN_MAY_TAKE: SignedDuration = SignedDuration::from_hours(2);

/// An alarm that ended and comes back within this time is the same one: it is not told again.
pub const SAME_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Okta is given this long to come back before anybody is disturbed.
pub const UNREACHABLE_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Okta itself asks customers to call only when a hook is more than an hour late (developer docs, "Event hooks").
pub const HOOK_LATE: SignedDuration = SignedDuration::from_hours(1);

/// One wrong secret may be a stranger's or a test. Three within [`REFUSED_WITHIN`] are a wrong setting.
pub const REFUSED_MIN: u64 = 3;

/// How long a refused delivery counts.
pub const REFUSED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

crate::person::words! {
    /// How much it matters.
    Severity {
        /// People may be in or out who should not be.
        Critical = "critical",
        /// Something works less well than it should, and everybody's access is right or will be.
        Warning = "warning",
    }
}

crate::person::words! {
    /// A kind of alarm. The word is stable; the texts may become better at any time.
    AlarmCode {
        NoCompleteRun = "no_complete_run",
        TokenRefused = "token_refused",
        RightsMissing = "rights_missing",
        AppNotFound = "app_not_found",
        NeedsAttention = "needs_attention",
        OktaUnreachable = "okta_unreachable",
        HooksSilent = "hooks_silent",
        HookRefused = "hook_refused",
        RemovalsHeld = "removals_held",
        DeadLetters = "dead_letters",
        OwnerKept = "owner_kept",
    }
}

/// What is known of one connected tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Since when the tenant is connected.
    pub since: Timestamp,
    /// When the last full run that saw everything ended.
    pub complete_run: Option<Timestamp>,
    /// When the full run that is under way was asked for, if one is.
    pub open_run: Option<Timestamp>,
    /// The problem that needs a person, and since when.
    pub attention: Option<(ProblemCode, Timestamp)>,
    /// Since when no call to Okta was answered as it should be; `None` when the last one was.
    pub failing_since: Option<Timestamp>,
    /// A run whose removals wait for approval: which, how many people, since when.
    pub held: Option<(RunId, u64, Timestamp)>,
    /// The event hook.
    pub hook: HookFacts,
    /// Work that was given up: how many pieces, and since when.
    pub dead_letters: Option<(u64, Timestamp)>,
    /// Owners who are out at Okta and keep their access here: how many, and since when.
    pub kept_owners: Option<(u64, Timestamp)>,
}

/// What is known of a tenant's event hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HookFacts {
    /// When Okta verified it.
    pub verified_at: Option<Timestamp>,
    /// When the last event came by it.
    pub last_event_at: Option<Timestamp>,
    /// The System Log has events since then that the hook should have brought and has not: when the first of them happened,
    /// and how many.
    pub missed: Option<(Timestamp, u64)>,
    /// Deliveries with a wrong or without a secret since the last good one: the first, the last, and how many.
    pub refused: Option<(Timestamp, Timestamp, u64)>,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What kind. There is never more than one of a kind.
    pub code: AlarmCode,
    /// Since when.
    pub since: Timestamp,
    /// How many, where there is something to count.
    pub count: u64,
    /// The run it is about, if it is about one.
    pub run: Option<RunId>,
}

/// What the facts give.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What must be told, in order of the codes.
    pub alarms: Vec<Alarm>,
    /// Kinds of which nothing can be said just now: such an alarm is neither raised nor ended.
    pub undecided: Vec<AlarmCode>,
}

/// The alarms that these facts give.
pub fn decide(facts: &Facts, now: Timestamp) -> Decision {
    let late = no_complete_run(facts, now);
    // Whoever just woke up has begun the run that was missed, and it may well see everything.
    let begun = facts.open_run.is_some_and(|at| now.duration_since(at) < RUN_MAY_TAKE);
    let undecided =
        if late.is_some() && begun { vec![AlarmCode::NoCompleteRun] } else { Vec::new() };
    let found = [
        late.filter(|_| !begun),
        attention(facts),
        unreachable(facts, now),
        hooks_silent(&facts.hook, now),
        hook_refused(&facts.hook, now),
        held(facts),
        dead_letters(facts),
        facts.kept_owners.map(|(count, since)| alarm(AlarmCode::OwnerKept, since, count)),
    ];
    Decision { alarms: found.into_iter().flatten().collect(), undecided }
}

fn alarm(code: AlarmCode, since: Timestamp, count: u64) -> Alarm {
    Alarm { code, since, count, run: None }
}

fn no_complete_run(facts: &Facts, now: Timestamp) -> Option<Alarm> {
    let since = facts.complete_run.unwrap_or(facts.since);
    let late = now.duration_since(since) >= COMPLETE_RUN_WITHIN;
    late.then(|| alarm(AlarmCode::NoCompleteRun, since, 0))
}

fn attention(facts: &Facts) -> Option<Alarm> {
    let (problem, since) = facts.attention?;
    let code = match problem {
        ProblemCode::TokenRefused => AlarmCode::TokenRefused,
        ProblemCode::RightsMissing => AlarmCode::RightsMissing,
        ProblemCode::AppNotFound => AlarmCode::AppNotFound,
        _ => AlarmCode::NeedsAttention,
    };
    Some(alarm(code, since, 0))
}

fn unreachable(facts: &Facts, now: Timestamp) -> Option<Alarm> {
    let since = facts.failing_since?;
    let long = now.duration_since(since) >= UNREACHABLE_FOR;
    long.then(|| alarm(AlarmCode::OktaUnreachable, since, 0))
}

/// A hook that nobody made is no hook that is silent: hooks are optional.
fn hooks_silent(hook: &HookFacts, now: Timestamp) -> Option<Alarm> {
    let (since, count) = hook.missed?;
    let was_there = hook.verified_at.is_some() || hook.last_event_at.is_some();
    let came_since = hook.last_event_at.is_some_and(|last| last > since);
    let late = now.duration_since(since) >= HOOK_LATE;
    (was_there && !came_since && late).then(|| alarm(AlarmCode::HooksSilent, since, count))
}

fn hook_refused(hook: &HookFacts, now: Timestamp) -> Option<Alarm> {
    let (since, last, count) = hook.refused?;
    let came_since = hook.last_event_at.is_some_and(|event| event > last);
    let recent = now.duration_since(last) <= REFUSED_WITHIN;
    (count >= REFUSED_MIN && recent && !came_since)
        .then(|| alarm(AlarmCode::HookRefused, since, count))
}

fn held(facts: &Facts) -> Option<Alarm> {
    let (run, count, since) = facts.held?;
    Some(Alarm { run: Some(run), ..alarm(AlarmCode::RemovalsHeld, since, count) })
}

fn dead_letters(facts: &Facts) -> Option<Alarm> {
    let (count, since) = facts.dead_letters?;
    Some(alarm(AlarmCode::DeadLetters, since, count))
}

/// What is told of an alarm, sentence by sentence. None is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// In a few words: the subject of a mail.
    pub title: &'static str,
    /// What happened.
    pub what: String,
    /// Why, most likely.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// What Muster did meanwhile.
    pub meanwhile: &'static str,
}

/// The detail of an alarm: since when, and how many. It is stored beside the code.
pub fn detail(alarm: &Alarm, zone: &TimeZone) -> String {
    let since = alarm.since.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M (%Z)").to_string();
    match alarm.code {
        AlarmCode::NoCompleteRun => since,
        AlarmCode::HooksSilent
        | AlarmCode::HookRefused
        | AlarmCode::DeadLetters
        | AlarmCode::OwnerKept => {
            format!("{} since {since}", alarm.count)
        }
        AlarmCode::RemovalsHeld => {
            let people = if alarm.count == 1 { "person" } else { "people" };
            let run = alarm.run.map(|run| format!(", {run}")).unwrap_or_default();
            format!("{} {people}{run}", alarm.count)
        }
        _ => format!("since {since}"),
    }
}

impl AlarmCode {
    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NoCompleteRun
            | Self::TokenRefused
            | Self::RightsMissing
            | Self::AppNotFound
            | Self::NeedsAttention
            | Self::OwnerKept => Severity::Critical,
            Self::OktaUnreachable
            | Self::HooksSilent
            | Self::HookRefused
            | Self::RemovalsHeld
            | Self::DeadLetters => Severity::Warning,
        }
    }

    /// The words for an alarm of a tenant with subdomain `sub`; `detail` is what [`detail`] gave.
    pub fn told(self, sub: &str, detail: &str) -> Told {
        let [title, what, why, fix, meanwhile] = self.words();
        let filled = |text: &str| text.replace("{sub}", sub).replace("{d}", detail);
        Told { title, what: filled(what), why: filled(why), fix: filled(fix), meanwhile }
    }

    /// Title, what, why, fix, meanwhile. `{sub}` is the subdomain, `{d}` the detail.
    const fn words(self) -> [&'static str; 5] {
        match self {
            Self::NoCompleteRun => [
                "no complete run for 26 hours",
                "No run has read everybody from Okta for more than 26 hours; the last that did ended on {d}.",
                "The service may have been stopped, Okta may not answer, or each listing breaks off.",
                "Look at the last runs with `muster okta show {sub}`, and whether `muster serve` runs. Then start one: \
                 `muster okta sync {sub}`.",
                "Everybody has kept the access they had; nobody has been deactivated. Changes in Okta of this time may be missing.",
            ],
            Self::TokenRefused => [
                "Okta refuses the API token",
                "Okta refuses the API token (E0000011), {d}.",
                "It was revoked, expired after 30 unused days, or its owner was deactivated.",
                "Create a new one in Okta (Security > API > Tokens) and store it: `muster okta set {sub} --api-token FILE`.",
                "Nobody has been deactivated. Nothing is read from Okta until then.",
            ],
            Self::RightsMissing => [
                "the API token may not read what it must",
                "Okta accepts the API token, but does not let it read what Muster needs (E0000006), {d}.",
                "The admin who made it lost the role, or it was narrowed.",
                "Give that admin at least the role Read-only administrator, then `muster okta check {sub}`.",
                "Nobody has been deactivated. Nothing is read from Okta until then.",
            ],
            Self::AppNotFound => [
                "the app is gone from Okta",
                "Okta does not know the app whose assignments say who is in, {d}.",
                "It was deleted, or the API URL leads to another Okta organisation (preview or production).",
                "Look at Applications in Okta, then `muster okta check {sub}`.",
                "Nobody has been deactivated. Nothing is read from Okta until then.",
            ],
            Self::NeedsAttention => [
                "the connection to Okta needs attention",
                "The connection to Okta waits for a person, {d}.",
                "`muster okta show {sub}` says why.",
                "Follow what it says, then `muster okta check {sub}`.",
                "Nobody has been deactivated.",
            ],
            Self::OktaUnreachable => [
                "Okta has not answered for an hour",
                "Okta has not answered as it should {d}.",
                "It may be down or in maintenance, or the way to it is blocked.",
                "Look at Okta's status page. If Okta is well, look at DNS, the firewall and the proxy of the machine that runs Muster.",
                "Nobody has been deactivated. Nothing is lost: what waits is tried again by itself, with growing pauses.",
            ],
            Self::HooksSilent => [
                "instant updates from Okta do not arrive",
                "Okta's System Log has events that the event hook did not bring: {d}.",
                "The hook may be deactivated or unverified (editing it drops its verification), or Okta cannot reach this service.",
                "In Okta, Workflow > Event Hooks: look that it is active, then Actions > Verify. Or `muster okta hook-create {sub}`.",
                "The events were taken from the log, so people are right, only some minutes late.",
            ],
            Self::HookRefused => [
                "Okta calls with a wrong secret",
                "Calls to the event hook's address came with a wrong Authorization value or none: {d}.",
                "The secret in Okta is not the one of this tenant; or a stranger tries the address.",
                "Print it with `muster okta hook-secret {sub}`, paste it into the hook in Okta, save and verify it.",
                "These calls were turned away. The log and the daily run bring the changes they told of.",
            ],
            Self::RemovalsHeld => [
                "removals wait for your approval",
                "A run would take access from more people than the guard allows: {d}.",
                "Many people left the app at once: a group was removed from it, or it is meant.",
                "Look at them with `muster okta show {sub}` and `muster run show`, then `muster okta sync {sub} --approve RUN` or \
                 `muster run discard {sub} RUN`.",
                "These people keep their access; everything else of the run was done.",
            ],
            Self::DeadLetters => [
                "some work was given up",
                "Work was tried again and again and then given up: {d}.",
                "Okta refused it for good, or it fails in a way that waiting does not mend; the log says which.",
                "Look at the log of the service. `muster okta sync {sub}` looks at everybody anew.",
                "All other work went on. The next daily run looks at everybody.",
            ],
            Self::OwnerKept => [
                "an owner left Okta and keeps their access here",
                "Okta says that an owner is out, and that owner is the last one here or a break-glass owner: {d}.",
                "They left the company or the app; without them nobody could look after this site.",
                "Make somebody else an owner: `muster people add {sub} --role owner`. Then take the access of the other away: \
                 `muster people protect {sub} PERSON --off`, `muster people deactivate {sub} PERSON`.",
                "Their sessions were ended; only their password still lets them in. Nobody else is affected.",
            ],
        }
    }
}

#[cfg(test)]
mod tests;
