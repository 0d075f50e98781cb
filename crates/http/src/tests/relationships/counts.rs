use std::sync::Arc;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use user_domain::ports::MockRelationships;
use user_domain::relationship::Counts;

use super::{World, follow, get, head, post, problem};

#[actix_web::test]
async fn counts_come_beside_a_user_however_it_is_found_and_never_with_a_version() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let cid = world.person("cid").await;
    let edit = TestRequest::patch().uri(&format!("/v1/users/{ann}"));
    world
        .as_service(edit.set_json(json!({"external_id": "7"})))
        .await;
    follow(&world, &bob, &ann).await;
    follow(&world, &cid, &ann).await;
    follow(&world, &ann, &bob).await;
    let counts = json!({"followers": 2, "following": 1});
    for path in [
        format!("/v1/users/{ann}"),
        "/v1/users/by-username/ann".to_owned(),
        "/v1/users/by-external-id/7".to_owned(),
    ] {
        let plain = world.as_service(get(&path)).await;
        let mut expected = plain.json();
        expected["counts"] = counts.clone();
        let uri = format!("{path}?include=counts");
        for tag in ["\"2-full\"", "*"] {
            let request = get(&uri).insert_header(("if-none-match", tag));
            let answer = world.as_service(request).await;
            assert_eq!(
                (answer.status, answer.json()),
                (200, expected.clone()),
                "{uri}"
            );
            assert_eq!(answer.header("etag"), "");
            assert_eq!(answer.header("cache-control"), "private, no-cache");
            assert_ne!(answer.header("cache-status"), "");
        }
        let head = world.as_service(head(&uri)).await;
        assert_eq!((head.status, head.header("etag")), (200, ""));
        assert!(plain.headers.contains_key("etag"));
    }
    let me = world.as_user(
        &ann,
        get("/v1/users/me?include=counts&fields=username,profile.name"),
    );
    let me = me.await;
    assert_eq!(
        me.json(),
        json!({"id": ann, "username": "ann", "profile": {"name": null}, "counts": counts})
    );
    let public = world
        .as_user(&bob, get(&format!("/v1/users/{ann}?include=counts")))
        .await;
    assert_eq!(public.json()["counts"], counts);
    assert_eq!(public.json()["email"], Value::Null);
}

#[actix_web::test]
async fn a_batch_counts_for_each_who_is_shown_and_for_nobody_else() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    follow(&world, &bob, &ann).await;
    let body = json!({"usernames": ["ann", "nobody", "bob", "ANN"], "fields": ["username"]});
    let request = post("/v1/users/batch?include=counts").set_json(body);
    let shown = |id: &str, name: &str, followers: u64, following: u64| {
        json!({
            "id": id, "username": name,
            "counts": {"followers": followers, "following": following},
        })
    };
    let answer = world.as_user(&bob, request).await;
    assert_eq!(
        answer.json(),
        json!({"users": [shown(&ann, "ann", 1, 0), null, shown(&bob, "bob", 0, 1), shown(&ann, "ann", 1, 0)]})
    );
    for (query, fault) in [
        ("include=likes", "include unknown"),
        ("include=", "include unknown"),
        ("include=counts&include=counts", "include repeated"),
    ] {
        let request = post(&format!("/v1/users/batch?{query}")).set_json(json!({"ids": []}));
        let refused = world.as_user(&bob, request).await;
        assert_eq!(refused.problem(), problem(422, "invalid"), "{query}");
        assert_eq!(refused.fault_codes(), [fault]);
    }
}

#[actix_web::test]
async fn a_batch_asks_once_for_the_counts_of_all_and_a_plain_read_never() {
    let world = World::with(
        |_| (),
        |ports| {
            let mut store = MockRelationships::new();
            store.expect_counts().times(1).returning(|users, _| {
                assert_eq!(users.len(), 2, "each once");
                Ok(vec![Counts::default(); users.len()])
            });
            ports.relationships = Arc::new(store);
        },
    );
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let body = json!({"ids": [ann, bob, ann, "7"]});
    for uri in ["/v1/users/batch?include=counts", "/v1/users/batch"] {
        let answer = world.as_service(post(uri).set_json(&body)).await;
        assert_eq!(answer.status, 200);
    }
    let plain = world.as_service(get(&format!("/v1/users/{ann}"))).await;
    assert_eq!(plain.json()["counts"], Value::Null);
    let none = post("/v1/users/batch?include=counts").set_json(json!({"ids": ["7"]}));
    assert_eq!(
        world.as_service(none).await.json(),
        json!({"users": [null]})
    );
}
