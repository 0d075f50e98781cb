//! Runs the contract suites of the storage ports on PostgreSQL.

use std::sync::Arc;

use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmLogins, SeaOrmUsers};
use user_domain::test_support::contracts::{
    CredentialsUnderTest, ImportUnderTest, RelationshipsUnderTest, StoreUnderTest,
};
use user_domain::test_support::fakes::FakeHasher;
use user_tests::PostgresDatabase;

async fn users() -> (SeaOrmUsers, PostgresDatabase) {
    let database = PostgresDatabase::create().await;
    let options = PoolOptions {
        max_connections: 8,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options)
        .await
        .unwrap();
    (SeaOrmUsers::new(connections), database)
}

async fn postgres() -> CredentialsUnderTest {
    let (users, database) = users().await;
    let dummy_hash = FakeHasher::stored("dummy");
    let logins = SeaOrmLogins::new(users.clone(), &[7; 64], dummy_hash);
    let users = Arc::new(users);
    CredentialsUnderTest {
        store: ImportUnderTest::from(users.clone()).with_resource(database),
        credentials: users,
        attempts: Arc::new(logins),
    }
}

async fn store() -> StoreUnderTest {
    postgres().await.store.store
}

async fn import() -> ImportUnderTest {
    postgres().await.store
}

async fn relationships() -> RelationshipsUnderTest {
    let (users, database) = users().await;
    RelationshipsUnderTest::from(Arc::new(users)).with_resource(database)
}

user_domain::store_contract!(store());
user_domain::import_contract!(import());
user_domain::credentials_contract!(postgres());
user_domain::relationships_contract!(relationships());
