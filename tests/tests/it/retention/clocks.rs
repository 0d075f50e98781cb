//! A replica with a wrong system clock. On PostgreSQL, all ages are measured with the clock of the database.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::caller::{Caller, ServiceCaller};
use user_domain::input::{FieldInput, UserInput};
use user_domain::ports::StoreClock as _;
use user_domain::test_support::fakes::{FixedClock, with_clock};
use user_domain::use_cases::{
    CreateUserError, PurgeError, PurgeExpired, StatusChange, UseCases, WriteConditions,
};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{Idempotency, IdempotencyKey, UniqueField};
use user_tests::{Reply, Store, TestApp};

use super::NoThrottle;
use crate::common::{id, path};

const FORTY_DAYS: Duration = Duration::from_hours(40 * 24);

/// The use cases of a replica on the database of the app, with this system time.
async fn replica_at(app: &TestApp, machine: Timestamp) -> UseCases {
    let options = PoolOptions {
        max_connections: 2,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&app.postgres().url(), &options).await;
    let machine = Arc::new(FixedClock::from(machine));
    let clock = Arc::new(SeaOrmUsers::new(connections.unwrap()).clock(machine));
    clock.read().await.unwrap();
    UseCases::new(&with_clock(&clock, app.composition().ports.clone()))
}

fn now(app: &TestApp) -> Timestamp {
    app.composition().ports.clock.now()
}

fn service() -> Caller {
    Caller::Service(ServiceCaller::with_all_scopes("posts"))
}

fn user_id(reply: &Reply) -> UserId {
    UserId::parse(reply.id()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_with_a_wrong_clock_is_refused() {
    let app = TestApp::start(Store::Postgres).await;
    let user = app.register("alice").await;
    assert_eq!(app.service().delete(&path(&user)).await.status, 204);
    for machine in [now(&app).plus(FORTY_DAYS), now(&app).minus(FORTY_DAYS)] {
        let replica = replica_at(&app, machine).await;
        let purge = replica
            .purge_expired
            .run(&Caller::Operator, &NoThrottle)
            .await;
        let Err(PurgeError::ClocksDiffer(clocks)) = purge else {
            panic!("expected a refusal, got {purge:?}");
        };
        assert!(clocks.difference() > FORTY_DAYS.saturating_sub(PurgeExpired::MAX_CLOCK_SKEW));
    }
    let restore = format!("{}/restore", path(&user));
    assert_eq!(app.service().post_empty(&restore, &[]).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_wrong_clock_writes_the_time_of_the_database() {
    let app = TestApp::start(Store::Postgres).await;
    for (name, machine) in [
        ("ahead", now(&app).plus(FORTY_DAYS)),
        ("behind", now(&app).minus(FORTY_DAYS)),
    ] {
        let replica = replica_at(&app, machine).await;
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        let user = app.service().post("/v1/users", &body).await;
        let before = now(&app).minus(PurgeExpired::MAX_CLOCK_SKEW);
        let deleted = replica
            .delete_user
            .run(&service(), user_id(&user), WriteConditions::default())
            .await;
        deleted.unwrap();
        let restored = replica
            .change_status
            .run(
                &service(),
                user_id(&user),
                StatusChange::Restore,
                WriteConditions::default(),
            )
            .await
            .unwrap();
        let written = restored.view.own().unwrap().updated_at;
        let after = now(&app).plus(PurgeExpired::MAX_CLOCK_SKEW);
        assert!((before..after).contains(&written), "{name}: {written}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_fast_clock_keeps_idempotency_keys() {
    let app = TestApp::start(Store::Postgres).await;
    let replica = replica_at(&app, now(&app).plus(FORTY_DAYS)).await;
    let user = app.register("alice").await;
    let user = UserId::parse(id(&user)).unwrap();
    let conditions = || WriteConditions {
        idempotency: Some(Idempotency {
            key: IdempotencyKey::parse("key").unwrap(),
            fingerprint: [7; 32],
        }),
        ..WriteConditions::default()
    };
    let first = app.composition().use_cases();
    let activate = StatusChange::Activate;
    let first = first
        .change_status
        .run(&service(), user, activate, conditions())
        .await;
    assert!(!first.unwrap().replayed);
    let repeated = replica
        .change_status
        .run(&service(), user, activate, conditions())
        .await;
    assert!(repeated.unwrap().replayed);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_fast_clock_keeps_reserved_usernames() {
    let app = TestApp::start(Store::Postgres).await;
    let user = app.register("alice").await;
    let renamed = json!({"username": "alicia"});
    assert_eq!(
        app.service().patch(&path(&user), &renamed).await.status,
        200
    );
    let replica = replica_at(&app, now(&app).plus(FORTY_DAYS * 3)).await;
    let input = UserInput {
        username: FieldInput::parse("alice"),
        email: FieldInput::parse("another@example.org"),
        ..UserInput::default()
    };
    let result = replica
        .create_user
        .run(&service(), &input, WriteConditions::default())
        .await;
    let taken = CreateUserError::Taken(UniqueField::Username.into());
    assert_eq!(result.unwrap_err(), taken);
    app.stop().await;
}
