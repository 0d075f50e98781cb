//! The service behind a connection pooler in transaction mode: `PgBouncer` with four connections.

mod contract;
mod load;
mod statements;

use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{UserKey, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_tests::{PgBouncer, PostgresDatabase, ServiceProcess, Store, TestApp, configured};

const ANNOUNCED: (&str, &str) = ("DATABASE_POOLER", "transaction");

/// Opens connections through an announced pooler.
async fn pooled(url: &str) -> Connections {
    let options = PoolOptions {
        max_connections: 8,
        is_pooled: true,
        ..PoolOptions::default()
    };
    Connections::postgres(url, &options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_was_not_announced_is_refused_at_the_start() {
    let direct = TestApp::start(Store::Postgres).await;
    let database = direct.database_uri();
    let modes = [
        (1, "server_round_robin = 0"),
        (4, "server_round_robin = 0"),
        (4, "server_round_robin = 1"),
        // As an operator may have configured it for other services.
        (2, "ignore_startup_parameters = extra_float_digits,options"),
    ];
    for (sessions, setting) in modes {
        let size = format!("default_pool_size = {sessions}");
        let settings = ["pool_mode = transaction", &size, setting];
        let pgbouncer = PgBouncer::with(&database, &settings).await;
        let through = pgbouncer.url(&database);
        for migrates in ["true", "false"] {
            let settings = [("DATABASE_URI", &*through), ("MIGRATE_ON_START", migrates)];
            let refused = direct.try_replica_with(&settings).await;
            let message = refused.err().map(|error| error.to_string());
            let message = message.unwrap_or_default();
            assert!(
                message.contains("set DATABASE_POOLER=transaction"),
                "{message:?}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let mut command = configured(folder.path(), &through, &["token", "list"]);
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        // What the service sets in a session must not remain in those of the pooler.
        for left in statements::left_in_sessions(&through, sessions).await {
            assert_eq!(left, "", "left in a session");
        }
    }
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_pooler_is_recognised_too() {
    let database = PostgresDatabase::create().await;
    let pgbouncer = PgBouncer::in_front_of(&database.url()).await;
    let through = pgbouncer.url(&database.url());
    let store = SeaOrmUsers::new(pooled(&through).await);
    let key = UserKey::Id(samples::user_id());
    let reads = async || loop {
        let _ = store.find(&key).await;
    };
    let unannounced = Connections::postgres(&through, &PoolOptions::default()).await;
    let unannounced = unannounced.unwrap();
    let refused = async {
        for _ in 0..20 {
            assert!(unannounced.check().await.is_err());
        }
    };
    tokio::select! {
        () = async { tokio::join!(reads(), reads(), reads(), reads()); } => {}
        () = refused => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_session_mode_is_used_like_a_server() {
    let database = PostgresDatabase::create().await;
    let settings = ["pool_mode = session", "default_pool_size = 30"];
    let pgbouncer = PgBouncer::with(&database.url(), &settings).await;
    let url = pgbouncer.url(&database.url());
    let connections = Connections::postgres(&url, &PoolOptions::default()).await;
    let connections = connections.unwrap();
    connections.check().await.unwrap();
    let store = SeaOrmUsers::new(connections);
    let user = samples::registered(&samples::new_user("person"), &samples::context());
    store.add(&user, &samples::context()).await.unwrap();
    let found = store.find(&UserKey::Id(user.user.id)).await.unwrap();
    assert_eq!(found.unwrap().id, user.user.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_use_their_own_address_past_the_pooler() {
    let database = PostgresDatabase::create_empty().await;
    let pgbouncer = PgBouncer::in_front_of(&database.url()).await;
    let through = pgbouncer.url(&database.url());
    let folder = tempfile::tempdir().unwrap();
    let up = |migrate_uri: Option<&str>| {
        let mut command = configured(folder.path(), &through, &["migrate", "up"]);
        command.env(ANNOUNCED.0, ANNOUNCED.1);
        command.env("INDEXED_METADATA", "public.plan");
        if let Some(uri) = migrate_uri {
            command.env("MIGRATE_DATABASE_URI", uri);
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, message) = up(None);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("set MIGRATE_DATABASE_URI"), "{message}");
    let (code, message) = up(Some(&through));
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("MIGRATE_DATABASE_URI must name the server itself"),
        "{message}"
    );
    let other = PostgresDatabase::create_empty().await;
    let (code, message) = up(Some(&other.url()));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("another database or schema"), "{message}");

    let direct = database.url();
    let (code, message) = up(Some(&direct));
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("1 metadata indexes created"), "{message}");
    // Without pending migrations, the service needs no other address.
    let service = ServiceProcess::serve(folder.path(), &through, &[ANNOUNCED]).await;
    assert_eq!(service.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_migrates_past_the_pooler_when_it_starts() {
    let database = PostgresDatabase::create_empty().await;
    let pgbouncer = PgBouncer::in_front_of(&database.url()).await;
    let through = pgbouncer.url(&database.url());
    let folder = tempfile::tempdir().unwrap();
    let direct = database.url();
    let settings = [ANNOUNCED, ("MIGRATE_DATABASE_URI", &*direct)];
    let service = ServiceProcess::serve(folder.path(), &through, &settings).await;
    assert_eq!(service.terminate().await, Some(0));
}
