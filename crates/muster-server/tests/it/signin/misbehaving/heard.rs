//! What the service logs while a test plays, all of it on the one thread of the test.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

type Line = BTreeMap<&'static str, String>;

/// The log of this thread, for as long as the value lives.
pub(super) struct Heard {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

/// Lines that were logged.
pub(super) struct Logged(Vec<Line>);

impl Heard {
    pub(super) fn begin() -> Self {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone());
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines since they were last taken.
    pub(super) fn take(&self) -> Logged {
        Logged(std::mem::take(&mut self.lines.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Logged {
    /// The causes of refused sign-ins, in order.
    pub(super) fn refusals(&self) -> Vec<&str> {
        let refused = self.0.iter().filter(|line| {
            line.get("message").is_some_and(|text| text == "a sign-in with Okta was refused")
        });
        refused.filter_map(|line| line.get("code")).map(String::as_str).collect()
    }

    /// A line that has this text in it.
    pub(super) fn line_with(&self, text: &str) -> Option<String> {
        let found = self.0.iter().find(|line| line.values().any(|value| value.contains(text)));
        found.map(|line| format!("{line:?}"))
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("muster") {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fields.0);
        }
    }
}

#[derive(Default)]
struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
