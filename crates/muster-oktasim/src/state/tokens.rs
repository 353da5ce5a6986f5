//! API tokens and what they may do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::people::Status;
use super::{Org, Refused};
use crate::dice::Dice;

/// One API token. It carries the rights of the administrator who made it, as they are now.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub value: String,
    /// The administrator behind it; the token dies when they are deactivated.
    pub owner: u32,
    pub state: TokenState,
    /// Rights that differ from "manage everything".
    pub rights: BTreeMap<Area, Right>,
    /// People this token does not see: not in lists, and 404 by id.
    pub hidden: BTreeSet<u32>,
    /// Thirty days without use end a token for good.
    pub last_used: Option<Timestamp>,
}

/// Whether a token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    Ok,
    /// Every call is 401.
    Revoked,
    /// The administrator lost the role: lists are `200 []`, single reads 403.
    NoRole,
}

/// A part of the API that rights are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    Users,
    Groups,
    Apps,
    Logs,
    EventHooks,
    Schemas,
}

/// How far a right goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    None,
    Read,
    Manage,
}

/// Source: Okta's guide on API tokens.
const IDLE_DAYS: i64 = 30;

impl Token {
    /// A new token of this administrator with all rights.
    pub(crate) fn fresh(dice: &mut Dice, owner: u32) -> Self {
        Self {
            value: format!("00{}", dice.token(40)),
            owner,
            state: TokenState::Ok,
            rights: BTreeMap::new(),
            hidden: BTreeSet::new(),
            last_used: None,
        }
    }

    /// What this token may do in an area.
    pub(crate) fn right(&self, area: Area) -> Right {
        self.rights.get(&area).copied().unwrap_or(Right::Manage)
    }
}

/// How a call stands with its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// No credentials at all.
    Missing,
    /// An unknown, revoked or expired token, or one whose administrator is gone.
    Bad,
    /// A working token, by its number.
    Good(usize),
}

impl Org {
    /// Judges an `Authorization` header and notes the use of the token.
    pub(crate) fn access(&mut self, authorization: Option<&str>, now: Timestamp) -> Access {
        let Some(value) = authorization else { return Access::Missing };
        // Okta's Python SDK (3.4.6) leaves out the blank, and works with Okta all the same.
        let Some(value) = value.strip_prefix("SSWS").map(str::trim) else { return Access::Bad };
        let Some(number) = self.tokens.iter().position(|token| token.value == value) else {
            return Access::Bad;
        };
        let token = &self.tokens[number];
        let idle = token.last_used.is_some_and(|used| {
            now.duration_since(used) > SignedDuration::from_hours(24 * IDLE_DAYS)
        });
        let owner_gone =
            self.person(token.owner).is_some_and(|owner| owner.status == Status::Deprovisioned);
        if token.state == TokenState::Revoked || idle || owner_gone {
            return Access::Bad;
        }
        self.tokens[number].last_used = Some(now);
        Access::Good(number)
    }

    /// Changes the first API token: its state, some rights, and whom it does not see.
    pub fn set_token(
        &mut self,
        state: Option<TokenState>,
        rights: &BTreeMap<Area, Right>,
        hidden: Option<&[String]>,
    ) -> Result<(), Refused> {
        let hidden = hidden
            .map(|people| people.iter().map(|who| self.find_person(who)).collect::<Result<_, _>>())
            .transpose()?;
        let token = self.tokens.first_mut().ok_or(Refused::Missing("token"))?;
        if let Some(state) = state {
            token.state = state;
        }
        for (area, right) in rights {
            token.rights.insert(*area, *right);
        }
        if let Some(hidden) = hidden {
            token.hidden = hidden;
        }
        Ok(())
    }
}
