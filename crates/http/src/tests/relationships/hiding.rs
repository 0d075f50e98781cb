use actix_web::test::TestRequest;
use serde_json::json;

use super::{Answer, NOBODY, World, block, delete, follow, get, head, names, post, put};

/// What an answer tells, whichever request it answers.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id" && *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let id = answer.header("x-request-id");
    let body = String::from_utf8(answer.body.clone()).unwrap();
    (answer.status, headers, body.replace(id, "<request>"))
}

/// Every call by which somebody could look for whom an id and a name mean.
fn calls(own: &str, id: &str, name: &str) -> Vec<TestRequest> {
    let mut calls = Vec::new();
    for path in [
        format!("/v1/users/{id}"),
        format!("/v1/users/by-username/{name}"),
    ] {
        for query in [
            "",
            "?include=counts",
            "?fields=username",
            "?fields=id&include=counts",
        ] {
            calls.push(get(&format!("{path}{query}")));
            calls.push(head(&format!("{path}{query}")));
            let conditional = get(&format!("{path}{query}"));
            calls.push(conditional.insert_header(("if-none-match", "*")));
            let current = get(&format!("{path}{query}"));
            calls.push(current.insert_header(("cache-control", "no-cache")));
        }
    }
    for query in ["", "?include=counts"] {
        let batch = || post(&format!("/v1/users/batch{query}"));
        calls.push(batch().set_json(json!({"ids": [id]})));
        calls.push(batch().set_json(json!({"ids": [id, own, id]})));
        calls.push(batch().set_json(json!({"usernames": [name, "ann"]})));
    }
    for list in ["followers", "following", "blocks", "export"] {
        calls.push(get(&format!("/v1/users/{id}/{list}")));
        calls.push(head(&format!("/v1/users/{id}/{list}")));
    }
    calls.push(get(&format!("/v1/users/{id}/followers?limit=0")));
    calls.push(get(&format!("/v1/users/{id}/followers?cursor=x")));
    calls.push(get(&format!("/v1/users/{id}/relationships?with={own}")));
    calls.push(get(&format!(
        "/v1/users/{own}/relationships?with={id},{own}"
    )));
    for list in ["followers", "following", "blocks"] {
        calls.push(get(&format!("/v1/users/{own}/{list}")));
    }
    calls.push(get("/v1/users/me?include=counts"));
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{own}/{kind}/{id}");
        calls.extend([put(&uri), delete(&uri)]);
        let keyed = put(&uri).insert_header(("idempotency-key", format!("{kind}-{id}")));
        calls.push(keyed);
        let foreign = format!("/v1/users/{id}/{kind}/{own}");
        calls.extend([put(&foreign), delete(&foreign)]);
    }
    calls
}

#[actix_web::test]
async fn who_is_blocked_cannot_tell_who_blocks_it_from_nobody() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    follow(&world, &ann, &bob).await;
    follow(&world, &bob, &ann).await;
    block(&world, &bob, &ann).await;
    let hidden = calls(&ann, &bob, "bob").into_iter();
    let absent = calls(&ann, NOBODY, "zoe").into_iter();
    let mut tried = 0;
    for (number, (hidden, absent)) in hidden.zip(absent).enumerate() {
        let hidden = world.as_user(&ann, hidden).await;
        let absent = world.as_user(&ann, absent).await;
        assert_eq!(told(&hidden), told(&absent), "call {number}");
        assert!(!String::from_utf8_lossy(&hidden.body).contains(&bob));
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

#[actix_web::test]
async fn who_blocks_does_not_find_whom_it_blocks_but_in_its_list_of_blocks() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let cid = world.person("cid").await;
    follow(&world, &ann, &cid).await;
    follow(&world, &bob, &cid).await;
    block(&world, &bob, &ann).await;
    let found = world.as_user(&bob, get(&format!("/v1/users/{ann}"))).await;
    assert_eq!(found.problem(), super::problem(404, "user_not_found"));
    let blocks = world
        .as_user(&bob, get(&format!("/v1/users/{bob}/blocks")))
        .await;
    assert_eq!(names(&blocks), ["ann"]);
    // Each is left out of what the other sees of a third, and of its counts.
    let followers = format!("/v1/users/{cid}/followers");
    let counted = format!("/v1/users/{cid}?include=counts");
    for (viewer, seen) in [(&ann, "ann"), (&bob, "bob")] {
        assert_eq!(names(&world.as_user(viewer, get(&followers)).await), [seen]);
        let counts = world.as_user(viewer, get(&counted)).await.json();
        assert_eq!(counts["counts"]["followers"], 1);
    }
    assert_eq!(
        names(&world.as_user(&cid, get(&followers)).await),
        ["bob", "ann"]
    );
}

#[actix_web::test]
async fn services_and_administrators_see_everybody() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let promote = TestRequest::patch().uri(&format!("/v1/users/{ann}"));
    let promoted = world
        .as_service(promote.set_json(json!({"roles": ["admin"]})))
        .await;
    assert_eq!(promoted.status, 200);
    block(&world, &bob, &ann).await;
    for uri in [
        format!("/v1/users/{bob}?include=counts"),
        "/v1/users/by-username/bob".to_owned(),
        format!("/v1/users/{bob}/followers"),
        format!("/v1/users/{bob}/blocks"),
        format!("/v1/users/{bob}/relationships?with={ann}"),
    ] {
        assert_eq!(world.as_service(get(&uri)).await.status, 200, "{uri}");
        assert_eq!(
            world.as_claimed_admin(&ann, get(&uri)).await.status,
            200,
            "{uri}"
        );
    }
    // The same person without the claim is one from whom the other hides.
    let hidden = world.as_user(&ann, get(&format!("/v1/users/{bob}"))).await;
    assert_eq!(hidden.status, 404);
}

#[actix_web::test]
async fn the_end_of_a_block_shows_them_to_each_other_again_without_what_it_ended() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    follow(&world, &ann, &bob).await;
    block(&world, &bob, &ann).await;
    let unblock = delete(&format!("/v1/users/{bob}/blocks/{ann}"));
    assert_eq!(world.as_user(&bob, unblock).await.status, 204);
    let found = world
        .as_user(&ann, get(&format!("/v1/users/{bob}?include=counts")))
        .await;
    assert_eq!(
        found.json()["counts"],
        json!({"followers": 0, "following": 0})
    );
    follow(&world, &ann, &bob).await;
}
