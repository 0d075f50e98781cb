//! The connection of a read that a standby or the primary server answers.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult, Statement};

use super::pool::{Pool, Transaction};

/// The connection that answers a read.
pub(in crate::sea_orm) enum ReadConnection {
    Primary(Pool),
    Standby(Transaction),
}

/// Calls a method of the connection.
macro_rules! on {
    ($connection:expr, $($call:tt)*) => {
        match $connection {
            ReadConnection::Primary(pool) => pool.$($call)*,
            ReadConnection::Standby(tx) => tx.$($call)*,
        }
    };
}

#[async_trait]
impl ConnectionTrait for ReadConnection {
    fn get_database_backend(&self) -> DatabaseBackend {
        on!(self, get_database_backend())
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        on!(self, execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        on!(self, execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        on!(self, query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        on!(self, query_all_raw(statement).await)
    }
}
