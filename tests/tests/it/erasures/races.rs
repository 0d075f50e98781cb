//! Registrations beside erasures.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::sqlx::{Connection as _, Executor, Row as _, query};
use serde_json::Value;
use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{Erasures, UserKey, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_domain::values::ConsumerName;
use user_tests::PostgresDatabase;

use super::{erase, pending_users};
use crate::common::path;

/// How often a race is tried again because a transaction exceeded its time limit.
const MAX_ATTEMPTS: usize = 20;

/// The transactions that wait for a lock.
async fn waiting(connection: &mut sea_orm::sqlx::PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    connection.fetch_one(sql).await.unwrap().get(0)
}

/// Registers a consumer while the transaction of an erasure is open. Returns whether the consumer could read the user
/// after its registration although the erasure is not pending for it; none if a transaction exceeded its time limit.
async fn loses_an_open_erasure(
    database: &PostgresDatabase,
    store: &Arc<SeaOrmUsers>,
    attempt: usize,
) -> Option<bool> {
    let name = format!("attempt{attempt}");
    let user = samples::registered(&samples::new_user(&name), &samples::context());
    store.add(&user, &samples::context()).await.unwrap();
    let (id, key) = (user.user.id, UserKey::Id(user.user.id));
    let consumer = ConsumerName::parse(&name).unwrap();

    // An open transaction with the same row stops the erasure in the middle of its own.
    let (mut blocker, mut observer) = (database.connect().await, database.connect().await);
    let mut blocker = blocker.begin().await.unwrap();
    let row = query("INSERT INTO erasures (user_id, erased_at, event_seq) VALUES ($1, now(), 0)");
    blocker.execute(row.bind(id.as_uuid())).await.unwrap();
    let erasing = tokio::spawn({
        let store = store.clone();
        async move { store.erase(id, &samples::context()).await }
    });
    while waiting(&mut observer).await == 0 && !erasing.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let registering = tokio::spawn({
        let (store, consumer) = (store.clone(), consumer.clone());
        async move {
            let context = samples::context();
            let registered = store.register_consumer(&consumer, &context).await;
            registered
                .is_ok()
                .then_some(store.find(&key).await.unwrap())
        }
    });
    while waiting(&mut observer).await < 2 && !registering.is_finished() && !erasing.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    blocker.rollback().await.unwrap();
    let read_after_registration = registering.await.unwrap()?;
    erasing.await.unwrap().ok()?;
    let pending = store.pending(&consumer, None, 10).await.unwrap();
    let is_pending = pending.erasures.iter().any(|erasure| erasure.user == id);
    Some(read_after_registration.is_some() && !is_pending)
}

async fn loses_open_erasures(guards: Guards) -> bool {
    let database = PostgresDatabase::create().await;
    let options = PoolOptions {
        max_connections: 4,
        guards,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options).await;
    let store = Arc::new(SeaOrmUsers::new(connections.unwrap()));
    for attempt in 0..MAX_ATTEMPTS {
        if let Some(loses) = loses_an_open_erasure(&database, &store, attempt).await {
            return loses;
        }
    }
    panic!("each attempt exceeded a time limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_does_not_lose_an_open_erasure() {
    assert!(!loses_open_erasures(Guards::default()).await);
    assert!(
        loses_open_erasures(Guards::without(Guard::ConsumerLock)).await,
        "nothing was lost without the lock, so the race proves nothing"
    );
}

user_tests::on_each_store! {
    async fn a_user_that_a_new_consumer_can_read_is_erased_for_it(app: &TestApp) {
        let mut users = Vec::new();
        for number in 0..24 {
            users.push(app.register(&format!("user{number}")).await);
        }
        let erasures = join_all(users.chunks(4).map(|part| async move {
            for user in part {
                erase(app, user).await;
            }
        }));
        let register = async {
            let mut readable: Vec<Value> = Vec::new();
            // A registration that waits too long for open erasures is refused.
            while app.service().put("/v1/erasure-consumers/posts").await.status >= 500 {
                sleep(Duration::from_millis(10)).await;
            }
            for user in &users {
                if app.service().get(&path(user)).await.status == 200 {
                    readable.push(user["id"].clone());
                }
            }
            readable
        };
        let (_, readable) = tokio::join!(erasures, register);
        let pending = pending_users(app, "posts").await;
        for user in &readable {
            assert!(pending.contains(user), "{user} is not pending; {} of {} are", pending.len(), users.len());
        }
        assert!(pending.iter().all(|user| users.iter().any(|erased| erased["id"] == *user)));
    }
}
