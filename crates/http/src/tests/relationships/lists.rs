use serde_json::{Value, json};
use user_domain::ports::UserWriter as _;
use user_domain::test_support::samples;

use super::{TestApp, UNKNOWN_ID, block, delete, follow, get, names, post};

#[actix_web::test]
async fn pages_are_linked_newest_first() {
    let app = TestApp::with_settings(|settings| settings.base_path = "/api".to_owned());
    let ann = app.create_user("ann").await;
    for name in ["bob", "cid", "dan"] {
        let id = app.create_user(name).await;
        follow(&app, &id, &ann).await;
        follow(&app, &ann, &id).await;
    }
    for list in ["followers", "following"] {
        let uri = format!("/v1/users/{}/{list}/?limit=2", ann.to_uppercase());
        let first = app.as_user(&ann, get(&uri)).await;
        assert_eq!(names(&first), ["dan", "cid"], "{list}");
        assert_eq!(
            first.header("cache-control"),
            "private, no-cache, no-transform"
        );
        assert_eq!(first.header("etag"), "");
        let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
        let link = format!("</api/v1/users/{ann}/{list}?limit=2&cursor={cursor}>; rel=\"next\"");
        assert_eq!(first.header("link"), link);
        let uri = link[1..].split('>').next().unwrap();
        let last = app.as_user(&ann, get(uri)).await;
        assert_eq!(names(&last), ["bob"]);
        assert_eq!(last.json()["next_cursor"], Value::Null);
        assert_eq!(last.header("link"), "");
        for user in last.json()["users"].as_array().unwrap() {
            assert_eq!(user["email"], Value::Null, "a public view");
        }
    }
}

#[actix_web::test]
async fn a_cursor_is_valid_for_one_list_of_one_user() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for name in ["cid", "dan"] {
        let id = app.create_user(name).await;
        follow(&app, &id, &ann).await;
    }
    let page = app
        .as_service(get(&format!("/v1/users/{ann}/followers?limit=1")))
        .await;
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let users = app.as_service(get("/v1/users?limit=1")).await;
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
        let refused = app.as_service(get(&uri)).await;
        refused.assert_problem(400, "invalid_cursor");
    }
    let uri = format!("/v1/users/{ann}/followers?cursor={cursor}&limit=200");
    assert_eq!(names(&app.as_service(get(&uri)).await), ["cid"]);
}

#[actix_web::test]
async fn permission_is_checked_before_the_query_of_a_list() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for list in ["followers", "following", "blocks"] {
        for limit in ["0", "201", "x", "", "-1", "%2B1"] {
            let uri = format!("/v1/users/{ann}/{list}?limit={limit}&sort=created_at");
            let refused = app.as_user(&ann, get(&uri)).await;
            refused.assert_problem(422, "invalid");
            let mut faults = refused.fault_codes();
            faults.sort();
            assert_eq!(faults, ["limit out_of_range", "sort unknown_parameter"]);
        }
        let refused = app
            .as_service(get(&format!("/v1/users/{UNKNOWN_ID}/{list}")))
            .await;
        refused.assert_problem(404, "user_not_found");
        let refused = app.as_service(get(&format!("/v1/users/7/{list}"))).await;
        refused.assert_problem(404, "user_not_found");
    }
    for uri in [
        format!("/v1/users/{ann}/blocks?limit=0"),
        format!("/v1/users/{ann}/relationships?x=y"),
        format!("/v1/users/{UNKNOWN_ID}/blocks"),
    ] {
        let refused = app.as_user(&bob, get(&uri)).await;
        refused.assert_problem(403, "forbidden");
    }
}

