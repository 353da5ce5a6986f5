//! The database is full, or held by somebody: Okta is asked to come again, and nothing is half there.

use muster_store::TenantDb;
use muster_store::jobs::kind;

use crate::support::{Ground, On, SECRET, Served, delivery, one};

/// Rows of everything that a delivery writes, once nothing is on its way.
async fn rows(ground: &Ground, served: &Served) -> Vec<usize> {
    served.settled().await;
    let tables = ground.tables();
    let mut rows = Vec::new();
    for table in ["okta_events", "jobs", "hook_asides", "runs"] {
        rows.push(tables.dump(table).await.len());
    }
    rows
}

async fn counted(tenant: &TenantDb) -> (i64, i64) {
    let state = tenant.hook_state().await.expect("a state");
    (state.deliveries, state.events)
}

/// Lets the file become no larger than it is, or as large as it likes. A limit is that of a connection, and goes with the one
/// that met it.
async fn limit(ground: &Ground, full: bool) {
    let sql = if full { "PRAGMA max_page_count = 1" } else { "PRAGMA max_page_count = 1000000" };
    ground.db.execute(sql, &[]).await.expect("a limit");
}

#[tokio::test]
async fn a_full_sqlite_file_stores_nothing_half() {
    const BODIES: usize = 8;
    let Some(ground) = Ground::on(On::Sqlite).await else { return };
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    assert_eq!(served.deliver("acme", SECRET, &one("d0", "00u0")).await.status, 204);
    let many = |n: usize| delivery(&format!("d{n}"), (0..300).map(|user| format!("00u{n}x{user}")));
    let mut refused = 0;
    for n in 1..=BODIES {
        let before = rows(&ground, &served).await;
        let counts = counted(&acme).await;
        limit(&ground, true).await;
        let status = served.deliver("acme", SECRET, &many(n)).await.status;
        limit(&ground, false).await;
        let after = rows(&ground, &served).await;
        if status == 204 {
            assert_eq!(after[..2], [before[0] + 300, before[1] + 300]);
            continue;
        }
        refused += 1;
        assert_eq!((status, &after, counted(&acme).await), (503, &before, counts));
        // What cannot be read is kept whole or not at all, too: now and then there is room for it.
        limit(&ground, true).await;
        let odd = [b"no json".as_slice(), &vec![b'x'; 60_000]].concat();
        let status = served.deliver("acme", SECRET, &odd).await.status;
        limit(&ground, false).await;
        let after = rows(&ground, &served).await;
        let (kept, runs) = (after[2] - before[2], after[3]);
        assert_eq!((status == 204, runs >= kept, &after[..2]), (kept == 1, true, &before[..2]));
    }
    assert!(refused > 0, "the file never became full");
    // What Okta sends again is taken as if nothing had been.
    for n in 1..=BODIES {
        assert_eq!(served.deliver("acme", SECRET, &many(n)).await.status, 204);
    }
    let all = 1 + 300 * BODIES;
    assert_eq!(rows(&ground, &served).await[..2], [all, all]);
    assert_eq!(
        acme.jobs_waiting(kind::PERSON).await.expect("a count"),
        i64::try_from(all).expect("small")
    );
}

#[tokio::test]
async fn a_database_that_somebody_holds_is_not_waited_for() {
    for engine in [On::Sqlite, On::Postgres] {
        let Some(ground) = Ground::on(engine).await else { continue };
        let mut served = Served::standing_still(&ground.db).await;
        served.tenant("acme").await;
        assert_eq!(served.deliver("acme", SECRET, &one("d0", "00u0")).await.status, 204);
        served.settled().await;
        let held = ground.tables().hold("hook_inbox").await;
        let answer = served.deliver("acme", SECRET, &one("d1", "00u1")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{engine:?}");
        held.let_go().await;
        // Okta's one repetition, and whatever was still under way, make one event.
        assert_eq!(served.deliver("acme", SECRET, &one("d1", "00u1")).await.status, 204);
        assert_eq!(rows(&ground, &served).await, [2, 2, 0, 0], "{engine:?}");
    }
}
