//! `cache clear`

use user_adapters::cache::{self, RedisOptions};

use super::{fail, load_store_settings, print_message, with_store_of};
use crate::cli::CommandOutcome;
use crate::compose::{Composition, redis_options};
use crate::settings::Section;

pub(crate) async fn run() -> CommandOutcome {
    let settings = match load_store_settings(&[Section::Cache]) {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let Some(redis) = redis_options(&settings) else {
        print_message(
            "user-service: REDIS_URL is not set, so no cache is shared; restart a process to clear its cache",
        );
        return CommandOutcome::Failure;
    };
    with_store_of(&settings, async |_, composition| {
        clear(composition, &redis).await
    })
    .await
}

async fn clear(composition: &Composition, redis: &RedisOptions) -> CommandOutcome {
    let store = match composition.store.store_id().await {
        Ok(store) => store,
        Err(error) => return fail(&error),
    };
    match cache::clear(redis, &store).await {
        Ok(count) => {
            print_message(format_args!(
                "cleared the cache of every replica that Redis reaches; removed {count} users from Redis"
            ));
            CommandOutcome::Success
        }
        Err(error) => fail(&error),
    }
}
