//! Problems a run met, grouped by cause, each with its fix in words.

use serde::{Deserialize, Serialize};

/// A kind of problem. The code is stable; the hint may be worded better at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    ManagerNotFound,
    ManagerNotAssigned,
    ManagerIsSelf,
    ManagerLoop,
    ManagerInactive,
    ManagerAmbiguous,
    ManagerDisplayName,
    NoTeam,
    EmailMissing,
    EmailMalformed,
    EmailConflict,
    EmailDuplicate,
    DomainNotListed,
    ProtectedAccount,
    LikelyDuplicate,
    ReturnerNeedsDecision,
    WouldLinkWithoutAccess,
    NameKept,
    TextShortened,
    LanguageUnknown,
    LanguageNotEnabled,
    StartDateMalformed,
    StartDateMissing,
    PhotoNotHttps,
    PhotoMalformed,
    ExcludedByRule,
    UnknownStatus,
    LastOwnerKept,
    TeamRenameLikely,
    ReturnsAfterLongAbsence,
    RemovalsHeld,
    ListingTruncated,
    ListingContradicted,
    TokenNarrowed,
    FederationBrokerMode,
    AppInactive,
    AppNotFound,
    NobodyAssigned,
    TokenRefused,
    RightsMissing,
    OktaUnreachable,
    OktaUnreadable,
}

/// One cause and how many people it concerns in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: ProblemCode,
    /// People concerned; 0 when the problem concerns the run as a whole.
    pub people: u64,
    /// What happened, why, and what to do, in plain words.
    pub hint: String,
}
