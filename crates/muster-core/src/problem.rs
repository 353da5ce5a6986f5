//! Problems a run met, grouped by cause, each with its fix in words.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares the codes with the words for each: what happened, why, what to do, what we did meanwhile. `{d}` stands for the
/// detail that the run adds.
macro_rules! problems {
    ($($variant:ident = $name:literal: $what:literal, $why:literal, $fix:literal, $meanwhile:literal;)*) => {
        /// A kind of problem. The code is stable; the words may become better at any time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode { $(#[doc = $what] $variant),* }

        impl ProblemCode {
            /// All codes, in order. At most 62: a row of people keeps one bit for each.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code in JSON and in the database.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads a code; `None` for one that this version does not know.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            const fn words(self) -> [&'static str; 4] {
                match self { $(Self::$variant => [$what, $why, $fix, $meanwhile]),* }
            }
        }
    };
}

problems! {
    ManagerNotFound = "manager_not_found":
        "Managers that lead to nobody here: {d}.",
        "They are probably not assigned to the app in Okta, or the attribute holds something else than an id, login, e-mail or employee number.",
        "Assign them, or map another attribute to `manager`.",
        "Everybody was synced; these people have their team's manager or none for now, and it is tried again in each run.";
    ManagerNotAssigned = "manager_not_assigned":
        "Managers who are not assigned to the app: {d}.",
        "Okta names them as somebody's manager; they were here before they were unassigned.",
        "Assign them in Okta, or name somebody else there.",
        "Everybody was synced; their people have their team's manager or none.";
    ManagerIsSelf = "manager_is_self":
        "People named as their own manager.",
        "",
        "Correct the manager in Okta.",
        "The value is ignored; their team's manager counts.";
    ManagerLoop = "manager_loop":
        "Managers in a circle: {d}.",
        "Okta's manager values point back to where they began.",
        "Correct one of them in Okta.",
        "The links are kept, give nobody any rights, and nobody else is affected.";
    ManagerInactive = "manager_inactive":
        "Managers who left: {d}.",
        "Okta still names them as somebody's manager.",
        "Name the successor in Okta.",
        "Their people have their team's manager or none.";
    ManagerAmbiguous = "manager_ambiguous":
        "Manager values that several people share: {d}.",
        "It is the employee number or the name of more than one.",
        "Map an attribute that is unique, such as the e-mail.",
        "They are ignored; these people have their team's manager or none.";
    ManagerDisplayName = "manager_display_name":
        "Manager values that look like a name: {d}.",
        "Directories often write a display name into `manager`; names are not unique.",
        "Map an attribute with the manager's e-mail or id, or allow unique names with manager_by_name = true.",
        "These people have their team's manager or none.";
    NoTeam = "no_team":
        "People without a team.",
        "The attribute mapped to `team` is empty in Okta.",
        "Fill it in Okta, or map another attribute.",
        "They are synced without a primary team.";
    EmailMissing = "email_missing":
        "People without an e-mail in Okta.",
        "",
        "Fill in the primary e-mail in Okta.",
        "New people were skipped; known people keep their e-mail.";
    EmailMalformed = "email_malformed":
        "People whose e-mail in Okta is not an address.",
        "",
        "Correct the primary e-mail in Okta.",
        "New people were skipped; known people keep their e-mail.";
    EmailConflict = "email_conflict":
        "E-mails that belong to somebody else here.",
        "Two people cannot share one.",
        "Change it for one of them in Okta, or deactivate and rename the other account.",
        "All else was synced; the address was not.";
    EmailDuplicate = "email_duplicate":
        "Okta users who share an e-mail with another.",
        "E-mail is not unique in Okta.",
        "Give each their own in Okta.",
        "The first keeps it; for the others nothing was made or changed.";
    DomainNotListed = "domain_not_listed":
        "Accounts with the same e-mail as an Okta user, on a domain that is not listed.",
        "Linking by e-mail is allowed only inside your own domains, because anybody could have made such an Okta user.",
        "Add the domain to email_domains if it is yours, or pair the two by hand.",
        "Nobody was linked.";
    ProtectedAccount = "protected_account":
        "Accounts of owners or admins with the same e-mail as an Okta user.",
        "An e-mail is no proof, so such accounts are never linked by it.",
        "They link themselves by signing in with Okta, or are paired after a change of role.",
        "Nobody was linked.";
    LikelyDuplicate = "likely_duplicate":
        "Okta users who are probably here already under another e-mail.",
        "Name and start date or employee number are the same.",
        "Pair them: muster people pair SUB PERSON OKTA_ID, or say --different.",
        "Nobody was made or linked.";
    ReturnerNeedsDecision = "returner_needs_decision":
        "People who seem to come back under a new Okta id.",
        "",
        "Decide with muster people pair SUB PERSON OKTA_ID, or say --different.",
        "Nobody was made or linked.";
    WouldLinkWithoutAccess = "would_link_without_access":
        "Accounts whose Okta user is out (suspended, say).",
        "Linking them would take their access away at once.",
        "Deactivate the account by hand, or bring the Okta user back.",
        "Nothing was changed.";
    NameKept = "name_kept":
        "People whose name is empty in Okta.",
        "",
        "Fill it in Okta.",
        "The old name is kept.";
    TextShortened = "text_shortened":
        "Values longer than 255 characters.",
        "",
        "Shorten them in Okta.",
        "They were cut.";
    LanguageUnknown = "language_unknown":
        "Languages that are none.",
        "",
        "Correct the attribute in Okta, or map another.",
        "These people have your default language.";
    LanguageNotEnabled = "language_not_enabled":
        "Languages that are not enabled here.",
        "",
        "Add them to `languages` if you offer them.",
        "These people have your default language.";
    StartDateMalformed = "start_date_malformed":
        "Start dates that are no dates.",
        "They must look like 2026-11-24.",
        "Correct them in Okta.",
        "These people count as started.";
    StartDateMissing = "start_date_missing":
        "People without a start date.",
        "",
        "Fill it in Okta if they should wait for it.",
        "They count as started.";
    PhotoNotHttps = "photo_not_https":
        "Photos with an address that is not https.",
        "",
        "Offer them by https.",
        "The old picture is kept.";
    PhotoMalformed = "photo_malformed":
        "Photo addresses that are none.",
        "",
        "Correct them in Okta.",
        "The old picture is kept.";
    ExcludedByRule = "excluded_by_rule":
        "People kept out by your rules.",
        "",
        "Nothing, if that is meant.",
        "They have no account.";
    UnknownStatus = "unknown_status":
        "People with a status in Okta that this version does not know.",
        "",
        "Update Muster, or tell us the status.",
        "Nothing was changed for them.";
    LastOwnerKept = "last_owner_kept":
        "Protected accounts that Okta would have taken access from: {d}.",
        "The last active owner and break-glass accounts are never deactivated by the sync.",
        "Make somebody else owner first.",
        "They keep their access.";
    TeamRenameLikely = "team_rename_likely":
        "A team that looks renamed in Okta: {d}.",
        "Okta has no ids for teams, so a new name is another team.",
        "If it is the same team, give the new one the manager, the parent team and the further members that the old one has here.",
        "The old team stays with all that was set for it; nothing of a team is deleted.";
    ReturnsAfterLongAbsence = "returns_after_long_absence":
        "People above learner who come back after more than 30 days.",
        "",
        "An owner or admin must confirm them.",
        "They are back, but cannot sign in until then.";
    RemovalsHeld = "removals_held":
        "More people would lose access than your guard allows.",
        "Perhaps a group was unassigned by mistake in Okta.",
        "Look at them with muster run show SUB {d}; then muster okta sync SUB --approve {d}, or muster run discard SUB {d}.",
        "Nobody has lost access; everything else was done.";
    ListingTruncated = "listing_truncated":
        "The list of people did not come to its end: {d}.",
        "",
        "Try again; if it stays, ask Okta's support.",
        "Nobody was removed.";
    ListingContradicted = "listing_contradicted":
        "The list of people lacked some who are in: {d}.",
        "The list was not the whole truth.",
        "Try again; if it stays, look at the token's rights and Okta's status page.",
        "Nobody was removed.";
    TokenNarrowed = "token_narrowed":
        "The token no longer sees everybody: {d}.",
        "Perhaps the admin who made it lost rights, or has them only for some groups now.",
        "Give that admin at least the Read-only administrator role, or make a new token.",
        "Nobody was removed.";
    FederationBrokerMode = "federation_broker_mode":
        "The app {d} is in Federation Broker Mode.",
        "Everybody may sign in then, and Okta lists no assignments.",
        "Untick \"immediate access with Federation Broker Mode\" in the app's Assignments and assign people or groups.",
        "Nobody was removed.";
    AppInactive = "app_inactive":
        "The app {d} is not active in Okta.",
        "",
        "Activate it in Okta.",
        "Nobody was removed.";
    AppNotFound = "app_not_found":
        "No app with this client id in this Okta.",
        "Perhaps it is another Okta org (preview and production differ), or the app's id is not its client id.",
        "Check the API URL and client id; give the app's own id with --app-id.",
        "Nobody was changed.";
    NobodyAssigned = "nobody_assigned":
        "Nobody is assigned to the app.",
        "",
        "Assign people or groups to it in Okta.",
        "Nobody was removed without your approval.";
    TokenRefused = "token_refused":
        "Okta refuses the API token ({d}).",
        "It was revoked, expired after 30 unused days, or its owner was deactivated.",
        "Make a new one and set it with muster okta set SUB --api-token FILE.",
        "Nobody has been deactivated.";
    RightsMissing = "rights_missing":
        "The token works but may not do this ({d}).",
        "",
        "The admin who made it needs at least the Read-only administrator role.",
        "Nobody has been deactivated.";
    OktaUnreachable = "okta_unreachable":
        "Okta did not answer as it should ({d}).",
        "It may be down or slow.",
        "Nothing: the next run tries again. If it stays, look at Okta's status page.",
        "Nobody was removed.";
    OktaUnreadable = "okta_unreadable":
        "Okta's answer could not be read ({d}).",
        "Something between us and Okta may have changed it.",
        "Try again; if it stays, look at proxies on the way.",
        "Nobody was removed.";
    RecordUnreadable = "record_unreadable":
        "People in the list whose records cannot be read: {d}.",
        "A part of the record is missing or has another shape than Okta's.",
        "Look at them in Okta's Admin Console; if they look right there, tell us their id and what it says above.",
        "They count as seen and keep what they have; all others were synced.";
    RunStopped = "run_stopped":
        "The run was stopped half-way: {d}.",
        "What it had read of Okta must not be applied later.",
        "Nothing: the next run begins anew.",
        "What it had applied stays; nobody was removed by it since.";
}

