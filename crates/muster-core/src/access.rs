//! Who may do what: the matrix of roles and actions, in one place.
//!
//! A role is what a person has in their tenant; *manager* is a relation to another person and never a role; vendor staff are
//! outside of every tenant and use commands, so their column is here to be read and tested, not for the web.

use crate::person::{Person, Role, Status, StatusReason, words};

words! {
    /// Something that may or may not be done.
    Action {
        /// The vendor's switch of the integration.
        SwitchFeature = "switch_feature",
        /// Looking at Integrations › Okta.
        OpenIntegration = "open_integration",
        /// Secrets, Connect, the hook's secret.
        ManageConnection = "manage_connection",
        /// Mapping, filters, how managers are handled, invitations.
        ChangeRules = "change_rules",
        Preview = "preview",
        SyncUsers = "sync_users",
        ApproveHeld = "approve_held",
        /// Only Okta may be used to sign in; who is the break-glass owner.
        EnforceSso = "enforce_sso",
        Disconnect = "disconnect",
        SeeHistory = "see_history",
        /// Taking access away by hand, and giving it back.
        DeactivateByHand = "deactivate_by_hand",
        Anonymise = "anonymise",
        ChangeRoles = "change_roles",
        ChangeOwnerRole = "change_owner_role",
        /// Names, titles, teams, locations and photos of everybody.
        SeeDirectory = "see_directory",
        /// Start dates and what Okta said, of a person.
        SeeDetails = "see_details",
        SeeStartDate = "see_start_date",
        SetTeamManager = "set_team_manager",
        SetManagerByHand = "set_manager_by_hand",
        SeeObjectives = "see_objectives",
        CreateObjectives = "create_objectives",
        SeeOneToOnes = "see_one_to_ones",
        CreateOneToOnes = "create_one_to_ones",
        SeeOthersPrivateNotes = "see_others_private_notes",
        SeeTasks = "see_tasks",
        SetTasks = "set_tasks",
        /// Their own page: sessions, password, second factor.
        UseAccount = "use_account",
    }
}

/// How far a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nothing.
    No,
    /// What is theirs.
    Own,
    /// Of everybody in the tenant.
    All,
}

/// What somebody is to the person that an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is about nobody in particular, or about somebody else.
    Other,
    /// It is about themselves.
    Own,
    /// They are the effective manager of that person, or of one of the managers above them.
    ManagerOf,
}

/// A row of the matrix: what each may do. `manager` is for those whom they manage, and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// The action.
    pub action: Action,
    /// An owner's reach.
    pub owner: Reach,
    /// An admin's reach.
    pub admin: Reach,
    /// The reach of HR.
    pub hr: Reach,
    /// Whether a manager may, for those they manage.
    pub manager: bool,
    /// A learner's reach.
    pub learner: Reach,
    /// Whether the vendor's staff may, by command.
    pub staff: bool,
}

macro_rules! matrix {
    ($($action:ident: $owner:ident $admin:ident $hr:ident $manager:ident $learner:ident $staff:ident;)*) => {
        &[$(Rights {
            action: Action::$action,
            owner: Reach::$owner,
            admin: Reach::$admin,
            hr: Reach::$hr,
            manager: matrix!(@ $manager),
            learner: Reach::$learner,
            staff: matrix!(@ $staff),
        }),*]
    };
    (@ Yes) => { true };
    (@ No) => { false };
}

