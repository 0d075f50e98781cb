use serde_json::{Value, json};
use user_domain::ports::UserWriter as _;
use user_domain::test_support::samples;

use super::{NOBODY, World, block, delete, follow, get, names, post, problem};

#[actix_web::test]
async fn a_walk_goes_from_page_to_page_the_newest_first() {
    let world = World::with(|settings| settings.base_path = "/api".to_owned(), |_| ());
    let ann = world.person("ann").await;
    for name in ["bob", "cid", "dan"] {
        let id = world.person(name).await;
        follow(&world, &id, &ann).await;
        follow(&world, &ann, &id).await;
    }
    for list in ["followers", "following"] {
        let uri = format!("/v1/users/{}/{list}/?limit=2", ann.to_uppercase());
        let first = world.as_user(&ann, get(&uri)).await;
        assert_eq!(names(&first), ["dan", "cid"], "{list}");
        assert_eq!(first.header("cache-control"), "private, no-cache");
        assert_eq!(first.header("etag"), "");
        let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
        let link = format!("</api/v1/users/{ann}/{list}?limit=2&cursor={cursor}>; rel=\"next\"");
        assert_eq!(first.header("link"), link);
        let uri = link[1..].split('>').next().unwrap();
        let last = world.as_user(&ann, get(uri)).await;
        assert_eq!(names(&last), ["bob"]);
        assert_eq!(last.json()["next_cursor"], Value::Null);
        assert_eq!(last.header("link"), "");
        for user in last.json()["users"].as_array().unwrap() {
            assert_eq!(user["email"], Value::Null, "a public view");
        }
    }
}

#[actix_web::test]
async fn a_cursor_is_of_one_list_of_one_user() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for name in ["cid", "dan"] {
        let id = world.person(name).await;
        follow(&world, &id, &ann).await;
    }
    let page = world
        .as_service(get(&format!("/v1/users/{ann}/followers?limit=1")))
        .await;
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let users = world.as_service(get("/v1/users?limit=1")).await;
    let foreign = users.json()["next_cursor"].as_str().unwrap().to_owned();
    for uri in [
        format!("/v1/users/{ann}/following?cursor={cursor}"),
        format!("/v1/users/{ann}/blocks?cursor={cursor}"),
        format!("/v1/users/{bob}/followers?cursor={cursor}"),
        format!("/v1/users?cursor={cursor}"),
        format!("/v1/users/{ann}/followers?cursor={foreign}"),
        format!("/v1/users/{ann}/followers?cursor=x"),
        format!("/v1/users/{ann}/followers?cursor="),
        format!("/v1/users/{ann}/followers?cursor={cursor}A"),
    ] {
        let refused = world.as_service(get(&uri)).await;
        assert_eq!(refused.problem(), problem(400, "invalid_cursor"), "{uri}");
    }
    let uri = format!("/v1/users/{ann}/followers?cursor={cursor}&limit=200");
    assert_eq!(names(&world.as_service(get(&uri)).await), ["cid"]);
}

#[actix_web::test]
async fn every_fault_of_a_query_is_told_once_the_caller_may_ask() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for list in ["followers", "following", "blocks"] {
        for limit in ["0", "201", "x", "", "-1", "%2B1"] {
            let uri = format!("/v1/users/{ann}/{list}?limit={limit}&sort=created_at");
            let refused = world.as_user(&ann, get(&uri)).await;
            assert_eq!(refused.problem(), problem(422, "invalid"), "{uri}");
            let mut faults = refused.fault_codes();
            faults.sort();
            assert_eq!(faults, ["limit out_of_range", "sort unknown_parameter"]);
        }
        let refused = world
            .as_service(get(&format!("/v1/users/{NOBODY}/{list}")))
            .await;
        assert_eq!(refused.problem(), problem(404, "user_not_found"));
        let refused = world.as_service(get(&format!("/v1/users/7/{list}"))).await;
        assert_eq!(refused.problem(), problem(404, "user_not_found"));
    }
    for uri in [
        format!("/v1/users/{ann}/blocks?limit=0"),
        format!("/v1/users/{ann}/relationships?x=y"),
        format!("/v1/users/{NOBODY}/blocks"),
    ] {
        let refused = world.as_user(&bob, get(&uri)).await;
        assert_eq!(refused.problem(), problem(403, "forbidden"), "{uri}");
    }
}

