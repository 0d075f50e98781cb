//! Many clients of two replicas change the relationships of few users concurrently.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::sqlx::{Connection, Row};
use serde_json::{Value, json};
use user_tests::{Cluster, Reply, TestApp};

use super::{counts, list_ids, register_many};
use crate::common::{id, path};

const CLIENTS: u64 = 24;
const USERS: usize = 20;
const TIME: Duration = Duration::from_secs(20);

/// Sends a random request about one or two users, as one of them or as a service.
async fn act(app: &TestApp, users: &[Value], random: &mut StdRng) -> Reply {
    let one = &users[random.random_range(0..users.len())];
    let other = &users[random.random_range(0..users.len())];
    let caller = if random.random_bool(0.5) {
        app.user(id(one))
    } else {
        app.service()
    };
    let following = format!("{}/following/{}", path(one), id(other));
    let blocks = format!("{}/blocks/{}", path(one), id(other));
    let service = app.service();
    match random.random_range(0..100) {
        0..45 => caller.put(&following).await,
        45..62 => caller.delete(&following).await,
        62..68 => caller.put(&blocks).await,
        68..78 => caller.delete(&blocks).await,
        78..82 => service.delete(&path(one)).await,
        82..90 => {
            service
                .post_empty(&format!("{}/restore", path(one)), &[])
                .await
        }
        90..92 => {
            service
                .post_empty(&format!("{}/suspend", path(one)), &[])
                .await
        }
        92..96 => {
            service
                .post_empty(&format!("{}/activate", path(one)), &[])
                .await
        }
        _ => {
            let edges: Vec<Value> = (0..10)
                .map(|_| {
                    let follower = &users[random.random_range(0..users.len())];
                    json!({"follower": follower["id"], "target": other["id"]})
                })
                .collect();
            let body = json!({ "edges": edges });
            service.post("/v1/relationships/batch", &body).await
        }
    }
}

/// Asserts that the counts match the lists, and that the lists of both ends of each follow agree.
async fn assert_counts_are_edges(app: &TestApp, users: &[Value]) {
    let service = app.service();
    let mut followers = BTreeMap::new();
    let mut following = BTreeMap::new();
    for user in users {
        let Some(counted) = counts(&service, user).await else {
            continue;
        };
        let list = async |list: &str| -> BTreeSet<String> {
            let ids = list_ids(&service, user, list, 7).await;
            ids.into_iter().collect()
        };
        let (followers_of, following_of) = (list("followers").await, list("following").await);
        let lengths = (
            u64::try_from(followers_of.len()).unwrap(),
            u64::try_from(following_of.len()).unwrap(),
        );
        assert_eq!(
            counted, lengths,
            "{user}: {followers_of:?}, {following_of:?}"
        );
        for blocked in list("blocks").await {
            assert!(
                !followers_of.contains(&blocked) && !following_of.contains(&blocked),
                "{user}"
            );
        }
        followers.insert(id(user).to_owned(), followers_of);
        following.insert(id(user).to_owned(), following_of);
    }
    for (user, targets) in &following {
        for target in targets {
            // A suspended user still follows others, but is not listed among their followers.
            let shown = followers.get(target).unwrap();
            let status = service.get(&format!("/v1/users/{user}")).await.json["status"].clone();
            assert_eq!(shown.contains(user), status == "active", "{user} {target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_match_edges_after_24_racing_clients() {
    let cluster = Cluster::start(2).await;
    let users = register_many(cluster.owner(), "racer", USERS).await;
    let started = Instant::now();
    let statuses_by_client = join_all((0..CLIENTS).map(async |client| {
        let mut random = StdRng::seed_from_u64(client);
        let app = &cluster.replicas[usize::try_from(client % 2).unwrap()].app;
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        while started.elapsed() < TIME {
            let reply = act(app, &users, &mut random).await;
            *statuses.entry(reply.status).or_default() += 1;
            let is_known = matches!(reply.status, 200 | 204 | 401 | 404 | 422 | 503 | 504);
            assert!(is_known, "{} {}", reply.status, reply.text);
        }
        statuses
    }))
    .await;
    let total = |status| {
        statuses_by_client
            .iter()
            .filter_map(|of| of.get(&status))
            .sum::<usize>()
    };
    assert!(total(204) > 100, "{statuses_by_client:?}");
    // Writes that timed out have been committed or rolled back by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_counts_are_edges(cluster.owner(), &users).await;

    let maintenance = &cluster.owner().composition().ports.follow_count_maintenance;
    while maintenance
        .apply_pending()
        .await
        .map_or(true, |batch| batch.waiting > 0)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_counts_are_edges(cluster.owner(), &users).await;

    // The tables agree too.
    let mut connection = cluster.owner().postgres().connect().await;
    for (what, wrong) in [
        ("pairs that block and follow", "SELECT count(*) FROM follows f JOIN blocks b
            ON (b.blocker_id, b.target_id) IN ((f.follower_id, f.target_id), (f.target_id, f.follower_id))"),
        ("follows with a wrong counted flag", "SELECT count(*) FROM follows f
            JOIN users a ON a.id = f.follower_id JOIN users b ON b.id = f.target_id
            WHERE f.follower_counted <> (a.standing = 'active' AND a.deleted_at IS NULL)
               OR f.target_counted <> (b.standing = 'active' AND b.deleted_at IS NULL)"),
        ("counts that do not match the edges", "SELECT count(*) FROM (
            SELECT user_id, sum(followers) AS followers, sum(following) AS following
            FROM follow_counts GROUP BY user_id) c
            WHERE followers <> (SELECT count(*) FROM follows WHERE target_id = user_id AND follower_counted)
               OR following <> (SELECT count(*) FROM follows WHERE follower_id = user_id AND target_counted)"),
        ("users with a wrong has_blocks", "SELECT count(*) FROM users
            WHERE has_blocks <> EXISTS (SELECT 1 FROM blocks WHERE blocker_id = id)"),
    ] {
        let row = sea_orm::sqlx::query(wrong).fetch_one(&mut connection).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), 0, "{what}");
    }
    connection.close().await.unwrap();
    cluster.stop().await;
}
