//! `migrate up` and `migrate status`

use super::{composition, failed, result, say, settings};
use crate::cli::Outcome;
use crate::compose::Composition;

pub(crate) async fn up() -> Outcome {
    let (composition, schema) = match open().await {
        Ok(open) => open,
        Err(outcome) => return outcome,
    };
    match composition.migrate(schema.as_deref()).await {
        Ok(applied) => {
            for name in &applied {
                result(name);
            }
            say(format_args!("{} migrations applied", applied.len()));
            Outcome::Done
        }
        Err(error) => failed(&error),
    }
}

pub(crate) async fn status() -> Outcome {
    let (composition, _) = match open().await {
        Ok(open) => open,
        Err(outcome) => return outcome,
    };
    match composition.pending_migrations().await {
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
    }
}

async fn open() -> Result<(Composition, Option<String>), Outcome> {
    let settings = settings()?;
    Ok((composition(&settings).await?, settings.database.schema))
}
