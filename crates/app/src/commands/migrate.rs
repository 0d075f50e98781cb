//! `migrate up` and `migrate status`

use std::time::Duration;

use tokio::time::sleep;
use user_adapters::sea_orm::IndexOutcome;

use super::{fail, print_message, print_result, with_store};
use crate::cli::CommandOutcome;
use crate::compose::Composition;
use crate::settings::Settings;
use crate::telemetry;

/// How long `migrate up` waits between two attempts to create indexes while another process creates some.
const INDEX_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The maximum number of attempts to create indexes: 30 minutes of waiting.
const MAX_INDEX_ATTEMPTS: u32 = 360;

pub(crate) async fn up() -> CommandOutcome {
    with_store(async |settings, composition| {
        // The log says why a migration is waiting.
        telemetry::start_log(&settings.log);
        let schema = settings.database.schema.as_deref();
        match composition.migrate(schema).await {
            Ok(applied) => {
                for name in &applied {
                    print_result(name);
                }
                print_message(format_args!("{} migrations applied", applied.len()));
                index_metadata(settings, composition).await
            }
            Err(error) => fail(&error),
        }
    })
    .await
}

/// Creates the metadata indexes too. `serve` does not create them without `MIGRATE_ON_START`, since its role may lack
/// the permission.
///
/// It waits for another process that is creating indexes. That may be the PostgreSQL backend of an earlier `migrate up`
/// that was killed: it leaves an invalid index, which no other process would replace.
async fn index_metadata(settings: &Settings, composition: &Composition) -> CommandOutcome {
    let Some(keys) = &settings.database.indexed_metadata else {
        return CommandOutcome::Success;
    };
    for attempt in 0..MAX_INDEX_ATTEMPTS {
        match composition.update_metadata_indexes(keys, true).await {
            Ok(IndexOutcome::Ready(made)) => {
                if made > 0 {
                    print_message(format_args!("{made} metadata indexes created"));
                }
                return CommandOutcome::Success;
            }
            Ok(IndexOutcome::Deferred) => {
                if attempt == 0 {
                    print_message("waiting for another process that is creating metadata indexes");
                }
                sleep(INDEX_RETRY_INTERVAL).await;
            }
            Err(error) => return fail(&error),
        }
    }
    fail(&"another process was still creating metadata indexes after 30 minutes")
}

pub(crate) async fn status() -> CommandOutcome {
    with_store(
        async |_, composition| match composition.pending_migrations().await {
            Ok(pending) if pending.is_empty() => {
                print_message("no migrations are pending");
                CommandOutcome::Success
            }
            Ok(pending) => {
                for name in &pending {
                    print_result(name);
                }
                print_message(format_args!("{} migrations pending", pending.len()));
                CommandOutcome::Failure
            }
            Err(error) => fail(&error),
        },
    )
    .await
}
