//! The report step: teams that look renamed in Okta.

use std::collections::BTreeMap;

use muster_core::name::Name;
use muster_core::problem::{Problem, ProblemCode};
use muster_core::rename::candidates;

use super::job::{Job, RunError, problem};

/// Renames named in a hint.
const NAMED: usize = 3;

impl Job<'_> {
    /// The teams whose people this run moved nearly all to one other team that has nearly nobody else. Read outside of any
    /// transaction, before the report is written.
    pub(super) async fn renames(&mut self) -> Result<Option<Problem>, RunError> {
        let counts = self.run.counts;
        if self.run.approves.is_some() || counts.updated + counts.linked + counts.reactivated == 0 {
            return Ok(None);
        }
        self.flush().await?;
        let moves = if self.is_preview() {
            self.db.team_moves_foretold(self.run.id).await?
        } else {
            let since = self.run.read_started_at.unwrap_or(self.run.queued_at);
            self.db.team_moves(self.run.id, since).await?
        };
        let found = candidates(&moves);
        if found.is_empty() {
            return Ok(None);
        }
        let teams = self.db.teams().await?;
        let sizes: BTreeMap<String, u64> = teams
            .into_iter()
            .filter_map(|team| Some((Name::parse(&team.name)?.key().to_owned(), team.people)))
            .collect();
        let size = |name: &Name| sizes.get(name.key()).copied().unwrap_or(0);
        let (mut people, mut told, mut more) = (0, Vec::new(), 0);
        for one in found {
            // A preview has moved nobody yet.
            let (of, now) = if self.is_preview() {
                (size(&one.before).max(one.left), size(&one.after) + one.people)
            } else {
                (size(&one.before) + one.left, size(&one.after))
            };
            if !one.looks_like_a_rename(of, now) {
                continue;
            }
            people += one.people;
            if told.len() < NAMED {
                let (before, after) = (one.before.shown(), one.after.shown());
                told.push(format!("{} of {of} moved from {before} to {after}", one.people));
            } else {
                more += 1;
            }
        }
        if told.is_empty() {
            return Ok(None);
        }
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        Ok(Some(problem(ProblemCode::TeamRenameLikely, people, &told.join("; "))))
    }
}