impl Serialize for ProblemCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ProblemCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown problem {name:?}")))
    }
}

/// One cause and how many people it concerns in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The cause.
    pub code: ProblemCode,
    /// People concerned; 0 when the problem concerns the run as a whole.
    pub people: u64,
    /// What happened, why, what to do, and what we did meanwhile, in plain words.
    pub hint: String,
}

/// The words for a problem. `detail` says what exactly: names, a status, a request id.
pub fn hint(code: ProblemCode, detail: &str) -> String {
    let mut text = String::new();
    for part in code.words() {
        if part.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        // Without a detail the sentence ends before the place for it.
        let part = if detail.is_empty() {
            part.replace(": {d}", "").replace(" ({d})", "").replace(" {d}", "")
        } else {
            part.replace("{d}", detail)
        };
        text.push_str(&part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fit_their_bits_and_read_back() {
        assert!(ProblemCode::ALL.len() <= 62);
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::parse(code.name()), Some(*code));
            for detail in ["", "ana@acme.example (3)"] {
                let text = hint(*code, detail);
                assert!(!text.contains("{d}") && text.ends_with('.'), "{text}");
            }
        }
    }

    #[test]
    fn a_hint_names_the_detail_and_what_was_done() {
        let text = hint(ProblemCode::TokenRefused, "E0000011");
        assert!(text.starts_with("Okta refuses the API token (E0000011)."), "{text}");
        assert!(text.ends_with("Nobody has been deactivated."), "{text}");
    }
}
