//! Small decisions around signing in: where to go afterwards, how long a session lasts, how often a password may be tried.

use jiff::{SignedDuration, Timestamp};

/// A place within this tenant's site to go to after signing in. Never another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Longest that is kept.
    const LENGTH_MAX: usize = 512;

    /// The start page.
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// A path and query of this site; `None` for whatever a browser might take for another site, and for pages that only make sense
    /// once.
    ///
    /// Browsers take `\` for `/` and leave out tabs and newlines (WHATWG URL, 4.4), so nothing but plain printable characters passes.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>');
        let once = ["sign-", "signed-", "users/auth/", "welcome", "assets/"];
        let good = text.len() <= Self::LENGTH_MAX
            && !rest.starts_with('/')
            && text.chars().all(plain)
            && !once.iter().any(|start| rest.starts_with(start));
        good.then(|| Self(text.to_owned()))
    }

    /// The path and query, beginning with one slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long a session of a tenant lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a click.
    pub idle: SignedDuration,
    /// Altogether.
    pub absolute: SignedDuration,
}

impl SessionLimits {
    /// A working day without a click; a week altogether.
    pub const DEFAULT: Self =
        Self { idle: SignedDuration::from_hours(12), absolute: SignedDuration::from_hours(7 * 24) };

    /// Limits in minutes, each between five minutes and 90 days; `None` when they are not, or when idle is the longer one.
    pub fn of_minutes(idle: i64, absolute: i64) -> Option<Self> {
        const LEAST: i64 = 5;
        const MOST: i64 = 90 * 24 * 60;
        let good = (LEAST..=MOST).contains(&idle) && (idle..=MOST).contains(&absolute);
        good.then(|| Self {
            idle: SignedDuration::from_mins(idle),
            absolute: SignedDuration::from_mins(absolute),
        })
    }

    /// Whether a session that began at `began` and was last used at `used` is over.
    pub fn is_over(self, began: Timestamp, used: Timestamp, now: Timestamp) -> bool {
        now.duration_since(used) >= self.idle || now.duration_since(began) >= self.absolute
    }

    /// Whether the time of its last use is to be noted anew: often enough that nobody is sent away early, and not at each click.
    pub fn is_to_be_noted(self, used: Timestamp, now: Timestamp) -> bool {
        now.duration_since(used) >= (self.idle / 60).min(SignedDuration::from_mins(1))
    }
}

/// How often a password or code may be wrong: so many at once, and then one in a while. One number tells all of it: the moment at
/// which everything is forgotten (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Wrong ones in a row that are answered at once.
    pub at_once: i32,
    /// And then one in this time.
    pub every: SignedDuration,
}

impl Throttle {
    /// For one account from one place in the network: ten, then one in half a minute, which is fewer than 3,000 a day.
    pub const ACCOUNT: Self = Self { at_once: 10, every: SignedDuration::from_secs(30) };
    /// For one account from everywhere. As slow, and with so much room that one place alone never takes it all: else whoever likes
    /// could keep an owner out.
    pub const CEILING: Self = Self { at_once: 100, every: SignedDuration::from_secs(30) };
    /// For one place in the network, whatever the account: an office may share one.
    pub const PLACE: Self = Self { at_once: 30, every: SignedDuration::from_secs(3) };

    /// When one may be tried, if not now.
    pub fn wait(self, forgotten_at: Timestamp, now: Timestamp) -> Option<SignedDuration> {
        let room = self.every * (self.at_once - 1);
        let wait = forgotten_at.duration_since(now) - room;
        wait.is_positive().then_some(wait)
    }

    /// The moment at which everything is forgotten after one more.
    pub fn after_one_more(self, forgotten_at: Timestamp, now: Timestamp) -> Timestamp {
        forgotten_at.max(now) + self.every
    }
}

/// Fewest characters of a password. Source: NIST SP 800-63B-4, 3.1.1.2: fifteen where it is the only factor.
pub const PASSWORD_MIN: usize = 15;
/// Most. More is not safer, and must be hashed.
pub const PASSWORD_MAX: usize = 128;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPassword {
    /// Fewer characters than [`PASSWORD_MIN`].
    TooShort,
    /// More than [`PASSWORD_MAX`].
    TooLong,
    /// It is the address, the company or our name with a little around it, or the same few characters over and over.
    TooObvious,
}

/// A password as it is hashed: the same characters written in another way (composed or not) are the same password.
pub fn normal_password(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.nfkc().collect()
}

