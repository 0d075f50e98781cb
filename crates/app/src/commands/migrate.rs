//! `migrate up` and `migrate status`

use super::{failed, on_store, result, say};
use crate::cli::Outcome;

pub(crate) async fn up() -> Outcome {
    on_store(async |settings, composition| {
        let schema = settings.database.schema.as_deref();
        match composition.migrate(schema).await {
            Ok(applied) => {
                for name in &applied {
                    result(name);
                }
                say(format_args!("{} migrations applied", applied.len()));
                Outcome::Done
            }
            Err(error) => failed(&error),
        }
    })
    .await
}

pub(crate) async fn status() -> Outcome {
    on_store(
        async |_, composition| match composition.pending_migrations().await {
            Ok(pending) if pending.is_empty() => {
                say("the database is up to date");
                Outcome::Done
            }
            Ok(pending) => {
                for name in &pending {
                    result(name);
                }
                say(format_args!("{} migrations pending", pending.len()));
                Outcome::Failed
            }
            Err(error) => failed(&error),
        },
    )
    .await
}
