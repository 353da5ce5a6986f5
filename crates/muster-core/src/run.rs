//! What a run is: its kind, cause, state, phase and counts.

use crate::person::words;

words! {
    /// What a run covers.
    RunKind { Full = "full", Person = "person", Preview = "preview" }
}

words! {
    /// Where a run stands. `Queued` and `Running` are open; the others are final, save that `Held` ends as `Done` when
    /// approved and as `Discarded` when not.
    RunState {
        Queued = "queued", Running = "running", Done = "done", Held = "held", Incomplete = "incomplete",
        Failed = "failed", Discarded = "discarded",
    }
}

words! {
    /// What asked for a run.
    RunCause {
        Button = "button", Schedule = "schedule", Event = "event", Log = "log", SignIn = "sign_in", StartDate = "start_date",
        Connect = "connect", Cli = "cli", Approval = "approval", Undo = "undo",
    }
}

words! {
    /// Whether a listing may prove who is missing.
    ListingState { Complete = "complete", Truncated = "truncated" }
}

words! {
    /// The step a run is at. Kept with the run, so that another process can go on from it.
    RunPhase {
        Start = "start", Read = "read", Judge = "judge", People = "people", Emails = "emails", Managers = "managers",
        Missing = "missing", Removals = "removals", Report = "report",
    }
}

words! {
    /// What a plan wants done with one person.
    ChangeKind {
        Create = "create", Link = "link", Update = "update", Reactivate = "reactivate", Deactivate = "deactivate",
        Skip = "skip", Review = "review", Unchanged = "unchanged",
    }
}

/// How many people a run read, missed and changed. Each person read or missing is in exactly one of the counts after
/// `missing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// People the listing had.
    pub read: u64,
    /// People with access whom a complete listing lacked.
    pub missing: u64,
    /// New accounts.
    pub created: u64,
    /// Accounts that were here and now belong to an Okta user.
    pub linked: u64,
    /// Something changed.
    pub updated: u64,
    /// Nothing to do.
    pub unchanged: u64,
    /// Access given back.
    pub reactivated: u64,
    /// Access taken away.
    pub deactivated: u64,
    /// Access would be taken away; waits for approval.
    pub held: u64,
    /// No account, by a rule or for want of an e-mail; or left as they are, because their record cannot be read.
    pub skipped: u64,
    /// A person must decide.
    pub review: u64,
}

impl Counts {
    /// Adds `n` to the count of `kind`.
    pub fn add(&mut self, kind: ChangeKind, n: u64) {
        let count = match kind {
            ChangeKind::Create => &mut self.created,
            ChangeKind::Link => &mut self.linked,
            ChangeKind::Update => &mut self.updated,
            ChangeKind::Reactivate => &mut self.reactivated,
            ChangeKind::Deactivate => &mut self.deactivated,
            ChangeKind::Skip => &mut self.skipped,
            ChangeKind::Review => &mut self.review,
            ChangeKind::Unchanged => &mut self.unchanged,
        };
        *count += n;
    }
}
