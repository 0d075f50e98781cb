//! Runs the contract suites of the storage ports on SQLite.
//!
//! The run on PostgreSQL is in `tests/`, because it needs a server.

#![expect(clippy::unwrap_used, reason = "a test helper may panic")]

use std::sync::Arc;

use tempfile::TempDir;
use user_adapters::sea_orm::{Connections, SeaOrmLogins, SeaOrmUsers};
use user_domain::test_support::contracts::{
    CredentialsUnderTest, ImportUnderTest, RelationshipsUnderTest, StoreUnderTest,
};
use user_domain::test_support::fakes::FakeHasher;

async fn users() -> (SeaOrmUsers, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let connections = Connections::sqlite(&folder.path().join("users.db"))
        .await
        .unwrap();
    connections.migrate(None).await.unwrap();
    (SeaOrmUsers::new(connections), folder)
}

async fn sqlite() -> CredentialsUnderTest {
    let (users, folder) = users().await;
    let dummy_hash = FakeHasher::stored("dummy");
    let logins = SeaOrmLogins::new(users.clone(), &[7; 64], dummy_hash);
    let users = Arc::new(users);
    CredentialsUnderTest {
        store: ImportUnderTest::from(users.clone()).with_resource(folder),
        credentials: users,
        attempts: Arc::new(logins),
    }
}

async fn store() -> StoreUnderTest {
    sqlite().await.store.store
}

async fn import() -> ImportUnderTest {
    sqlite().await.store
}

async fn relationships() -> RelationshipsUnderTest {
    let (users, folder) = users().await;
    RelationshipsUnderTest::from(Arc::new(users)).with_resource(folder)
}

user_domain::store_contract!(store());
user_domain::import_contract!(import());
user_domain::credentials_contract!(sqlite());
user_domain::relationships_contract!(relationships());