/// All of it.
#[rustfmt::skip]
pub const MATRIX: &[Rights] = matrix! {
    //                     owner admin hr manager learner staff
    SwitchFeature:         No   No   No   No   No   Yes;
    OpenIntegration:       All  All  No   No   No   Yes;
    ManageConnection:      All  All  No   No   No   No;
    ChangeRules:           All  All  No   No   No   No;
    Preview:               All  All  All  No   No   Yes;
    SyncUsers:             All  All  No   No   No   Yes;
    ApproveHeld:           All  All  No   No   No   No;
    EnforceSso:            All  No   No   No   No   No;
    Disconnect:            All  All  No   No   No   No;
    SeeHistory:            All  All  All  No   Own  Yes;
    DeactivateByHand:      All  All  All  No   No   No;
    Anonymise:             All  All  No   No   No   No;
    ChangeRoles:           All  All  No   No   No   No;
    ChangeOwnerRole:       All  No   No   No   No   No;
    SeeDirectory:          All  All  All  Yes  All  No;
    SeeDetails:            All  All  All  No   Own  No;
    SeeStartDate:          All  All  All  Yes  Own  No;
    SetTeamManager:        All  All  All  No   No   No;
    SetManagerByHand:      All  All  All  No   No   No;
    SeeObjectives:         All  All  All  Yes  Own  No;
    CreateObjectives:      All  All  All  Yes  Own  No;
    SeeOneToOnes:          All  All  All  Yes  Own  No;
    CreateOneToOnes:       All  All  All  Yes  No   No;
    SeeOthersPrivateNotes: No   No   No   No   No   No;
    SeeTasks:              All  All  All  Yes  Own  No;
    SetTasks:              All  All  All  Yes  Own  No;
    UseAccount:            Own  Own  Own  No   Own  No;
};

/// Whether a person of `role`, who is `relation` to the one it is about, may do `action`. Somebody who is both, HR and manager say,
/// may do what either may; nobody is manager of themselves.
pub fn allows(role: Role, relation: Relation, action: Action) -> bool {
    let Some(row) = MATRIX.iter().find(|row| row.action == action) else {
        return false;
    };
    let reach = match role {
        Role::Owner => row.owner,
        Role::Admin => row.admin,
        Role::Hr => row.hr,
        Role::Learner => row.learner,
    };
    match (reach, relation) {
        (Reach::All, _) | (Reach::Own, Relation::Own) => true,
        (_, Relation::ManagerOf) => row.manager,
        _ => false,
    }
}

/// Why somebody may not enter, though they proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Barred {
    /// Not active yet: staged at Okta, or before the first day.
    NotYet,
    /// Access was taken away, for this reason.
    Deactivated(StatusReason),
    /// Back after a long absence, above learner: an owner or admin must say so first.
    ToConfirm,
}

/// The one gate: whoever enters, by any door and at each request, has passed it.
///
/// # Errors
///
/// Why not.
pub fn may_enter(status: Status, reason: StatusReason, to_confirm: bool) -> Result<(), Barred> {
    match status {
        Status::Active if to_confirm => Err(Barred::ToConfirm),
        Status::Active => Ok(()),
        Status::NotYet => Err(Barred::NotYet),
        Status::Deactivated => Err(Barred::Deactivated(reason)),
    }
}

/// How a tenant lets people in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// By Okta, or with a password where somebody has one.
    Any,
    /// By Okta only, but for break-glass owners and people whom Okta cannot know.
    OktaOnly,
}

/// Whether a person may use a password here. Whether they have one is another question.
///
/// `managed_domains` are those whose people Okta knows (the rules' `email_domains`): an account that Okta does not feed, on another
/// domain, is a guest who has no other way in.
pub fn may_use_password(person: &Person, entry: Entry, managed_domains: &[String]) -> bool {
    match entry {
        // Whom Okta feeds signs in with Okta; owners keep a way in of their own.
        Entry::Any => person.role == Role::Owner || person.profile.okta_user_id.is_none(),
        Entry::OktaOnly => {
            let guest = person.profile.okta_user_id.is_none()
                && person.role != Role::Owner
                && !managed_domains.iter().any(|domain| domain == person.profile.email.domain());
            guest || (person.break_glass && person.role == Role::Owner)
        }
    }
}

/// What must be so before only Okta may be used to sign in. Each that is not is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SsoReadiness {
    /// The acting owner's own account is linked to Okta.
    pub linked: bool,
    /// They signed in by Okta to that account within the last half hour, by *Connect to Okta*.
    pub tested: bool,
    /// An active break-glass owner has a password, a second factor and recovery codes.
    pub break_glass: bool,
}

impl SsoReadiness {
    /// Whether nothing is missing.
    pub const fn is_ready(self) -> bool {
        self.linked && self.tested && self.break_glass
    }
}

/// How long a test of signing in counts.
pub const TEST_COUNTS: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

#[cfg(test)]
#[path = "access/tests.rs"]
mod tests;