/// Whether a new password is good enough. No rules on kinds of characters: length is what counts.
///
/// # Errors
///
/// What is wrong with it.
pub fn judge_password(password: &str, known: &[&str]) -> Result<(), BadPassword> {
    let length = password.chars().count();
    if length < PASSWORD_MIN {
        return Err(BadPassword::TooShort);
    }
    if length > PASSWORD_MAX {
        return Err(BadPassword::TooLong);
    }
    let lower = password.to_lowercase();
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let said = known
        .iter()
        .map(|word| word.to_lowercase())
        .chain(["password", "muster", "qwertyuiop", "1234567890"].map(str::to_owned))
        .filter(|word| word.chars().count() >= 4);
    let mut rest = lower.clone();
    for word in said {
        rest = rest.replace(&word, "");
    }
    if kinds.len() < 5 || rest.chars().count() < 8 {
        return Err(BadPassword::TooObvious);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for good in ["/", "/people?page=2", "/integrations/okta", "/a//b", "/%2f%2fevil.example"] {
            assert_eq!(ReturnTo::parse(good).map(|to| to.0).as_deref(), Some(good));
        }
        for bad in [
            "",
            "people",
            "//evil.example",
            "///evil",
            "/\\evil.example",
            "\\\\evil",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil",
            "/a b",
            "javascript:alert(1)",
            "/é",
            "/sign-in",
            "/sign-out",
            "/users/auth/okta",
            "/welcome",
            "/\"x",
            "/signed-out",
            "@evil.example",
            ".evil.example",
        ] {
            assert_eq!(ReturnTo::parse(bad), None, "{bad:?}");
        }
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(512))), None);
    }

    #[test]
    fn a_session_ends_by_being_idle_or_old() {
        let at = |minutes: i64| Timestamp::from_second(minutes * 60).expect("a time");
        let limits = SessionLimits::of_minutes(60, 600).expect("limits");
        for (began, used, now, over) in [
            (0, 0, 59, false),
            (0, 0, 60, true),
            (0, 599, 599, false),
            (0, 599, 600, true),
            (0, 50, 100, false),
        ] {
            assert_eq!(limits.is_over(at(began), at(used), at(now)), over, "{began} {used} {now}");
        }
        assert_eq!(SessionLimits::of_minutes(4, 600), None);
        assert_eq!(SessionLimits::of_minutes(60, 59), None);
        assert_eq!(SessionLimits::of_minutes(60, 129_601), None);
        assert!(!limits.is_to_be_noted(at(0), at(0)));
        assert!(limits.is_to_be_noted(at(0), at(1)));
    }

    #[test]
    fn wrong_passwords_are_slowed_down() {
        let (mut forgotten, now) =
            (Timestamp::UNIX_EPOCH, Timestamp::from_second(1_000_000).expect("a time"));
        let account = Throttle::ACCOUNT;
        for _ in 0..10 {
            assert_eq!(account.wait(forgotten, now), None);
            forgotten = account.after_one_more(forgotten, now);
        }
        assert_eq!(account.wait(forgotten, now), Some(SignedDuration::from_secs(30)));
        let later = now + SignedDuration::from_secs(30);
        assert_eq!(account.wait(forgotten, later), None);
        forgotten = account.after_one_more(forgotten, later);
        assert!(account.wait(forgotten, later).is_some());
        assert_eq!(account.wait(forgotten, later + SignedDuration::from_mins(5)), None);
    }

    #[test]
    fn a_password_is_long_and_not_obvious() {
        let known = ["ana.ito@fernhill.example", "Fernhill", "Ana", "Ito"];
        for (password, want) in [
            ("correct horse battery", Ok(())),
            ("ein langer Satz über Käse", Ok(())),
            ("fourteen chars", Err(BadPassword::TooShort)),
            ("aaaaaaaaaaaaaaaa", Err(BadPassword::TooObvious)),
            ("abababababababababab", Err(BadPassword::TooObvious)),
            ("FernhillFernhill1!", Err(BadPassword::TooObvious)),
            ("ana.ito@fernhill.example", Err(BadPassword::TooObvious)),
            ("passwordpassword1", Err(BadPassword::TooObvious)),
        ] {
            assert_eq!(judge_password(password, &known), want, "{password}");
        }
        assert_eq!(judge_password(&"ab cd".repeat(26), &known), Err(BadPassword::TooLong));
        assert_eq!(normal_password("e\u{301}"), normal_password("é"));
    }
}
