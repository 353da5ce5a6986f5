//! How many removals are too many, and what proves that somebody is out.

use crate::okta_user::{OktaStatus, OktaUser};
use crate::person::StatusReason;
use crate::rules::GuardRule;

/// People answering 404 without any word of the log who may be taken as deleted in one run.
pub const GONE_MAX: u64 = 5;

/// Records of one listing that cannot be read and are noted one by one. More of them than this are too many of any listing.
pub const UNREADABLE_MAX: u64 = 1_000;

/// Whether so many of the people listed (`listed`, those who cannot be read included) cannot be read that the listing is not
/// to be believed: a few odd records are theirs, many are a change of Okta's or of something on the way, and what such a
/// thing did to the records that can be read nobody knows.
pub fn too_many_unreadable(unreadable: u64, listed: u64) -> bool {
    let few = 10.max(listed / 100).min(UNREADABLE_MAX);
    // In a small company ten may be all there are.
    unreadable > few || unreadable.saturating_mul(2) > listed
}

/// How many of too many missing people are read by id before the rest is held.
pub const SAMPLE: usize = 20;

/// Up to how many removals a run may make by itself: the larger of a number and a share of those with access.
pub fn limit(rule: &GuardRule, with_access: u64) -> u64 {
    rule.people.max(with_access.saturating_mul(rule.percent) / 100)
}

/// What becomes of a run's removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardVerdict {
    /// Few enough: prove each, then remove.
    Proceed,
    /// Too many, and some only missing: read some of these by id to see whether the listing told the truth, then hold all.
    SampleThenHold,
    /// Too many, all shown by the listing itself: hold all.
    Hold,
}

/// Judges the removals of a run that saw a whole listing. Everybody missing at once is always too many.
pub fn judge(rule: &GuardRule, with_access: u64, listed_out: u64, missing: u64) -> GuardVerdict {
    let everybody = missing > 0 && missing >= with_access;
    if !everybody && listed_out.saturating_add(missing) <= limit(rule, with_access) {
        GuardVerdict::Proceed
    } else if missing > 0 {
        GuardVerdict::SampleThenHold
    } else {
        GuardVerdict::Hold
    }
}

/// What Okta's System Log says of a user who answers 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEvidence {
    /// It shows that the user was deactivated or deleted.
    Deleted,
    /// It can be read and shows no such thing.
    NotFound,
    /// The token may not read it.
    Unreadable,
}

/// What a read by id answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadById {
    /// The user is there; `assigned` says whether the app's own record of them is too.
    User {
        /// What Okta shows of them.
        user: OktaUser,
        /// Whether they are assigned to the app.
        assigned: bool,
    },
    /// 404.
    Gone {
        /// What the log says of that.
        log: LogEvidence,
    },
}

/// What a read by id proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The person is out, for this reason.
    Out(StatusReason),
    /// The person is in: whatever said otherwise was wrong.
    StillIn,
    /// 404, and a readable log knows of no deletion: the token no longer sees everybody.
    Hidden,
    /// 404, and the log cannot tell. Counts as out, for few people and while the canary holds.
    Gone,
}

