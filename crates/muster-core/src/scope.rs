//! Is this person in, not yet, or out, and why. One definition, for full runs and for single people alike.

use jiff::civil::Date;

use crate::mapping::start_date;
use crate::okta_user::{OktaStatus, OktaUser};
use crate::person::StatusReason;
use crate::rules::{Exclude, InviteMode, Rules, Test};

/// Where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// May enter.
    In,
    /// Known, but may not enter yet.
    NotYet(StatusReason),
    /// Has no access.
    Out(StatusReason),
    /// Kept out by a rule of the tenant.
    Excluded {
        /// The rule in words.
        rule: String,
    },
    /// A status that this version does not know: nothing changes, a person must look.
    Unknown,
}

/// Judges an Okta user by assignment, status, the tenant's exclusions and the start date.
///
/// A wrong password, a forgotten one or one that ran out does not make anybody a leaver; nor does an account that waits
/// for its activation, which people mastered by another directory may do for ever (Okta facts on PROVISIONED). Absent
/// attributes never exclude anybody, save by `is_not`.
pub fn scope(user: &OktaUser, assigned: bool, rules: &Rules, today: Date) -> Scope {
    judge(user, assigned, rules, || due(user, rules, today).is_some())
}

/// As [`scope`], for whoever has worked out already whether the start date lies ahead (see [`lies_ahead`]).
pub(crate) fn judge(
    user: &OktaUser,
    assigned: bool,
    rules: &Rules,
    starts_later: impl FnOnce() -> bool,
) -> Scope {
    match user.status {
        OktaStatus::Suspended => return Scope::Out(StatusReason::Suspended),
        OktaStatus::Deprovisioned => return Scope::Out(StatusReason::DeactivatedInOkta),
        _ if !assigned => return Scope::Out(StatusReason::Unassigned),
        _ => {}
    }
    if let Some(rule) = rules.exclude.iter().find(|rule| excludes(rule, user)) {
        return Scope::Excluded { rule: rule.name() };
    }
    match user.status {
        OktaStatus::Other(_) => Scope::Unknown,
        OktaStatus::Staged => Scope::NotYet(StatusReason::Staged),
        _ if starts_later() => Scope::NotYet(StatusReason::BeforeStartDate),
        _ => Scope::In,
    }
}

/// The day on which this person must be looked at again because of their start date, if that lies ahead and matters.
pub fn due(user: &OktaUser, rules: &Rules, today: Date) -> Option<Date> {
    lies_ahead(start_date(user, rules).ok().flatten(), rules, today)
}

/// The start date, if it lies ahead and the rules let people wait for it.
pub(crate) fn lies_ahead(start: Option<Date>, rules: &Rules, today: Date) -> Option<Date> {
    start.filter(|date| rules.invite == InviteMode::OnStartDate && *date > today)
}

