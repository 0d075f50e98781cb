//! Deletion, suspension, restoration and erasure of accounts with many followers, and the import of a graph.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use user_tests::{TestApp, on_each_store};

use super::{counts, follow_all, list_ids};
use crate::common::{id, path};

const FOLLOWERS: usize = 1200;

async fn crowd(app: &TestApp, number: usize) -> Vec<Value> {
    stream::iter(0..number)
        .map(async |n| app.register(&format!("fan{n}")).await)
        .buffered(8)
        .collect()
        .await
}

/// Waits until all pending count updates are applied.
async fn wait_until_applied(app: &TestApp) {
    for _ in 0..600 {
        let maintenance = &app.composition().ports.follow_count_maintenance;
        // A locked batch is tried again.
        if maintenance
            .apply_pending()
            .await
            .is_ok_and(|done| done.waiting == 0)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("count updates are still pending");
}

/// Asserts how many users some of the crowd follow.
async fn assert_following(app: &TestApp, crowd: &[Value], following: u64) {
    for fan in crowd.iter().step_by(crowd.len() / 20) {
        assert_eq!(counts(&app.service(), fan).await, Some((0, following)));
    }
}

on_each_store! {
    async fn counts_follow_status_changes_of_a_popular_account_at_once(app: &TestApp) {
        let crowd = crowd(app, FOLLOWERS).await;
        let star = app.register("star").await;
        let edges: Vec<(String, String)> =
            crowd.iter().map(|fan| (id(fan).to_owned(), id(&star).to_owned())).collect();
        follow_all(app, &edges).await;
        let many = u64::try_from(FOLLOWERS).unwrap();
        assert_eq!(counts(&app.service(), &star).await, Some((many, 0)));
        assert_following(app, &crowd, 1).await;

        for (away, back) in [("suspend", "activate"), ("delete", "restore")] {
            let status = match away {
                "delete" => app.service().delete(&path(&star)).await.status,
                verb => app.service().post_empty(&format!("{}/{verb}", path(&star)), &[]).await.status,
            };
            assert!(matches!(status, 200 | 204));
            assert_following(app, &crowd, 0).await;
            assert!(list_ids(&app.service(), &crowd[0], "following", 5).await.is_empty());
            if away == "delete" {
                wait_until_applied(app).await;
                assert_following(app, &crowd, 0).await;
            }
            assert_eq!(app.service().post_empty(&format!("{}/{back}", path(&star)), &[]).await.status, 200);
            assert_following(app, &crowd, 1).await;
            assert_eq!(counts(&app.service(), &star).await, Some((many, 0)));
        }
        wait_until_applied(app).await;
        assert_following(app, &crowd, 1).await;

        assert_eq!(app.service().delete(&format!("{}?erase=true", path(&star))).await.status, 204);
        assert_following(app, &crowd, 0).await;
        wait_until_applied(app).await;
        assert_following(app, &crowd, 0).await;
        assert!(list_ids(&app.service(), &crowd[0], "following", 5).await.is_empty());
    }

    async fn counts_of_an_imported_graph_match_its_edges(app: &TestApp) {
        let crowd = crowd(app, 400).await;
        let mut random = StdRng::seed_from_u64(6);
        // Users with more followers are more likely to get another one.
        let mut ends: Vec<usize> = (0..crowd.len()).collect();
        let mut edges = Vec::new();
        for follower in 0..crowd.len() {
            for _ in 0..20 {
                let target = ends[random.random_range(0..ends.len())];
                if target != follower {
                    edges.push((follower, target));
                    ends.push(target);
                }
            }
        }
        let named: Vec<(String, String)> = edges
            .iter()
            .map(|(follower, target)| (id(&crowd[*follower]).to_owned(), id(&crowd[*target]).to_owned()))
            .collect();
        follow_all(app, &named).await;
        // Repeating edges changes nothing.
        follow_all(app, &named[..1000]).await;
        edges.sort_unstable();
        edges.dedup();
        let mut expected: HashMap<usize, (u64, u64)> = HashMap::new();
        for (follower, target) in edges {
            expected.entry(target).or_default().0 += 1;
            expected.entry(follower).or_default().1 += 1;
        }
        let ids: Vec<&str> = crowd.iter().map(id).collect();
        let batch = app.service().post("/v1/users/batch?include=counts", &json!({"ids": ids})).await;
        assert_eq!(batch.status, 200, "{}", batch.text);
        for (n, user) in batch.json["users"].as_array().unwrap().iter().enumerate() {
            let (followers, following) = expected[&n];
            assert_eq!(user["counts"], json!({"followers": followers, "following": following}));
        }
    }
}