/// Weighs a read by id.
pub fn prove(read: &ReadById) -> Proof {
    match read {
        ReadById::User { user, assigned } => match user.status {
            OktaStatus::Suspended => Proof::Out(StatusReason::Suspended),
            OktaStatus::Deprovisioned => Proof::Out(StatusReason::DeactivatedInOkta),
            _ if !assigned => Proof::Out(StatusReason::Unassigned),
            _ => Proof::StillIn,
        },
        ReadById::Gone { log: LogEvidence::Deleted } => Proof::Out(StatusReason::DeletedInOkta),
        ReadById::Gone { log: LogEvidence::NotFound } => Proof::Hidden,
        ReadById::Gone { log: LogEvidence::Unreadable } => Proof::Gone,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn how_many_records_may_be_odd() {
        #[rustfmt::skip]
        let cases = [
            ("nobody listed",                0,       0, false),
            ("all can be read",              0,     100, false),
            ("one of two",                   1,       2, false),
            ("the only one",                 1,       1, true),
            ("most of a small company",      3,       5, true),
            ("ten",                         10,     100, false),
            ("eleven",                      11,     100, true),
            ("one in a hundred",           100,  10_000, false),
            ("more than one in a hundred", 101,  10_000, true),
            ("a thousand of many",       1_000, 500_000, false),
            ("more than are noted",      1_001, 500_000, true),
        ];
        for (name, unreadable, listed, expected) in cases {
            assert_eq!(too_many_unreadable(unreadable, listed), expected, "{name}");
        }
    }

    #[test]
    fn the_larger_of_a_number_and_a_share() {
        use GuardVerdict::{Hold, Proceed, SampleThenHold};
        let rule = GuardRule { people: 5, percent: 10 };
        #[rustfmt::skip]
        let cases = [
            ("nobody",                      100,  0,   0, Proceed),
            ("up to the share",             100,  4,   6, Proceed),
            ("one above the share",         100,  5,   6, SampleThenHold),
            ("all listed",                  100, 11,   0, Hold),
            ("small company, five",          20,  0,   5, Proceed),
            ("small company, six",           20,  0,   6, SampleThenHold),
            ("everybody, however few",        3,  0,   3, SampleThenHold),
            ("the only one",                  1,  0,   1, SampleThenHold),
            ("a large company",          10_000,  0, 1000, Proceed),
            ("a large company, one more", 10_000, 1, 1000, SampleThenHold),
            ("nobody with access",            0,  0,   0, Proceed),
        ];
        for (name, with_access, listed, missing, want) in cases {
            assert_eq!(judge(&rule, with_access, listed, missing), want, "{name}");
        }
    }

    #[test]
    fn only_an_out_status_or_a_lost_assignment_proves_anything() {
        let user = |status| OktaUser {
            id: crate::id::OktaUserId::parse("00u1").expect("an id"),
            status,
            created: None,
            attributes: crate::okta_user::Attributes::default(),
        };
        let read = |status, assigned| prove(&ReadById::User { user: user(status), assigned });
        assert_eq!(read(OktaStatus::Active, true), Proof::StillIn);
        assert_eq!(read(OktaStatus::LockedOut, true), Proof::StillIn);
        assert_eq!(read(OktaStatus::Other("ODD".into()), true), Proof::StillIn);
        assert_eq!(read(OktaStatus::Active, false), Proof::Out(StatusReason::Unassigned));
        assert_eq!(read(OktaStatus::Suspended, true), Proof::Out(StatusReason::Suspended));
        assert_eq!(
            read(OktaStatus::Deprovisioned, false),
            Proof::Out(StatusReason::DeactivatedInOkta)
        );
        let gone = |log| prove(&ReadById::Gone { log });
        assert_eq!(gone(LogEvidence::Deleted), Proof::Out(StatusReason::DeletedInOkta));
        assert_eq!(gone(LogEvidence::NotFound), Proof::Hidden);
        assert_eq!(gone(LogEvidence::Unreadable), Proof::Gone);
    }

    proptest! {
        #[test]
        fn guard_arithmetic(
            people in 0_u64..2_000,
            percent in 1_u64..=100,
            with_access in 0_u64..1_000_000,
            listed in 0_u64..5_000,
            missing in 0_u64..5_000,
        ) {
            let rule = GuardRule { people, percent };
            let limit = limit(&rule, with_access);
            prop_assert!(limit >= people && limit * 100 <= (people * 100).max(with_access * percent));
            let verdict = judge(&rule, with_access, listed, missing);
            let everybody = missing > 0 && missing >= with_access;
            prop_assert_eq!(verdict == GuardVerdict::Proceed, listed + missing <= limit && !everybody);
            // Who is shown by the listing needs no sample; who is missing always does.
            prop_assert_eq!(verdict == GuardVerdict::Hold, listed > limit && missing == 0);
            // One removal fewer never makes the verdict worse.
            if verdict == GuardVerdict::Proceed && missing > 0 {
                prop_assert_eq!(judge(&rule, with_access, listed, missing - 1), GuardVerdict::Proceed);
            }
        }
    }

    #[test]
    fn whoever_a_read_by_id_shows_as_in_is_never_proven_out() {
        // One definition of "in": a proof and a listing must not disagree, or a person would come and go with each run.
        let rules = crate::rules::Rules::parse("").expect("rules");
        let today = jiff::civil::Date::constant(2026, 11, 24);
        for status in [
            "STAGED",
            "PROVISIONED",
            "ACTIVE",
            "RECOVERY",
            "PASSWORD_EXPIRED",
            "LOCKED_OUT",
            "SUSPENDED",
            "DEPROVISIONED",
            "ODD",
        ] {
            for assigned in [true, false] {
                let user = OktaUser {
                    id: crate::id::OktaUserId::parse("00u1").expect("an id"),
                    status: OktaStatus::parse(status),
                    created: None,
                    attributes: crate::okta_user::Attributes::default(),
                };
                let want = match crate::scope::scope(&user, assigned, &rules, today) {
                    crate::scope::Scope::Out(reason) => Proof::Out(reason),
                    _ => Proof::StillIn,
                };
                assert_eq!(prove(&ReadById::User { user, assigned }), want, "{status} {assigned}");
            }
        }
    }
}
