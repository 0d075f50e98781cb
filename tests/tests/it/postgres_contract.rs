//! The contract suite of the stores' ports on PostgreSQL.

use std::sync::Arc;

use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::test_support::contracts::StoreUnderTest;
use user_tests::PostgresDatabase;

async fn postgres() -> StoreUnderTest {
    let database = PostgresDatabase::create().await;
    let options = PoolOptions {
        max_connections: 8,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options)
        .await
        .unwrap();
    StoreUnderTest {
        keeps: Some(Arc::new(database)),
        ..Arc::new(SeaOrmUsers::new(connections)).into()
    }
}

user_domain::store_contract!(postgres());
