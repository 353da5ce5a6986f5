//! `/api/v1/logs`: the System Log, polled or read between two moments.

use std::cell::LazyCell;
use std::sync::Arc;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Call;
use super::answer::Answer;
use super::filter::{BadFilter, Filter, Op};
use crate::faults::Fault;
use crate::ids::Place;
use crate::state::Org;
use crate::state::log::Entry;

const DEFAULT: usize = 100;
const MAX: usize = 1000;
/// A number for the log's cursors, so that they fit no other listing.
const LISTING: u16 = 0x1065;

/// What a request asks for.
#[derive(Debug)]
struct Wanted {
    since: Timestamp,
    until: Option<Timestamp>,
    filter: Option<Filter>,
    keywords: Vec<String>,
    descending: bool,
    from: u64,
    page: u16,
    limit: usize,
}

impl Org {
    pub(crate) fn logs(&mut self, call: &Call<'_>) -> Answer {
        if call.parts.len() > 1 {
            return self.no_such_path();
        }
        if call.method != Method::GET {
            return self.wrong_method();
        }
        let wanted = match self.wanted(call) {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        // Polling: ascending and open-ended. It never ends: the next link is there even under an empty page.
        let polling = wanted.until.is_none() && !wanted.descending;
        let (entries, next) = self.entries(&wanted, call.now);
        let events: Vec<String> =
            entries.iter().map(|entry| entry.log_json().to_string()).collect();
        let body = format!("[{}]", events.join(",")).into_bytes();
        let own = format!("{}{}", self.base, call.request.target);
        let mut links = vec![("self", own)];
        if polling || next.is_some() {
            let after = next.unwrap_or(wanted.from);
            links.push(("next", self.log_url(call, after, wanted.page)));
        }
        Answer { links, ..Answer::json(200, body) }
    }

    fn wanted(&mut self, call: &Call<'_>) -> Result<Wanted, Answer> {
        let limit = match call.param("limit").map(str::parse::<usize>) {
            None => DEFAULT,
            Some(Ok(limit)) if limit <= MAX => limit,
            Some(_) => return Err(self.invalid("limit", "limit: must be between 0 and 1000")),
        };
        if call.param("since").is_some() && call.param("after").is_some() {
            return Err(self.bad_log("The since and after parameters are mutually exclusive"));
        }
        let until = self.moment(call.param("until"))?;
        let since = self.moment(call.param("since"))?;
        let now = call.now;
        if since
            .is_some_and(|since| now.duration_since(since) > SignedDuration::from_hours(24 * 180))
        {
            return Err(
                self.bad_log("The since parameter is over 180 days prior to the current day")
            );
        }
        let week = SignedDuration::from_hours(24 * 7);
        let from = until.unwrap_or(now).checked_sub(week).unwrap_or(now);
        let filter = match call.param("filter").map(Filter::parse) {
            None => None,
            Some(Ok(filter)) => Some(filter),
            Some(Err(_)) => return Err(self.bad_log("Invalid filter expression")),
        };
        match filter.as_ref().map(|filter| filter.check(&known)) {
            Some(Err(BadFilter::Operator(attribute))) => {
                let cause = format!("field/operator pair not supported: {attribute}");
                return Err(self.error(400, "E0000031", "Invalid search criteria.", &[&cause]));
            }
            Some(Err(_)) => return Err(self.bad_log("Invalid field in the filter expression")),
            _ => {}
        }
        let q = call.param("q").unwrap_or_default();
        let keywords: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
        if keywords.len() > 10 || keywords.iter().any(|word| word.chars().count() > 40) {
            return Err(self.invalid("q", "q: at most 10 keywords of at most 40 characters"));
        }
        let place = match call.param("after") {
            None | Some("") => None,
            Some(cursor) => match self.ids.place(LISTING, cursor) {
                Some(place) => Some(place),
                None => return Err(self.bad_cursor(true)),
            },
        };
        let limit = match call.twist {
            Some(Fault::ShortPage(items)) => limit.min(items.max(1)),
            Some(Fault::EmptyList) => 0,
            _ => limit,
        };
        Ok(Wanted {
            // A cursor already stands behind the lower bound of the request that gave it.
            since: since.unwrap_or(if place.is_some() { Timestamp::UNIX_EPOCH } else { from }),
            until,
            filter,
            keywords,
            descending: call
                .param("sortOrder")
                .is_some_and(|order| order.eq_ignore_ascii_case("descending")),
            from: place.map_or(0, |place| u64::from(place.after)),
            page: place.map_or(1, |place| place.page),
            limit,
        })
    }

    /// The events of a page, and where the next page begins if this one is full or the request polls.
    fn entries(&self, wanted: &Wanted, now: Timestamp) -> (Vec<&Arc<Entry>>, Option<u64>) {
        let lag = SignedDuration::from_secs(i64::from(self.settings.log_delay_seconds));
        let visible = |entry: &&Arc<Entry>| now.duration_since(entry.published) >= lag;
        let matches = |entry: &&Arc<Entry>| {
            entry.published >= wanted.since
                && wanted.until.is_none_or(|until| entry.published <= until)
                && (wanted.filter.is_none() && wanted.keywords.is_empty() || fits(entry, wanted))
        };
        if wanted.descending {
            let top = if wanted.page == 1 { u64::MAX } else { wanted.from };
            let mut found = self.log.from(0).rev().filter(|entry| entry.number < top);
            let found: Vec<&Arc<Entry>> =
                found.by_ref().filter(visible).filter(matches).take(wanted.limit).collect();
            let full = found.len() == wanted.limit && wanted.limit > 0;
            let next = found.last().map(|entry| entry.number).filter(|_| full);
            return (found, next);
        }
        let mut found = Vec::new();
        let mut end = wanted.from;
        for entry in self.log.from(wanted.from).take_while(visible) {
            if found.len() == wanted.limit {
                return (found, Some(end));
            }
            if matches(&entry) {
                found.push(entry);
            }
            end = entry.number + 1;
        }
        let polling = wanted.until.is_none();
        let full = found.len() == wanted.limit && wanted.limit > 0;
        (found, (polling || full).then_some(end))
    }

    fn log_url(&self, call: &Call<'_>, after: u64, page: u16) -> String {
        let place =
            Place { after: u32::try_from(after).unwrap_or(u32::MAX), page: page.saturating_add(1) };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("after", &self.ids.cursor(LISTING, place));
        for (name, value) in &call.query {
            // The cursor takes the place of the lower bound: the two exclude each other.
            if name != "after" && name != "since" {
                query.append_pair(name, value);
            }
        }
        format!("{}{}?{}", self.base, call.path, query.finish())
    }

    fn moment(&mut self, text: Option<&str>) -> Result<Option<Timestamp>, Answer> {
        match text.filter(|text| !text.is_empty()).map(str::parse::<Timestamp>) {
            None => Ok(None),
            Some(Ok(at)) => Ok(Some(at)),
            Some(Err(_)) => {
                let summary = "Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZZ, \
                               e.g. 2013-01-01T12:00:00.000-07:00.";
                Err(self.error(400, "E0000030", summary, &[]))
            }
        }
    }

    fn bad_log(&mut self, cause: &str) -> Answer {
        self.error(400, "E0000053", "The system log query is not valid.", &[cause])
    }
}

/// What the log's filter knows. `published` cannot be filtered, `changeDetails` not queried.
fn known(attribute: &str, op: Op) -> Result<(), BadFilter> {
    let roots = [
        "eventType",
        "legacyEventType",
        "uuid",
        "severity",
        "displayMessage",
        "version",
        "actor.",
        "target.",
        "outcome.",
        "transaction.",
        "client.",
        "debugContext.",
        "request.",
        "authenticationContext.",
        "securityContext.",
    ];
    if attribute == "published" {
        return Err(BadFilter::Operator(attribute.to_owned()));
    }
    if attribute.contains("changeDetails") || !roots.iter().any(|root| attribute.starts_with(root))
    {
        return Err(BadFilter::Attribute(attribute.to_owned()));
    }
    match op {
        Op::Gt | Op::Ge | Op::Lt | Op::Le => Err(BadFilter::Operator(attribute.to_owned())),
        _ => Ok(()),
    }
}

fn fits(entry: &Entry, wanted: &Wanted) -> bool {
    // What most filters ask for needs no rendering: a log is long, and most of it is about something else.
    let rendered = LazyCell::new(|| entry.log_json());
    let filtered = wanted.filter.as_ref().is_none_or(|filter| {
        filter.matches(&|name| match name {
            "eventType" => vec![entry.event.kind.event_type().into()],
            "target.id" => {
                entry.event.targets.iter().map(|target| target.id.as_str().into()).collect()
            }
            _ => values(&rendered, name),
        })
    });
    if !filtered || wanted.keywords.is_empty() {
        return filtered;
    }
    let text = rendered.to_string().to_lowercase();
    wanted.keywords.iter().all(|word| text.contains(word))
}

/// All values at a dotted path, lists along the way entered.
fn values(event: &Value, path: &str) -> Vec<Value> {
    let mut found = vec![event];
    for part in path.split('.') {
        found = found
            .into_iter()
            .flat_map(|value| match value {
                Value::Array(items) => items.iter().collect(),
                other => vec![other],
            })
            .map(|value| &value[part])
            .collect();
    }
    found.into_iter().cloned().collect()
}
