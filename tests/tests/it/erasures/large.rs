//! Many erasures.

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection};
use serde_json::json;

use super::{EXPIRED, erase, pending, register_consumer, report};
use crate::common::eventually;
use crate::erasure::texts;
use crate::retention::{counts, database, purge_later};

/// Inserts erasures that this consumer has not confirmed, at positions before those of real events.
async fn insert_owed(database: &DatabaseConnection, consumer: &str, count: usize) {
    let is_postgres = database.get_database_backend() == DatabaseBackend::Postgres;
    let (numbers, id) = if is_postgres {
        (
            format!("generate_series(1, {count}) AS n (n)"),
            "('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
        )
    } else {
        (
            format!(
                "(WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) SELECT n FROM n) AS n"
            ),
            "unhex('0000000000004000800000' || printf('%010x', n))",
        )
    };
    for sql in [
        format!(
            "INSERT INTO erasures (user_id, erased_at, event_seq) SELECT {id}, '2026-01-01T00:00:00+00:00', n - 1000000 FROM {numbers}"
        ),
        format!(
            "INSERT INTO erasure_acks (user_id, consumer, consumer_id, event_seq)
            SELECT {id}, c.name, c.id, n - 1000000 FROM {numbers}, erasure_consumers AS c WHERE c.name = '{consumer}' AND c.removed_at IS NULL"
        ),
    ] {
        database.execute_unprepared(&sql).await.unwrap();
    }
}

async fn count(database: &DatabaseConnection, table: &str) -> usize {
    let rows = texts(database, format!("SELECT 'x' AS text FROM {table}")).await;
    rows.len()
}

user_tests::on_each_store! {
    async fn a_purge_removes_what_a_removed_consumer_owed_in_batches(app: &TestApp) {
        register_consumer(app, "posts").await;
        register_consumer(app, "mail").await;
        let database = database(app).await;
        insert_owed(&database, "mail", 1200).await;
        let user = app.register("ann").await;
        erase(app, &user).await;
        assert_eq!(app.service().delete("/v1/erasure-consumers/mail").await.status, 204);
        assert_eq!(report(app, &user).await["state"], json!("pending"));
        // They are complete now, by the removal.
        assert_eq!(counts(&purge_later(app, std::time::Duration::ZERO).await)["erasures"], 0);
        assert_eq!(count(&database, "erasure_acks").await, 1);
        assert_eq!(count(&database, "erasures WHERE completed_at IS NULL").await, 1);
        // Several replicas purge at the same time.
        let replica = app.replica().await;
        let reports = tokio::join!(purge_later(app, EXPIRED), purge_later(&replica, EXPIRED));
        let removed = counts(&reports.0)["erasures"] + counts(&reports.1)["erasures"];
        let left = counts(&purge_later(app, EXPIRED).await)["erasures"];
        assert_eq!(removed + left, 1200);
        replica.stop().await;
        assert_eq!(count(&database, "erasures").await, 1);
        assert_eq!(count(&database, "erasure_acks").await, 1);
        assert_eq!(count(&database, "erasure_consumers").await, 1, "the removed consumer is purged too");
        assert_eq!(pending(app, "posts").await.len(), 1);
    }

    async fn pending_erasures_are_counted_up_to_10_000(app: &TestApp) {
        register_consumer(app, "posts").await;
        let database = database(app).await;
        insert_owed(&database, "posts", 10_005).await;
        let replica = app.replica().await;
        eventually("the metrics show the pending erasures", async || {
            let metrics = replica.anonymous().get("/metrics").await.text;
            metrics.contains("erasures_pending{consumer=\"posts\"} 10000\n")
        }).await;
        replica.stop().await;
    }
}
