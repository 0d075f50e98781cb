//! Walks through lists while others come and go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use user_tests::on_each_store;

use super::{follow, registered, related};
use crate::common::{id, path};

on_each_store! {
    async fn a_walk_sees_each_lasting_follower_once_while_others_come_and_go(app: &TestApp) {
        let star = app.register("star").await;
        let lasting = registered(app, "lasting", 12).await;
        let fickle = registered(app, "fickle", 6).await;
        for (n, user) in lasting.iter().enumerate() {
            if n % 2 == 0 {
                follow(app, &fickle[n / 2], &star).await;
            }
            follow(app, user, &star).await;
        }
        let is_walked = AtomicBool::new(false);
        let coming_and_going = async {
            let mut round = 0;
            while !is_walked.load(Ordering::Relaxed) {
                let user = &fickle[round % fickle.len()];
                let following = format!("{}/following/{}", path(user), id(&star));
                let caller = app.user(id(user));
                let gone = caller.delete(&following).await;
                let back = caller.put_with(&following, &json!({}), &[]).await;
                for reply in [gone, back] {
                    assert!(matches!(reply.status, 204 | 503), "{}", reply.text);
                }
                round += 1;
            }
        };
        let walking = async {
            for limit in [1, 2, 3, 5] {
                let walked = related(&app.service(), &star, "followers", limit).await;
                let each: BTreeSet<&String> = walked.iter().collect();
                let twice = lasting.iter().any(|user| walked.iter().filter(|id| *id == user["id"].as_str().unwrap()).count() > 1);
                assert!(!twice, "{walked:?}");
                for user in &lasting {
                    assert!(each.contains(&id(user).to_owned()), "{user} is not in {walked:?}");
                }
            }
            is_walked.store(true, Ordering::Relaxed);
        };
        tokio::join!(coming_and_going, walking);
        // The newest first.
        let walked = related(&app.service(), &star, "followers", 200).await;
        let newest: Vec<&String> = walked.iter().filter(|one| lasting.iter().any(|user| id(user) == *one)).collect();
        let expected: Vec<&str> = lasting.iter().rev().map(id).collect();
        assert_eq!(newest, expected);
    }
}
