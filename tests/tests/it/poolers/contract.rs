//! Runs the contract suites of the storage ports on PostgreSQL through `PgBouncer`.

use std::sync::Arc;

use user_adapters::sea_orm::{SeaOrmLogins, SeaOrmUsers};
use user_domain::test_support::contracts::{
    CredentialsUnderTest, ImportUnderTest, RelationshipsUnderTest, StoreUnderTest,
};
use user_domain::test_support::fakes::FakeHasher;
use user_tests::{PgBouncer, PostgresDatabase};

use super::pooled;

async fn users() -> (SeaOrmUsers, (PostgresDatabase, PgBouncer)) {
    let database = PostgresDatabase::create().await;
    let pgbouncer = PgBouncer::in_front_of(&database.url()).await;
    let users = SeaOrmUsers::new(pooled(&pgbouncer.url(&database.url())).await);
    (users, (database, pgbouncer))
}

async fn postgres() -> CredentialsUnderTest {
    let (users, resource) = users().await;
    let dummy_hash = FakeHasher::stored("dummy");
    let logins = SeaOrmLogins::new(users.clone(), &[7; 64], dummy_hash);
    let users = Arc::new(users);
    CredentialsUnderTest {
        store: ImportUnderTest::from(users.clone()).with_resource(resource),
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
    let (users, resource) = users().await;
    RelationshipsUnderTest::from(Arc::new(users)).with_resource(resource)
}

user_domain::store_contract!(store());
user_domain::import_contract!(import());
user_domain::credentials_contract!(postgres());
user_domain::relationships_contract!(relationships());
