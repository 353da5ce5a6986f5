//! The System Log, polled: a second net under the event hooks.

use jiff::Timestamp;

use crate::client::{OktaClient, Page, PageLink, log_time};
use crate::error::OktaError;
use crate::request::encoded;
use crate::wire::LogEvent;

/// Most events on a page of the log. Source: management API, `listLogEvents`.
pub const LOG_PAGE_MAX: u32 = 1000;

/// The path of the log; a stored link of another listing is not followed.
const PATH: &str = "/api/v1/logs";

/// Where a poll begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFrom<'a> {
    /// With the events that were published from then on. The first time, or after a cursor was lost.
    Since(Timestamp),
    /// With those that came into the log after the page whose `next` this was.
    After(&'a PageLink),
}

/// One page of the polled log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// In the order in which they came into the log; `published` may go back and forth.
    pub events: Vec<LogEvent>,
    /// Where the next poll goes on; never without one, so that it can be stored whatever the page holds.
    pub next: PageLink,
    /// Whether more may be waiting already: the page was full.
    pub more: bool,
}

impl OktaClient {
    /// Polls the System Log: one page of the events of these types, in the order in which they came into the log, so that what
    /// arrives late is not missed.
    ///
    /// A poll has no end in time: `next` is there under an empty page too. A link carries its filter and its page size; to
    /// change the types, begin again with [`LogFrom::Since`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadCursor`](crate::ErrorKind::BadCursor) when the stored link is no longer good (400), or is of another
    /// listing: begin again with [`LogFrom::Since`] and some overlap. [`ErrorKind::Rights`](crate::ErrorKind::Rights) when the token may not read the
    /// log. [`ErrorKind::BadRequest`](crate::ErrorKind::BadRequest) for a `since` of more than 180 days ago; what is older than 90 days is gone without a word.
    pub async fn logs_poll(
        &self,
        from: LogFrom<'_>,
        event_types: &[&str],
        limit: u32,
    ) -> Result<LogPage, OktaError> {
        const DOING: &str = "polling the System Log";
        let limit = limit.clamp(1, LOG_PAGE_MAX);
        let (path, asked) = match from {
            LogFrom::Since(since) => (first_path(since, &type_filter(event_types), limit), limit),
            LogFrom::After(link) if link.path() == PATH => {
                (link.as_str().to_owned(), limit_of(link).unwrap_or(limit))
            }
            LogFrom::After(_) => return Err(OktaError::OtherListing { doing: DOING }),
        };
        let own = PageLink::parse(&path).ok();
        let page: Page<LogEvent> = self.page(DOING, path).await?;
        let more = page.items.len() >= asked as usize;
        // Okta promises a next link on every page of a poll. Should one be missing, the same page is asked for again: events
        // may then come twice, and none is lost.
        let next = page.next.or(own).ok_or(OktaError::OtherListing { doing: DOING })?;
        if next.path() != PATH {
            return Err(OktaError::OtherListing { doing: DOING });
        }
        Ok(LogPage { events: page.items, next, more })
    }
}

fn first_path(since: Timestamp, filter: &str, limit: u32) -> String {
    let since = encoded(&log_time(since));
    let mut path = format!("{PATH}?since={since}&sortOrder=ASCENDING&limit={limit}");
    if !filter.is_empty() {
        path.push_str("&filter=");
        path.push_str(&encoded(filter));
    }
    path
}

fn type_filter(event_types: &[&str]) -> String {
    let types = event_types.iter().map(|kind| format!("eventType eq \"{kind}\""));
    types.collect::<Vec<_>>().join(" or ")
}

fn limit_of(link: &PageLink) -> Option<u32> {
    crate::request::query_value(link.as_str(), "limit")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_each_type() {
        assert_eq!(type_filter(&[]), "");
        assert_eq!(
            type_filter(&["user.lifecycle.create", "group.lifecycle.delete"]),
            "eventType eq \"user.lifecycle.create\" or eventType eq \"group.lifecycle.delete\""
        );
    }
}
