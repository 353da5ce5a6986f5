//! The report step: who went from which team to which. Read aside from the run's transactions, because a run that moved many
//! has many entries.

use jiff::Timestamp;
use muster_core::id::RunId;
use muster_core::rename::Move;

use crate::dialect::Sql;
use crate::error::StoreError;
use crate::tenants::TenantDb;
use crate::time::micros;

#[derive(sqlx::FromRow)]
struct MoveRow {
    team_before: String,
    team_after: Option<String>,
    n: i64,
}

/// Pairs of teams looked at: those that more people went between come first.
const PAIRS: i64 = 1_000;

macro_rules! moves {
    ($from:literal) => {
        concat!(
            "SELECT team_before, team_after, COUNT(*) AS n FROM (SELECT ",
            $from,
            ") AS moves WHERE team_before IS NOT NULL GROUP BY team_before, team_after
              ORDER BY n DESC, team_before, team_after LIMIT $3"
        )
    };
}

// The newest entry from before the run is found from the end of the history, so only what came since is passed over.
const DONE: Sql = Sql::differing(
    moves!(
        "JSON_EXTRACT(before, '$.team') AS team_before, JSON_EXTRACT(after, '$.team') AS team_after
         FROM history WHERE tenant_id = $1 AND run_id = $2 AND subject = 'person' AND before LIKE '%\"team\":%'
         AND seq > COALESCE((SELECT seq FROM history WHERE tenant_id = $1 AND at < $4 ORDER BY seq DESC LIMIT 1), 0)"
    ),
    moves!(
        "before::json->>'team' AS team_before, after::json->>'team' AS team_after
         FROM history WHERE tenant_id = $1 AND run_id = $2 AND subject = 'person' AND before LIKE '%\"team\":%'
         AND seq > COALESCE((SELECT seq FROM history WHERE tenant_id = $1 AND at < $4 ORDER BY seq DESC LIMIT 1), 0)"
    ),
);

const FORETOLD: Sql = Sql::differing(
    moves!(
        "JSON_EXTRACT(fields, '$.team[0]') AS team_before, JSON_EXTRACT(fields, '$.team[1]') AS team_after
         FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND fields LIKE '%\"team\":%'"
    ),
    moves!(
        "fields::json->'team'->>0 AS team_before, fields::json->'team'->>1 AS team_after
         FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND fields LIKE '%\"team\":%'"
    ),
);

impl TenantDb {
    /// Between which teams a run that began at `since` moved people, the most first.
    pub async fn team_moves(&self, run: RunId, since: Timestamp) -> Result<Vec<Move>, StoreError> {
        let args = [self.id().into(), run.into(), PAIRS.into(), micros(since).into()];
        let rows: Vec<MoveRow> = self.db().fetch_all(DONE, &args).await?;
        Ok(rows.into_iter().map(Move::from).collect())
    }

    /// Between which teams a preview would move people, the most first.
    pub async fn team_moves_foretold(&self, run: RunId) -> Result<Vec<Move>, StoreError> {
        let args = [self.id().into(), run.into(), PAIRS.into()];
        let rows: Vec<MoveRow> = self.db().fetch_all(FORETOLD, &args).await?;
        Ok(rows.into_iter().map(Move::from).collect())
    }
}

impl From<MoveRow> for Move {
    fn from(row: MoveRow) -> Self {
        Self {
            before: row.team_before,
            after: row.team_after,
            people: u64::try_from(row.n).unwrap_or(0),
        }
    }
}
