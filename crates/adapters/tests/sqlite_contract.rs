//! The contract suite of the stores' ports on SQLite; PostgreSQL's run stands in `tests/`, since it needs a server.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::sync::Arc;

use user_adapters::sea_orm::{Connections, SeaOrmUsers};
use user_domain::test_support::contracts::{ImportUnderTest, StoreUnderTest};

async fn sqlite() -> ImportUnderTest {
    let folder = tempfile::tempdir().unwrap();
    let connections = Connections::sqlite(&folder.path().join("users.db"))
        .await
        .unwrap();
    connections.migrate(None).await.unwrap();
    ImportUnderTest::from(Arc::new(SeaOrmUsers::new(connections))).keeping(folder)
}

async fn store() -> StoreUnderTest {
    sqlite().await.store
}

user_domain::store_contract!(store());
user_domain::import_contract!(sqlite());
