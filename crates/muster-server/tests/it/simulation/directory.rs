//! The directory as it can be seen from outside, in the few terms in which the model thinks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_core::id::PersonId;
use muster_core::person::{Role, Status, StatusReason};
use muster_core::rules::ManagerMode;
use muster_store::TenantDb;
use muster_store::error::StoreError;
use muster_store::people::PersonKey;

use super::company::{Truth, User};
use super::policy::Managers;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// `None` for somebody whom the model expects to be made.
    pub(crate) id: Option<PersonId>,
    pub(crate) okta: Option<String>,
    pub(crate) okta_status: Option<String>,
    pub(crate) status: Status,
    pub(crate) reason: StatusReason,
    pub(crate) email: String,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) title: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) team: Option<String>,
    pub(crate) photo: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) manager_raw: Option<String>,
    /// E-mail of the effective manager, and where that comes from.
    pub(crate) manager: Option<(String, String)>,
    pub(crate) role: Role,
    pub(crate) protected: bool,
    pub(crate) confirm: bool,
    pub(crate) gone_at: Option<Timestamp>,
    /// Known only of those whom the next run does not feed.
    pub(crate) login: Option<String>,
    /// When Okta made them; known as above.
    pub(crate) made: Option<Timestamp>,
}

impl Row {
    pub(crate) fn has_access(&self) -> bool {
        self.status != Status::Deactivated
    }

    /// One line for a trace; no ids of ours and no times, which depend on who did the work.
    pub(crate) fn line(&self) -> String {
        let show = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        format!(
            "{} {} {} {}/{} {} {}|{} {} {} {} {} {} {} {} {} mgr={} {}{}{}",
            self.email,
            show(&self.okta),
            show(&self.okta_status),
            self.status,
            self.reason,
            self.role,
            self.first,
            self.last,
            show(&self.title),
            show(&self.language),
            show(&self.location),
            show(&self.team),
            show(&self.photo),
            show(&self.start),
            show(&self.number),
            show(&self.manager_raw),
            self.manager
                .as_ref()
                .map_or_else(|| "-".to_owned(), |(email, source)| format!("{email} by {source}")),
            if self.protected { "protected " } else { "" },
            if self.confirm { "confirm " } else { "" },
            if self.gone_at.is_some() { "gone" } else { "" },
        )
    }
}

/// All accounts and teams of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) rows: Vec<Row>,
    /// Who leads each team, by the team's name for comparing.
    pub(crate) leaders: BTreeMap<String, Option<PersonId>>,
}

impl Directory {
    /// Reads it. Of people whom the next run feeds anyway, less is asked for.
    pub(crate) async fn read(
        tenant: &TenantDb,
        mode: Managers,
        truth: &Truth,
        is_fed: impl Fn(&User) -> bool,
    ) -> Result<Self, StoreError> {
        let mode = match mode {
            Managers::Individual => ManagerMode::Individual,
            Managers::Team => ManagerMode::Team,
            Managers::Off => ManagerMode::Off,
        };
        let mut rows = Vec::new();
        for view in tenant.people_page(mode, None, "", 1_000).await? {
            let okta = view.okta_user_id.map(|id| id.to_string());
            let fed = okta.as_ref().and_then(|id| truth.get(id)).is_some_and(|user| is_fed(user));
            let person = match &okta {
                Some(_) if !fed => tenant.find_person(&PersonKey::Id(view.id)).await?,
                _ => None,
            };
            rows.push(Row {
                id: Some(view.id),
                okta,
                okta_status: view.okta_status,
                status: view.status,
                reason: view.status_reason,
                email: view.email.to_lowercase(),
                first: view.first_name,
                last: view.last_name,
                title: view.title,
                language: view.language,
                location: view.location.as_deref().map(key),
                team: view.team.as_deref().map(key),
                photo: view.photo_url,
                start: view.start_date,
                number: view.employee_number,
                manager_raw: view.manager_raw,
                manager: view
                    .manager
                    .map(|manager| (manager.email.to_lowercase(), manager.source.to_owned())),
                role: view.role,
                protected: view.break_glass,
                confirm: view.confirm_needed,
                gone_at: view.deactivated_at.map(|at| at.parse()).transpose().ok().flatten(),
                made: person.as_ref().and_then(|person| person.profile.okta_created),
                login: person.and_then(|person| person.profile.login),
            });
        }
        let mut leaders = BTreeMap::new();
        for team in tenant.teams().await? {
            leaders.insert(key(&team.name), team.manager_id);
        }
        Ok(Self { rows, leaders })
    }
}

/// A name for comparing: trimmed, inner white space collapsed, without case.
pub(crate) fn key(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
