use serde_json::{Value, json};

use super::{NOBODY, World, block, get, names, post, problem};

const BATCH: &str = "/v1/relationships/batch";

#[actix_web::test]
async fn each_follow_is_answered_in_order_as_a_call_for_it_alone_would_be() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let cid = world.person("cid").await;
    block(&world, &cid, &ann).await;
    let edge = |follower: &str, target: &str| json!({"follower": follower, "target": target});
    let body = json!({"edges": [
        edge(&ann, &bob), edge(&ann, &bob), edge(&ann, NOBODY), edge("7", &bob), edge(&ann, &ann),
        edge(&ann, &cid), edge(&bob.to_uppercase(), &ann),
    ]});
    let answer = world.as_service(post(BATCH).set_json(&body)).await;
    let done = |changed: bool| json!({"status": 204, "changed": changed});
    let nobody =
        json!({"status": 404, "code": "user_not_found", "detail": "There is no such user."});
    let oneself = json!({"status": 422, "code": "oneself", "detail": "Must be another user."});
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"results": [done(true), done(false), nobody, nobody, oneself, nobody, done(true)]})
    );
    let list = format!("/v1/users/{ann}/followers");
    assert_eq!(names(&world.as_service(get(&list)).await), ["bob"]);
    let again = world.as_service(post(BATCH).set_json(&body)).await;
    assert_eq!(again.json()["results"][0], done(false));
    let none = world
        .as_service(post(BATCH).set_json(json!({"edges": []})))
        .await;
    assert_eq!(none.json(), json!({"results": []}));
}

#[actix_web::test]
async fn each_fault_of_the_body_is_pointed_at() {
    let world = World::new();
    let fine = json!({"follower": NOBODY, "target": NOBODY});
    for (body, faults) in [
        (json!({}), vec!["/edges required"]),
        (json!({"edges": null}), vec!["/edges type"]),
        (json!({"edges": {}}), vec!["/edges type"]),
        (json!({"edges": [], "x": 1}), vec!["/x unknown_field"]),
        (json!({"edges": [fine, 7]}), vec!["/edges/1 type"]),
        (
            json!({"edges": [fine, fine, fine, {"follower": "a", "target": 7}]}),
            vec!["/edges/3/target type"],
        ),
        (
            json!({"edges": [{"target": null, "since": 1}]}),
            vec![
                "/edges/0/since unknown_field",
                "/edges/0/follower required",
                "/edges/0/target type",
            ],
        ),
        (json!({"edges": vec![&fine; 1001]}), vec!["/edges too_many"]),
    ] {
        let refused = world.as_service(post(BATCH).set_json(&body)).await;
        assert_eq!(refused.problem(), problem(422, "invalid"));
        assert_eq!(refused.fault_codes(), faults);
    }
    let most = post(BATCH).set_json(json!({"edges": vec![&fine; 1000]}));
    let most = world.as_service(most).await;
    assert_eq!(most.json()["results"].as_array().unwrap().len(), 1000);
    let wrong = post(BATCH).set_json(json!({"edges": vec![7; 1000]}));
    let wrong = world.as_service(wrong).await;
    assert_eq!(wrong.fault_codes().len(), 100);
    let no_object = world.as_service(post(BATCH).set_json(json!([]))).await;
    assert_eq!(no_object.fault_codes(), [" type"]);
    let no_json = post(BATCH).insert_header(("content-type", "text/plain"));
    let no_json = world.as_service(no_json.set_payload("x")).await;
    assert_eq!(no_json.problem(), problem(415, "unsupported_media_type"));
}

#[actix_web::test]
async fn only_a_service_lets_many_follow_and_others_hear_of_no_fault() {
    let world = World::new();
    let ann = world.person("ann").await;
    for body in [
        json!({"edges": []}),
        json!({"edges": 7}),
        Value::Object(serde_json::Map::new()),
    ] {
        let refused = world.as_user(&ann, post(BATCH).set_json(&body)).await;
        assert_eq!(refused.problem(), problem(403, "forbidden"));
        let refused = world
            .as_claimed_admin(&ann, post(BATCH).set_json(&body))
            .await;
        assert_eq!(refused.problem(), problem(403, "forbidden"));
    }
    let refused = world.send(post(BATCH).set_json(json!({"edges": []}))).await;
    assert_eq!(refused.problem(), problem(401, "missing_credentials"));
}
