//! Pagination through lists that change meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use user_tests::on_each_store;

use super::{follow, list_ids, register_many};
use crate::common::{id, path};

on_each_store! {
    async fn pages_contain_each_permanent_follower_once_while_others_change(app: &TestApp) {
        let star = app.register("star").await;
        let permanent = register_many(app, "permanent", 12).await;
        let temporary = register_many(app, "temporary", 6).await;
        for (n, user) in permanent.iter().enumerate() {
            if n % 2 == 0 {
                follow(app, &temporary[n / 2], &star).await;
            }
            follow(app, user, &star).await;
        }
        let is_read = AtomicBool::new(false);
        let changing = async {
            let mut round = 0;
            while !is_read.load(Ordering::Relaxed) {
                let user = &temporary[round % temporary.len()];
                let following = format!("{}/following/{}", path(user), id(&star));
                let caller = app.user(id(user));
                let unfollowed = caller.delete(&following).await;
                let followed = caller.put(&following).await;
                for reply in [unfollowed, followed] {
                    assert!(matches!(reply.status, 204 | 503), "{}", reply.text);
                }
                round += 1;
            }
        };
        let reading = async {
            for limit in [1, 2, 3, 5] {
                let ids = list_ids(&app.service(), &star, "followers", limit).await;
                let distinct: BTreeSet<&String> = ids.iter().collect();
                let has_duplicates = permanent.iter().any(|user| ids.iter().filter(|id| *id == user["id"].as_str().unwrap()).count() > 1);
                assert!(!has_duplicates, "{ids:?}");
                for user in &permanent {
                    assert!(distinct.contains(&id(user).to_owned()), "{user} is not in {ids:?}");
                }
            }
            is_read.store(true, Ordering::Relaxed);
        };
        tokio::join!(changing, reading);
        // Newest first.
        let ids = list_ids(&app.service(), &star, "followers", 200).await;
        let newest: Vec<&String> = ids.iter().filter(|one| permanent.iter().any(|user| id(user) == *one)).collect();
        let expected: Vec<&str> = permanent.iter().rev().map(id).collect();
        assert_eq!(newest, expected);
    }
}