#[actix_web::test]
async fn relationships_are_returned_in_request_order() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let (cid, dan) = (app.create_user("cid").await, app.create_user("dan").await);
    let eve = app.create_user("eve").await;
    follow(&app, &ann, &bob).await;
    follow(&app, &bob, &ann).await;
    block(&app, &ann, &cid).await;
    block(&app, &eve, &ann).await;
    app.as_service(delete(&format!("/v1/users/{dan}"))).await;
    let uri = format!(
        "/v1/users/{ann}/relationships?with={cid},{bob},{UNKNOWN_ID},7,,{dan},{eve},{}%2C{ann}",
        bob.to_uppercase()
    );
    let relationship = |id: &str, following: bool, followed_by: bool, blocking: bool| json!({"id": id, "following": following, "followed_by": followed_by, "blocking": blocking});
    let mutual = relationship(&bob, true, true, false);
    let shown = |eve: Value| {
        json!({"relationships": [
            relationship(&cid, false, false, true), mutual, null, null, null, null, eve, mutual,
            relationship(&ann, false, false, false),
        ]})
    };
    let own = app.as_user(&ann, get(&uri)).await;
    assert_eq!(own.json(), shown(Value::Null));
    assert_eq!(
        own.header("cache-control"),
        "private, no-cache, no-transform"
    );
    let service = app.as_service(get(&uri)).await;
    assert_eq!(
        service.json(),
        shown(relationship(&eve, false, false, false))
    );
}

#[actix_web::test]
async fn the_parameter_with_is_required() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let uri = format!("/v1/users/{ann}/relationships");
    for (query, faults) in [
        ("", vec!["with required"]),
        ("?with=x&to=y", vec!["to unknown_parameter"]),
    ] {
        let refused = app.as_user(&ann, get(&format!("{uri}{query}"))).await;
        refused.assert_problem(422, "invalid");
        assert_eq!(refused.fault_codes(), faults, "{query}");
    }
    let of = |count: usize| format!("{uri}?with={}", vec![UNKNOWN_ID; count].join(","));
    let two = app
        .as_user(
            &ann,
            get(&format!("{uri}?with={UNKNOWN_ID}&with={UNKNOWN_ID}")),
        )
        .await;
    assert_eq!(two.json()["relationships"], json!([null, null]));
    let none = app.as_user(&ann, get(&format!("{uri}?with="))).await;
    assert_eq!(none.json(), json!({"relationships": []}));
    let most = app.as_user(&ann, get(&of(200))).await;
    assert_eq!(most.json()["relationships"], json!(vec![Value::Null; 200]));
    let many = app.as_user(&ann, get(&of(201))).await;
    assert_eq!(many.fault_codes(), ["with too_many"]);
    let unknown = format!("/v1/users/{UNKNOWN_ID}/relationships?with=");
    let unknown = app.as_service(get(&unknown)).await;
    unknown.assert_problem(404, "user_not_found");
}

#[actix_web::test]
async fn an_export_has_the_lists_and_their_cursors() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let cid = app.create_user("cid").await;
    follow(&app, &bob, &ann).await;
    follow(&app, &ann, &bob).await;
    block(&app, &ann, &cid).await;
    let uri = format!("/v1/users/{ann}/export");
    let export = app.as_user(&ann, get(&uri)).await.json();
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
    // One follower more than the limit of an export.
    let mut edges = Vec::new();
    for number in 0..1000 {
        let fan = samples::new_user(&format!("fan{number}"));
        let fan = samples::registered(&fan, &samples::context());
        let added = app.fakes.store.add(&fan, &samples::context()).await;
        assert!(added.is_ok(), "{added:?}");
        edges.push(json!({"follower": fan.user.id.to_string(), "target": ann}));
    }
    let batch = post("/v1/relationships/batch").set_json(json!({"edges": edges}));
    assert_eq!(app.as_service(batch).await.status, 200);
    let export = app.as_user(&ann, get(&uri)).await.json();
    let followers = &export["relationships"]["followers"];
    assert_eq!(followers["users"].as_array().unwrap().len(), 1000);
    let cursor = followers["next_cursor"].as_str().unwrap();
    let rest = format!("/v1/users/{ann}/followers?cursor={cursor}");
    assert_eq!(names(&app.as_user(&ann, get(&rest)).await), ["bob"]);
    let rest = format!("{uri}?followers_cursor={cursor}");
    let rest = app.as_user(&ann, get(&rest)).await.json();
    assert_eq!(rest.as_object().unwrap().len(), 2, "{rest}");
    assert_eq!(rest["relationships"].as_object().unwrap().len(), 1);
    let followers = &rest["relationships"]["followers"];
    assert_eq!(followers["users"][0]["username"], "bob");
    assert_eq!(followers["next_cursor"], Value::Null);
    let foreign = app.as_user(&ann, get(&format!("{uri}?blocks_cursor={cursor}")));
    assert_eq!(foreign.await.status, 400);
}
