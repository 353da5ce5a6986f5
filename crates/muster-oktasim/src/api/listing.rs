//! Paging: pages, cursors, `Link` lines, and the faults that a listing may have.

use std::collections::BTreeSet;

use super::Call;
use super::answer::Answer;
use crate::faults::Fault;
use crate::ids::{Kind, Place};
use crate::state::{Org, login_key};

/// How a listing pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    pub default: usize,
    pub max: usize,
    /// Whether a limit above the maximum is refused rather than lowered.
    pub strict: bool,
    /// Served from the search index: a full page always has a `next` link, and a bad cursor has another code.
    pub search: bool,
}

/// One page's place in its listing.
#[derive(Debug)]
pub(crate) struct Page {
    /// The first slot that may be on it.
    pub from: u32,
    pub limit: usize,
    number: u16,
    listing: u16,
    search: bool,
    twist: Option<Fault>,
    omitted: BTreeSet<u32>,
}

/// The slots of a page, and the slot after which the next one begins, if there is more.
#[derive(Debug)]
pub(crate) struct Chosen<T> {
    pub items: Vec<(u32, T)>,
    next: Next,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    None,
    After(u32),
    SameAgain,
}

impl Org {
    /// Reads `limit` and `after`.
    pub(crate) fn page(&mut self, call: &Call<'_>, paging: Paging) -> Result<Page, Answer> {
        let limit = match call.param("limit").map(str::parse::<i64>) {
            None => paging.default,
            Some(Ok(limit)) => match usize::try_from(limit) {
                Ok(limit) if (1..=paging.max).contains(&limit) => limit,
                // Okta's documents name -1 as the default of some listings.
                Err(_) | Ok(0) if !paging.strict => paging.default,
                Ok(_) if !paging.strict => paging.max,
                _ => {
                    let cause = format!("limit: must be between 1 and {}", paging.max);
                    return Err(self.invalid("limit", &cause));
                }
            },
            Some(Err(_)) => return Err(self.invalid("limit", "limit: must be an integer")),
        };
        let limit = limit.min(self.settings.page_cap.unwrap_or(usize::MAX)).max(1);
        let listing = listing_number(call);
        let place = match call.param("after") {
            None | Some("") => None,
            Some(cursor) => match self.ids.place(listing, cursor) {
                Some(place) => Some(place),
                None => return Err(self.bad_cursor(paging.search)),
            },
        };
        let omitted = match &call.twist {
            Some(Fault::Shrunken { people, .. }) => {
                people.iter().filter_map(|who| self.find_person(who).ok()).collect()
            }
            _ => BTreeSet::new(),
        };
        Ok(Page {
            from: place.map_or(0, |place| place.after.saturating_add(1)),
            limit,
            number: place.map_or(1, |place| place.page),
            listing,
            search: paging.search,
            twist: call.twist.clone(),
            omitted,
        })
    }

    /// The `Link` lines of a page.
    pub(crate) fn link<T>(
        &self,
        call: &Call<'_>,
        page: &Page,
        chosen: &Chosen<T>,
    ) -> Vec<(&'static str, String)> {
        let current = call.param("after").filter(|cursor| !cursor.is_empty());
        let mut links = vec![("self", self.page_url(call, current, page.limit))];
        let cursor = match chosen.next {
            Next::None => None,
            Next::SameAgain => current.map(str::to_owned),
            Next::After(after) => {
                let place = Place { after, page: page.number.saturating_add(1) };
                Some(self.ids.cursor(page.listing, place))
            }
        };
        if let Some(cursor) = cursor {
            links.push(("next", self.page_url(call, Some(&cursor), page.limit)));
        }
        links
    }

    /// A URL of the listing: `after` first, then `limit`, then the caller's other parameters. Source: recordings.
    fn page_url(&self, call: &Call<'_>, after: Option<&str>, limit: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(after) = after {
            query.append_pair("after", after);
        }
        match call.param("limit") {
            Some(limit) => query.append_pair("limit", limit),
            None => query.append_pair("limit", &limit.to_string()),
        };
        for (name, value) in &call.query {
            if name != "after" && name != "limit" {
                query.append_pair(name, value);
            }
        }
        format!("{}{}?{}", self.base, call.path, query.finish())
    }
}

impl Page {
    /// Picks the items of this page out of the listing, which `from` gives from a slot on.
    ///
    /// Costs what the page holds, however long the listing is, unless a fault asks for more.
    pub(crate) fn choose<T, I: Iterator<Item = (u32, T)>>(
        &self,
        from: impl Fn(u32) -> I,
    ) -> Chosen<T> {
        let limit = match &self.twist {
            Some(Fault::EmptyList) => return Chosen { items: Vec::new(), next: Next::None },
            Some(Fault::RepeatedPage) if self.from > 0 => return self.again(&from),
            Some(Fault::ShortPage(items)) => self.limit.min((*items).max(1)),
            _ => self.limit,
        };
        let skipped = match &self.twist {
            Some(Fault::Shrunken { first, .. }) if *first > 0 => {
                from(0).nth(first - 1).map_or(u32::MAX, |(slot, _)| slot.saturating_add(1))
            }
            _ => 0,
        };
        let mut items: Vec<(u32, T)> = Vec::with_capacity(limit.min(1000));
        let mut listing =
            from(self.from.max(skipped)).filter(|(slot, _)| !self.omitted.contains(slot));
        items.extend(listing.by_ref().take(limit));
        let full = items.len() == limit;
        let more = if self.search { full } else { full && listing.next().is_some() };
        let last = items.last().map(|(slot, _)| *slot);
        if matches!(self.twist, Some(Fault::DuplicatePerson)) && self.from > 0 {
            let before = from(self.from - 1).next().filter(|(slot, _)| *slot == self.from - 1);
            items.splice(0..0, before);
        }
        let ends = matches!(self.twist, Some(Fault::EndsEarly));
        let next = match last {
            Some(last) if more && !ends => Next::After(last),
            _ => Next::None,
        };
        Chosen { items, next }
    }

    /// The page before this one, once more, with the link that led here.
    fn again<T, I: Iterator<Item = (u32, T)>>(&self, from: impl Fn(u32) -> I) -> Chosen<T> {
        let mut before: Vec<(u32, T)> = from(0).take_while(|(slot, _)| *slot < self.from).collect();
        let items = before.split_off(before.len().saturating_sub(self.limit));
        Chosen { items, next: Next::SameAgain }
    }
}

/// A number for a listing, so that its cursors fit no other.
fn listing_number(call: &Call<'_>) -> u16 {
    let mut name = call.path.to_owned();
    for part in ["search", "filter", "sortBy"] {
        name.push('?');
        name.push_str(call.param(part).unwrap_or_default());
    }
    u16::try_from(login_key(&name) & 0xFFFF).unwrap_or_default()
}

/// Writes a page as a JSON array.
pub(crate) fn array<T>(
    items: &[(u32, T)],
    each: usize,
    mut write: impl FnMut(&mut Vec<u8>, u32, &T),
) -> Vec<u8> {
    let mut body = Vec::with_capacity(items.len() * each + 2);
    body.push(b'[');
    for (place, (slot, item)) in items.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        write(&mut body, *slot, item);
    }
    body.push(b']');
    body
}

impl Org {
    /// The slot that an id in a path means, for things whose ids are numbers of this kind.
    pub(crate) fn number(&self, kind: Kind, text: &str) -> Option<u32> {
        self.ids.number(kind, text)
    }
}
