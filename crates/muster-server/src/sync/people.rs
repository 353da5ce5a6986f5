//! The people step: plan a stretch of the listing, apply it, go on.

use std::collections::BTreeMap;

use muster_core::matching::{Facts, Pairing};
use muster_core::person::Person;
use muster_core::plan::{EmailStep, Row, plan};
use muster_core::run::RunPhase;
use muster_store::error::StoreError;
use muster_store::history::Write;
use muster_store::phases::people::{self as query, Stretch};

use super::apply::Work;
use super::job::{Job, RunError};

/// People whose marks are compared in one step; a compare costs a few microseconds inside the database.
const SCAN: i64 = 2_000;
/// People who are planned and written in one step: large enough that the commit vanishes, small enough that the one writer of
/// SQLite is not held longer than some milliseconds.
const BATCH: i64 = 1_000;

/// A decision by hand, as it is stored.
pub(super) fn decided(same: bool, person: Person) -> Pairing {
    if same { Pairing::Same(person) } else { Pairing::Different(person.id) }
}

impl Job<'_> {
    pub(super) async fn people(&mut self) -> Result<(), RunError> {
        let namesakes = {
            let mut write = self.step().await?;
            let some = query::has_namesakes(&mut write).await?;
            self.commit(write).await?;
            some
        };
        loop {
            let mut write = self.step().await?;
            let after =
                self.run.cursor.as_deref().and_then(|place| place.parse().ok()).unwrap_or(0);
            let stretch = query::next_stretch(
                &mut write,
                self.run.id,
                after,
                self.run.rules_revision,
                self.today,
                SCAN,
                BATCH,
            )
            .await?;
            let Some(end) = stretch.end else {
                self.run.phase = RunPhase::Emails;
                self.run.cursor = None;
                self.commit(write).await?;
                return Ok(());
            };
            self.run.counts.unchanged += stretch.unchanged;
            if !stretch.rows.is_empty() {
                let batch = self.plan_stretch(&mut write, stretch, after, namesakes).await?;
                let (waiting, ready): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|work| work.planned.waits_for_email);
                let waiting: Vec<_> =
                    waiting.into_iter().map(|work| work.planned.okta_user_id).collect();
                query::defer(&mut write, self.run.id, &waiting).await?;
                self.apply(&mut write, &ready).await?;
            }
            self.run.cursor = Some(end.to_string());
            self.commit(write).await?;
        }
    }

    async fn plan_stretch(
        &self,
        write: &mut Write,
        stretch: Stretch,
        after: i64,
        namesakes: bool,
    ) -> Result<Vec<Work>, StoreError> {
        let Some(end) = stretch.end else { return Ok(Vec::new()) };
        let run = self.run.id;
        let mut known = if stretch.known {
            query::known(write, run, after, end).await?
        } else {
            BTreeMap::default()
        };
        let mut holders = query::holders(write, run, after, end).await?;
        let mut alike = if namesakes {
            query::namesakes(write, run, after, end).await?
        } else {
            BTreeMap::default()
        };
        let mut pairings = query::pairings(write, run, after, end).await?;
        let (rows, marks): (Vec<Row>, Vec<_>) = stretch
            .rows
            .into_iter()
            .map(|staged| {
                let id = staged.user.id.as_str();
                let facts = Facts {
                    email_winner: staged.email_winner,
                    holder: holders.remove(id),
                    // Asked only once it is clear that the holder keeps the address.
                    holder_listed: false,
                    namesakes: alike.remove(id).unwrap_or_default(),
                    pairing: pairings.remove(id).map(|(same, person)| decided(same, person)),
                };
                let known = known.remove(id);
                (Row { known, facts, read: staged.user }, (staged.hash, staged.observed_at))
            })
            .unzip();
        let planned = plan(&rows, &self.rules, self.today, self.now(), EmailStep::Defer);
        Ok(rows
            .into_iter()
            .zip(planned)
            .zip(marks)
            .map(|((row, planned), (hash, observed_at))| Work { row, planned, hash, observed_at })
            .collect())
    }
}
