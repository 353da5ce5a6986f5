//! The managers step: who each manager value means, now that everybody is there.

use muster_core::id::{ChangeId, PersonId};
use muster_core::rules::ManagerMode;
use muster_core::run::{RunKind, RunPhase};
use muster_store::history::{By, Subject, Write};
use muster_store::phases::managers::{self as query, Moved};

use super::job::{Job, RunError};

/// People whose manager is compared in one step.
const SCAN: i64 = 2_000;

/// Where the managers step stands: the history number it expects if nobody else writes, and the last person compared.
struct Cursor {
    seq: i64,
    after: Option<PersonId>,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (seq, after) = text.split_once(' ')?;
        let after = if after.is_empty() { None } else { Some(after.parse().ok()?) };
        Some(Self { seq: seq.parse().ok()?, after })
    }

    fn text(&self) -> String {
        format!("{} {}", self.seq, self.after.map(|id| id.to_string()).unwrap_or_default())
    }
}

impl Job<'_> {
    pub(super) async fn managers(&mut self) -> Result<(), RunError> {
        if self.is_preview() || self.rules.manager == ManagerMode::Off {
            return Ok(self.enter(RunPhase::Missing, None).await?);
        }
        if self.run.kind == RunKind::Person && !self.rules.manager_by_name {
            return self.managers_near().await;
        }
        loop {
            let mut write = self.step().await?;
            let cursor = self.run.cursor.as_deref().and_then(Cursor::parse);
            if cursor.is_none() && !query::due(&mut write).await? {
                self.commit(write).await?;
                break;
            }
            let cursor = cursor.unwrap_or(Cursor { seq: write.seq(), after: None });
            let Some(end) = query::stretch_end(&mut write, cursor.after, SCAN).await? else {
                self.first_members(&mut write, cursor.seq).await?;
                self.run.phase = RunPhase::Missing;
                self.run.cursor = None;
                self.commit(write).await?;
                return Ok(());
            };
            let moved =
                query::moved(&mut write, cursor.after, end, self.rules.manager_by_name).await?;
            query::set(&mut write, &moved).await?;
            for one in &moved {
                self.record_manager(&mut write, *one);
            }
            let seq = cursor.seq + i64::try_from(moved.len()).unwrap_or(0);
            self.run.cursor = Some(Cursor { seq, after: Some(end) }.text());
            self.commit(write).await?;
        }
        Ok(self.enter(RunPhase::Missing, None).await?)
    }

    /// What the people of this run change about managers. What needs everybody (a number that is no longer unique, say) is left
    /// to the next full run, which finds `managers_seq` behind.
    async fn managers_near(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        let moved = query::moved_near(&mut write, self.run.id).await?;
        query::set(&mut write, &moved).await?;
        for one in &moved {
            self.record_manager(&mut write, *one);
        }
        self.run.phase = RunPhase::Missing;
        self.run.cursor = None;
        Ok(self.commit(write).await?)
    }

    /// The mode in which a team takes its first member's manager, and the end of the step.
    async fn first_members(&mut self, write: &mut Write, mut seq: i64) -> Result<(), RunError> {
        if self.rules.manager == ManagerMode::Team {
            for first in query::first_managers(write).await? {
                query::set_first(write, first).await?;
                let after = serde_json::json!({"manager": first.manager.to_string(), "source": "first_member"});
                self.record(
                    write,
                    Subject::Team(first.team),
                    "manager",
                    None,
                    Some(after.to_string()),
                );
                seq += 1;
            }
        }
        if write.seq() == seq {
            query::settled(write, seq).await?;
        }
        Ok(())
    }

    fn record_manager(&mut self, write: &mut Write, moved: Moved) {
        let side = |id: Option<PersonId>| {
            serde_json::json!({"manager": id.map(|id| id.to_string())}).to_string()
        };
        let (before, after) = (Some(side(moved.before)), Some(side(moved.after)));
        self.record(write, Subject::Person(moved.person), "manager", before, after);
    }

    pub(super) fn record(
        &mut self,
        write: &mut Write,
        subject: Subject,
        kind: &'static str,
        before: Option<String>,
        after: Option<String>,
    ) {
        let now = self.now();
        let by = By {
            actor: &self.run.actor,
            cause: self.run.cause.as_str(),
            run: Some(self.run.id),
            reason: None,
        };
        let id = self.ids.next::<ChangeId>(now);
        write.record_by(id, by, subject, kind, before, after);
    }
}
