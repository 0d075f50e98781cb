//! `cache clear`

use user_adapters::cache::{self, RedisOptions};

use super::{failed, on_store_of, say, settings};
use crate::cli::Outcome;
use crate::compose::{Composition, redis_options};

pub(crate) async fn run() -> Outcome {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let Some(redis) = redis_options(&settings) else {
        say(
            "user-service: REDIS_URL is not set, so nothing is shared; restart a process to make it forget",
        );
        return Outcome::Failed;
    };
    on_store_of(&settings, async |_, composition| {
        clear(composition, &redis).await
    })
    .await
}

async fn clear(composition: &Composition, redis: &RedisOptions) -> Outcome {
    let store = match composition.store.store_id().await {
        Ok(store) => store,
        Err(error) => return failed(&error),
    };
    match cache::clear(redis, &store).await {
        Ok(count) => {
            say(format_args!(
                "every replica that Redis reaches has forgotten; {count} users were taken out of Redis"
            ));
            Outcome::Done
        }
        Err(error) => failed(&error),
    }
}
