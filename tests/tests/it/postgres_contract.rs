//! The contract suite of the stores' ports on PostgreSQL.

use std::sync::Arc;

use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::test_support::contracts::{ImportUnderTest, StoreUnderTest};
use user_tests::PostgresDatabase;

async fn postgres() -> ImportUnderTest {
    let database = PostgresDatabase::create().await;
    let options = PoolOptions {
        max_connections: 8,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options)
        .await
        .unwrap();
    ImportUnderTest::from(Arc::new(SeaOrmUsers::new(connections))).keeping(database)
}

async fn store() -> StoreUnderTest {
    postgres().await.store
}

user_domain::store_contract!(store());
user_domain::import_contract!(postgres());
