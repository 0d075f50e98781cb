//! The contract suite of the stores' ports on SQLite; PostgreSQL's run stands in `tests/`, since it needs a server.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::sync::Arc;

use user_adapters::sea_orm::{Connections, SeaOrmUsers};
use user_domain::test_support::contracts::StoreUnderTest;

async fn sqlite() -> StoreUnderTest {
    let folder = tempfile::tempdir().unwrap();
    let connections = Connections::sqlite(&folder.path().join("users.db"))
        .await
        .unwrap();
    connections.migrate(None).await.unwrap();
    StoreUnderTest {
        keeps: Some(Arc::new(folder)),
        ..Arc::new(SeaOrmUsers::new(connections)).into()
    }
}

user_domain::store_contract!(sqlite());
