//! Rate limits: buckets per family of endpoints, counted in windows.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A family of endpoints that share a bucket. Source: Okta's table of default limits as last published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Users,
    User,
    Groups,
    Group,
    Apps,
    App,
    Logs,
    OAuth,
    Other,
}

/// Which limits an org has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Never reached.
    #[default]
    None,
    /// A free org.
    Integrator,
    /// A paid Workforce org.
    Workforce,
}

impl Preset {
    /// Reads the name used on the command line.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "integrator" => Some(Self::Integrator),
            "workforce" => Some(Self::Workforce),
            _ => None,
        }
    }

    fn per_window(self, family: Family) -> u32 {
        let (integrator, workforce) = match family {
            Family::Users => (100, 600),
            Family::User => (100, 2000),
            Family::Groups | Family::App => (100, 500),
            Family::Group => (100, 1000),
            Family::Apps => (20, 100),
            Family::Logs => (20, 120),
            Family::OAuth => (300, 2000),
            Family::Other => (100, 1200),
        };
        match self {
            Self::None => 1_000_000,
            Self::Integrator => integrator,
            Self::Workforce => workforce,
        }
    }

    fn concurrent(self) -> u32 {
        match self {
            Self::None => u32::MAX,
            Self::Integrator => 15,
            Self::Workforce => 75,
        }
    }
}

/// Limits and what was used of them.
#[derive(Debug, Clone)]
pub struct Limits {
    pub preset: Preset,
    /// Limits that differ from the preset.
    pub overrides: BTreeMap<Family, u32>,
    /// How long a window is; Okta's is a minute.
    pub window_seconds: u32,
    /// How many calls may run at once; the preset's number when nothing is set.
    pub concurrent: Option<u32>,
    buckets: BTreeMap<Family, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// When the window ends, in whole seconds since 1970.
    reset: i64,
    used: u32,
}

/// What the three headers of an answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub limit: u32,
    pub remaining: u32,
    /// UTC epoch seconds.
    pub reset: i64,
    pub allowed: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            preset: Preset::None,
            overrides: BTreeMap::new(),
            window_seconds: 60,
            concurrent: None,
            buckets: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// Counts one call and says whether it may be answered.
    ///
    /// `in_flight` is how many calls run at this moment, this one included. A refusal for concurrency shows limit 0 and
    /// remaining 0, and its reset lies far ahead. Source: an issue of the Node SDK.
    pub fn count(&mut self, family: Family, in_flight: u32, now: Timestamp) -> Verdict {
        let concurrent = self.concurrent.unwrap_or_else(|| self.preset.concurrent());
        if in_flight > concurrent {
            return Verdict {
                limit: 0,
                remaining: 0,
                reset: now.as_second() + 300,
                allowed: false,
            };
        }
        let limit = self.overrides.get(&family).copied().unwrap_or(self.preset.per_window(family));
        let window = i64::from(self.window_seconds.max(1));
        let bucket = self.buckets.entry(family).or_insert(Bucket { reset: 0, used: 0 });
        if now.as_second() >= bucket.reset {
            *bucket = Bucket { reset: now.as_second() + window, used: 0 };
        }
        let allowed = bucket.used < limit;
        bucket.used += u32::from(allowed);
        Verdict { limit, remaining: limit - bucket.used.min(limit), reset: bucket.reset, allowed }
    }

    /// A refusal that no bucket asked for: for faults.
    pub fn refusal(&self, family: Family, now: Timestamp) -> Verdict {
        let limit = self.overrides.get(&family).copied().unwrap_or(self.preset.per_window(family));
        let wait = SignedDuration::from_secs(i64::from(self.window_seconds.max(1)));
        let reset = now.checked_add(wait).unwrap_or(now).as_second();
        Verdict { limit, remaining: 0, reset, allowed: false }
    }

    /// Forgets what was used.
    pub fn refill(&mut self) {
        self.buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_bucket_empties_and_fills_again_with_the_next_window() {
        let mut limits = Limits { window_seconds: 10, ..Limits::default() };
        limits.overrides.insert(Family::Users, 2);
        let seen: Vec<(bool, u32)> = [0, 1, 2, 9, 10]
            .iter()
            .map(|second| limits.count(Family::Users, 1, at(*second)))
            .map(|verdict| (verdict.allowed, verdict.remaining))
            .collect();
        assert_eq!(seen, [(true, 1), (true, 0), (false, 0), (false, 0), (true, 1)]);
    }

    #[test]
    fn too_many_calls_at_once_show_zeros() {
        let mut limits = Limits { concurrent: Some(2), ..Limits::default() };
        let verdict = limits.count(Family::Users, 3, at(0));
        assert_eq!((verdict.limit, verdict.remaining, verdict.allowed), (0, 0, false));
    }
}