#[actix_web::test]
async fn what_others_are_is_answered_in_the_order_asked() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let (cid, dan) = (world.person("cid").await, world.person("dan").await);
    let eve = world.person("eve").await;
    follow(&world, &ann, &bob).await;
    follow(&world, &bob, &ann).await;
    block(&world, &ann, &cid).await;
    block(&world, &eve, &ann).await;
    world.as_service(delete(&format!("/v1/users/{dan}"))).await;
    let uri = format!(
        "/v1/users/{ann}/relationships?with={cid},{bob},{NOBODY},7,,{dan},{eve},{}%2C{ann}",
        bob.to_uppercase()
    );
    let tie = |id: &str, following: bool, followed_by: bool, blocking: bool| json!({"id": id, "following": following, "followed_by": followed_by, "blocking": blocking});
    let mutual = tie(&bob, true, true, false);
    let shown = |eve: Value| {
        json!({"relationships": [
            tie(&cid, false, false, true), mutual, null, null, null, null, eve, mutual,
            tie(&ann, false, false, false),
        ]})
    };
    let own = world.as_user(&ann, get(&uri)).await;
    assert_eq!(own.json(), shown(Value::Null));
    assert_eq!(own.header("cache-control"), "private, no-cache");
    let service = world.as_service(get(&uri)).await;
    assert_eq!(service.json(), shown(tie(&eve, false, false, false)));
}

#[actix_web::test]
async fn whose_relationships_are_wanted_must_be_said() {
    let world = World::new();
    let ann = world.person("ann").await;
    let uri = format!("/v1/users/{ann}/relationships");
    for (query, faults) in [
        ("", vec!["with required"]),
        ("?with=x&with=y", vec!["with repeated"]),
        ("?with=x&to=y", vec!["to unknown_parameter"]),
    ] {
        let refused = world.as_user(&ann, get(&format!("{uri}{query}"))).await;
        assert_eq!(refused.problem(), problem(422, "invalid"), "{query}");
        assert_eq!(refused.fault_codes(), faults, "{query}");
    }
    let of = |count: usize| format!("{uri}?with={}", vec![NOBODY; count].join(","));
    let none = world.as_user(&ann, get(&format!("{uri}?with="))).await;
    assert_eq!(none.json(), json!({"relationships": []}));
    let most = world.as_user(&ann, get(&of(200))).await;
    assert_eq!(most.json()["relationships"], json!(vec![Value::Null; 200]));
    let many = world.as_user(&ann, get(&of(201))).await;
    assert_eq!(many.fault_codes(), ["with too_many"]);
    let nobody = format!("/v1/users/{NOBODY}/relationships?with=");
    let nobody = world.as_service(get(&nobody)).await;
    assert_eq!(nobody.problem(), problem(404, "user_not_found"));
}

#[actix_web::test]
async fn an_export_holds_the_lists_and_the_cursor_with_which_they_go_on() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let cid = world.person("cid").await;
    follow(&world, &bob, &ann).await;
    follow(&world, &ann, &bob).await;
    block(&world, &ann, &cid).await;
    let uri = format!("/v1/users/{ann}/export");
    let export = world.as_user(&ann, get(&uri)).await.json();
    let lists = &export["relationships"];
    assert_eq!(lists["counts"], json!({"followers": 1, "following": 1}));
    for (list, id, name) in [
        ("followers", &bob, "bob"),
        ("following", &bob, "bob"),
        ("blocks", &cid, "cid"),
    ] {
        let users = lists[list]["users"].as_array().unwrap();
        assert_eq!(users.len(), 1, "{list}");
        assert_eq!(users[0]["id"], json!(id));
        assert_eq!(users[0]["username"], name);
        assert!(users[0]["since"].as_str().unwrap().ends_with('Z'));
        assert_eq!(users[0].as_object().unwrap().len(), 3);
        assert_eq!(lists[list]["next_cursor"], Value::Null);
    }
    // One more than an export holds.
    let mut edges = Vec::new();
    for number in 0..1000 {
        let fan = samples::new_user(&format!("fan{number}"));
        let fan = samples::registered(&fan, &samples::context());
        let added = world.fakes.store.add(&fan, &samples::context()).await;
        assert!(added.is_ok(), "{added:?}");
        edges.push(json!({"follower": fan.user.id.to_string(), "target": ann}));
    }
    let batch = post("/v1/relationships/batch").set_json(json!({"edges": edges}));
    assert_eq!(world.as_service(batch).await.status, 200);
    let export = world.as_user(&ann, get(&uri)).await.json();
    let followers = &export["relationships"]["followers"];
    assert_eq!(followers["users"].as_array().unwrap().len(), 1000);
    let cursor = followers["next_cursor"].as_str().unwrap();
    let rest = format!("/v1/users/{ann}/followers?cursor={cursor}");
    assert_eq!(names(&world.as_user(&ann, get(&rest)).await), ["bob"]);
}
