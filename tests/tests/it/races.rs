//! Concurrent requests to two replicas.

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::future::join_all;
use serde_json::json;
use user_tests::{Reply, Store, TestApp};

/// Creates a test on each store from a test that takes two replicas.
macro_rules! on_two_replicas_of_each_store {
    ($(async fn $name:ident($a:ident: &TestApp, $b:ident: &TestApp) $body:block)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::on_two(user_tests::Store::Sqlite, super::$name).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::on_two(user_tests::Store::Postgres, super::$name).await; })+
        }
        $(async fn $name($a: &TestApp, $b: &TestApp) $body)+
    };
}

async fn on_two(store: Store, test: impl AsyncFnOnce(&TestApp, &TestApp)) {
    let a = TestApp::start(store).await;
    let b = a.replica().await;
    test(&a, &b).await;
    a.stop().await;
    b.stop().await;
}

/// Sends `count` requests concurrently, alternating between the replicas.
async fn race<'a, F: Future<Output = Reply>>(
    replicas: [&'a TestApp; 2],
    count: usize,
    request: impl Fn(&'a TestApp, usize) -> F,
) -> Vec<Reply> {
    join_all((0..count).map(|n| request(replicas[n % 2], n))).await
}

fn statuses(replies: &[Reply]) -> Vec<u16> {
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    statuses
}

on_two_replicas_of_each_store! {
    async fn sixty_concurrent_patches_of_different_keys_all_persist(a: &TestApp, b: &TestApp) {
        let user = a.register("popular").await;
        let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
        let replies = race([a, b], 60, |app, n| {
            let path = path.clone();
            async move { app.service().patch(&path, &json!({"metadata": {"user": {(format!("k{n}")): n}}})).await }
        })
        .await;
        assert_eq!(statuses(&replies), vec![200; 60]);
        let versions: BTreeSet<i64> = replies.iter().map(Reply::version).collect();
        assert_eq!(versions, (2..=61).collect());
        // A replica returns its own writes at once. It returns those of others within a second, or with no-cache.
        let written_by_b = replies.iter().skip(1).step_by(2).map(Reply::version).max();
        let seen = b.service().get(&path).await.version();
        assert!(Some(seen) >= written_by_b, "{seen} is older than {written_by_b:?}");
        let now = b.service().get_with(&path, &[("Cache-Control", "no-cache")]).await;
        assert_eq!(now.version(), 61);
        assert_eq!(now.json["metadata"]["user"].as_object().unwrap().len(), 60);
    }

    async fn of_24_concurrent_patches_of_one_version_one_succeeds(a: &TestApp, b: &TestApp) {
        let user = a.register("contested").await;
        let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
        let replies = race([a, b], 24, |app, n| {
            let path = path.clone();
            async move {
                let body = json!({"profile": {"nickname": format!("number {n}")}});
                app.service().patch_with(&path, &body, &[("If-Match", "\"1\"")]).await
            }
        })
        .await;
        let expected: Vec<u16> = [vec![200], vec![412; 23]].concat();
        assert_eq!(statuses(&replies), expected);
        let winner = replies.iter().find(|reply| reply.status == 200).unwrap();
        let now = a.service().get_with(&path, &[("Cache-Control", "no-cache")]).await;
        assert_eq!(now.json, winner.json);
    }

    async fn of_24_concurrent_creations_of_one_name_one_succeeds(a: &TestApp, b: &TestApp) {
        let replies = race([a, b], 24, |app, n| async move {
            let name: String = "racing.name"
                .chars()
                .enumerate()
                .map(|(at, letter)| if (n >> (at % 5)) & 1 == 1 { letter.to_ascii_uppercase() } else { letter })
                .collect();
            let body = json!({"username": name, "email": format!("racer{n}@example.org")});
            app.service().post("/v1/users", &body).await
        })
        .await;
        let expected: Vec<u16> = [vec![201], vec![409; 23]].concat();
        assert_eq!(statuses(&replies), expected);
        assert!(replies.iter().filter(|reply| reply.status == 409).all(|reply| reply.code() == "username_taken"));
    }

    async fn sixteen_concurrent_requests_with_one_key_create_one_user(a: &TestApp, b: &TestApp) {
        let body = json!({"username": "only.one", "email": "only.one@example.org"});
        let replies = race([a, b], 16, |app, _| {
            let body = body.clone();
            async move { app.service().post_with("/v1/users", &body, &[("Idempotency-Key", "twins")]).await }
        })
        .await;
        assert_eq!(statuses(&replies), vec![201; 16]);
        let bodies: BTreeSet<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
        assert_eq!(bodies.len(), 1);
        let first: Vec<&Reply> =
            replies.iter().filter(|reply| reply.header("Idempotency-Replayed").is_empty()).collect();
        assert_eq!(first.len(), 1);
        assert_eq!(a.service().get("/v1/users/count").await.json["count"], 1);

        let other = json!({"username": "another.one", "email": "only.one@example.org"});
        let reused = b.service().post_with("/v1/users", &other, &[("Idempotency-Key", "twins")]).await;
        assert_eq!((reused.status, reused.code()), (422, "idempotency_key_reused"));
    }

    async fn paging_during_changes_returns_every_unchanged_user_once(a: &TestApp, b: &TestApp) {
        let mut unchanged = BTreeSet::new();
        let mut restored = Vec::new();
        for n in 0..40 {
            let user = a.register(&format!("walker{n:02}")).await;
            let id = user["id"].as_str().unwrap().to_owned();
            if n % 4 == 0 { restored.push(id) } else { unchanged.insert(id); }
        }
        for sort in ["-created_at", "created_at"] {
            let changing = async {
                for (n, id) in restored.iter().enumerate() {
                    b.service().delete(&format!("/v1/users/{id}")).await;
                    b.register(&format!("late{}{n:02}", sort.len())).await;
                    b.service().post_empty(&format!("/v1/users/{id}/restore"), &[]).await;
                }
            };
            let paging = async {
                let mut seen = Vec::new();
                let mut path = format!("/v1/users?limit=3&sort={sort}");
                loop {
                    let page = a.service().get(&path).await;
                    assert_eq!(page.status, 200, "{}", page.text);
                    let users = page.json["users"].as_array().unwrap();
                    seen.extend(users.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
                    match page.json["next_cursor"].as_str() {
                        Some(cursor) => path = format!("/v1/users?limit=3&sort={sort}&cursor={cursor}"),
                        None => return seen,
                    }
                }
            };
            let ((), seen) = tokio::join!(changing, paging);
            let distinct: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!(distinct.len(), seen.len(), "a user was returned twice");
            assert!(unchanged.is_subset(&distinct), "a user was not returned");
        }
    }
}
