//! How many tests passed and failed, from what the test runners say themselves.

/// Counts of tests that were run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Results {
    /// The plain last line of a test run.
    pub(crate) fn line(self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }

    /// Adds what one line of `cargo test` says, if it is a result: `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn add_libtest(&mut self, line: &str) {
        let Some(rest) = line.trim_start().strip_prefix("test result:") else { return };
        let count = |word: &str| {
            let before = rest.split(word).next().filter(|before| before.len() < rest.len())?;
            before.trim_end().rsplit(' ').next()?.parse::<u64>().ok()
        };
        self.passed += count(" passed").unwrap_or(0);
        self.failed += count(" failed").unwrap_or(0);
    }

    /// Reads the JUnit report of cargo-nextest: the counts in its outermost element.
    pub(crate) fn of_junit(report: &str) -> Option<Self> {
        let (_, rest) = report.split_once("<testsuites ")?;
        let element = rest.split('>').next()?;
        let count = |name: &str| {
            let (_, value) = element.split_once(&format!(" {name}=\""))?;
            value.split('"').next()?.parse::<u64>().ok()
        };
        let failed = count("failures")? + count("errors")?;
        Some(Self { passed: count("tests")?.checked_sub(failed)?, failed })
    }
}

impl std::ops::AddAssign for Results {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines() {
        let mut results = Results::default();
        results.add_libtest("running 3 tests");
        results.add_libtest(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
        );
        results.add_libtest("test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured");
        assert_eq!(results, Results { passed: 15, failed: 2 });
        assert_eq!(results.line(), "15 passed, 2 failed");
    }

    #[test]
    fn junit_reports() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="nextest-run" tests="7" failures="2" errors="1" uuid="x" time="0.1">
                <testsuite name="a" tests="7" failures="2" errors="1">"#;
        assert_eq!(Results::of_junit(report), Some(Results { passed: 4, failed: 3 }));
        assert_eq!(Results::of_junit("<testsuites name=\"x\">"), None);
        assert_eq!(Results::of_junit(""), None);
    }
}