fn excludes(rule: &Exclude, user: &OktaUser) -> bool {
    let texts = user.attributes.texts(&rule.attribute);
    let wanted = rule.value.trim().to_lowercase();
    let same = |text: &str| text.trim().to_lowercase() == wanted;
    match rule.test {
        Test::Is => texts.iter().any(|text| same(text)),
        Test::IsNot => !texts.iter().any(|text| same(text)),
        Test::Contains => texts.iter().any(|text| text.to_lowercase().contains(&wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OktaUserId;
    use crate::okta_user::Attributes;

    fn user(status: &str, attributes: &[(&str, &str)]) -> OktaUser {
        let mut kept = Attributes::default();
        for (name, value) in attributes {
            kept.insert(name, (*value).into());
        }
        OktaUser {
            id: OktaUserId::parse("00u1").expect("an id"),
            status: OktaStatus::parse(status),
            created: None,
            attributes: kept,
        }
    }

    const TODAY: Date = Date::constant(2026, 11, 24);

    #[test]
    fn statuses() {
        use StatusReason::{DeactivatedInOkta, Staged, Suspended, Unassigned};
        let rules = Rules::parse("").expect("rules");
        let cases = [
            ("ACTIVE", true, Scope::In),
            ("PROVISIONED", true, Scope::In),
            ("E41 PASSWORD_EXPIRED", true, Scope::In),
            ("E41 LOCKED_OUT", true, Scope::In),
            ("RECOVERY", true, Scope::In),
            ("E41 STAGED", true, Scope::NotYet(Staged)),
            ("E40 SUSPENDED", true, Scope::Out(Suspended)),
            ("DEPROVISIONED", true, Scope::Out(DeactivatedInOkta)),
            ("ACTIVE", false, Scope::Out(Unassigned)),
            ("STAGED", false, Scope::Out(Unassigned)),
            ("DEPROVISIONED", false, Scope::Out(DeactivatedInOkta)),
            ("HIBERNATING", true, Scope::Unknown),
            ("HIBERNATING", false, Scope::Out(Unassigned)),
        ];
        for (name, assigned, want) in cases {
            let status = name.split(' ').next_back().unwrap_or(name);
            assert_eq!(
                scope(&user(status, &[]), assigned, &rules, TODAY),
                want,
                "{name} {assigned}"
            );
        }
    }

    #[test]
    fn exclusions() {
        let check = |toml: &str, attributes: &[(&str, &str)], want: Option<&str>| {
            let rules = Rules::parse(&format!("[[exclude]]\nattribute = \"userType\"\n{toml}"))
                .expect("rules");
            let got = scope(&user("ACTIVE", attributes), true, &rules, TODAY);
            let want = want.map_or(Scope::In, |rule| Scope::Excluded { rule: rule.to_owned() });
            assert_eq!(got, want, "{toml} {attributes:?}");
        };
        check(
            "is = \"Contractor\"",
            &[("userType", " contractor ")],
            Some("userType is Contractor"),
        );
        check("is = \"Contractor\"", &[("userType", "Employee")], None);
        check("is = \"Contractor\"", &[], None);
        check(
            "contains = \"ontract\"",
            &[("userType", "Subcontractor")],
            Some("userType contains ontract"),
        );
        check(
            "contains = \"CONTRACT\"",
            &[("userType", "Subcontractor")],
            Some("userType contains CONTRACT"),
        );
        check("contains = \"ontract\"", &[], None);
        check("is_not = \"Employee\"", &[("userType", "Employee")], None);
        check("is_not = \"Employee\"", &[("userType", "Board")], Some("userType is not Employee"));
        check("is_not = \"Employee\"", &[], Some("userType is not Employee"));
    }

    #[test]
    fn an_exclusion_looks_at_every_entry_of_a_list() {
        let rules = |test: &str| {
            Rules::parse(&format!("[[exclude]]\nattribute = \"tags\"\n{test}")).expect("rules")
        };
        let mut user = user("ACTIVE", &[]);
        user.attributes.insert("tags", serde_json::json!(["staff", "External", 7]));
        let excluded = |test| scope(&user, true, &rules(test), TODAY) != Scope::In;
        assert!(
            excluded("is = \"external\"")
                && excluded("is = \"7\"")
                && excluded("contains = \"exter\"")
        );
        assert!(!excluded("is_not = \"staff\"") && !excluded("is = \"internal\""));
    }

    #[test]
    fn what_decides_first() {
        let rules = Rules::parse("invite = \"on_start_date\"\n[[exclude]]\nattribute = \"userType\"\nis = \"Contractor\"")
            .expect("rules");
        let excluded = Scope::Excluded { rule: "userType is Contractor".to_owned() };
        let contractor = [("userType", "Contractor"), ("startDate", "2027-01-01")];
        let later = [("startDate", "2027-01-01")];
        let cases = [
            ("E58 a rule, though not started", "ACTIVE", true, &contractor[..], excluded.clone()),
            ("a rule, though staged", "STAGED", true, &contractor[..], excluded),
            (
                "out by status, though a rule",
                "SUSPENDED",
                true,
                &contractor[..],
                Scope::Out(StatusReason::Suspended),
            ),
            (
                "E39 no assignment, though a rule",
                "ACTIVE",
                false,
                &contractor[..],
                Scope::Out(StatusReason::Unassigned),
            ),
            (
                "E32 a start date ahead",
                "ACTIVE",
                true,
                &later[..],
                Scope::NotYet(StatusReason::BeforeStartDate),
            ),
            (
                "staged, and a start date ahead",
                "STAGED",
                true,
                &later[..],
                Scope::NotYet(StatusReason::Staged),
            ),
        ];
        for (name, status, assigned, attributes, want) in cases {
            assert_eq!(scope(&user(status, attributes), assigned, &rules, TODAY), want, "{name}");
        }
    }

    #[test]
    fn start_dates() {
        let rules = Rules::parse("invite = \"on_start_date\"").expect("rules");
        let before = Scope::NotYet(StatusReason::BeforeStartDate);
        let cases = [
            ("2026-11-25", before.clone(), Some(Date::constant(2026, 11, 25))),
            ("E33 2026-11-24", Scope::In, None),
            ("E33 2020-01-01", Scope::In, None),
            ("malformed 31/02/2026", Scope::In, None),
        ];
        for (name, want, again) in cases {
            let date = name.split(' ').next_back().unwrap_or(name);
            let user = user("ACTIVE", &[("startDate", date)]);
            assert_eq!(scope(&user, true, &rules, TODAY), want, "{name}");
            assert_eq!(due(&user, &rules, TODAY), again, "{name}");
        }
        let now = Rules::parse("invite = \"now\"").expect("rules");
        assert_eq!(
            scope(&user("ACTIVE", &[("startDate", "2027-01-01")]), true, &now, TODAY),
            Scope::In
        );
    }
}
