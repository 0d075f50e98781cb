use serde_json::{Value, json};

use super::{TestApp, UNKNOWN_ID, block, get, names, post};

const BATCH: &str = "/v1/relationships/batch";

#[actix_web::test]
async fn each_follow_of_a_batch_has_the_result_of_a_single_request() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let cid = app.create_user("cid").await;
    block(&app, &cid, &ann).await;
    let edge = |follower: &str, target: &str| json!({"follower": follower, "target": target});
    let body = json!({"edges": [
        edge(&ann, &bob), edge(&ann, &bob), edge(&ann, UNKNOWN_ID), edge("7", &bob), edge(&ann, &ann),
        edge(&ann, &cid), edge(&bob.to_uppercase(), &ann),
    ]});
    let response = app.as_service(post(BATCH).set_json(&body)).await;
    let done = |changed: bool| json!({"status": 204, "changed": changed});
    let missing =
        json!({"status": 404, "code": "user_not_found", "detail": "The user does not exist."});
    let same_user = json!({"status": 422, "code": "oneself", "detail": "Must be another user."});
    assert_eq!(response.status, 200);
    assert_eq!(
        response.json(),
        json!({"results": [done(true), done(false), missing, missing, same_user, missing, done(true)]})
    );
    let list = format!("/v1/users/{ann}/followers");
    assert_eq!(names(&app.as_service(get(&list)).await), ["bob"]);
    let again = app.as_service(post(BATCH).set_json(&body)).await;
    assert_eq!(again.json()["results"][0], done(false));
    let none = app
        .as_service(post(BATCH).set_json(json!({"edges": []})))
        .await;
    assert_eq!(none.json(), json!({"results": []}));
}

#[actix_web::test]
async fn each_error_of_the_body_has_a_pointer() {
    let app = TestApp::new();
    let fine = json!({"follower": UNKNOWN_ID, "target": UNKNOWN_ID});
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
                "/edges/0/follower required",
                "/edges/0/target type",
                "/edges/0/since unknown_field",
            ],
        ),
        (json!({"edges": vec![&fine; 1001]}), vec!["/edges too_many"]),
    ] {
        let refused = app.as_service(post(BATCH).set_json(&body)).await;
        refused.assert_problem(422, "invalid");
        assert_eq!(refused.fault_codes(), faults);
    }
    let most = post(BATCH).set_json(json!({"edges": vec![&fine; 1000]}));
    let most = app.as_service(most).await;
    assert_eq!(most.json()["results"].as_array().unwrap().len(), 1000);
    let wrong = post(BATCH).set_json(json!({"edges": vec![7; 1000]}));
    let wrong = app.as_service(wrong).await;
    assert_eq!(wrong.fault_codes().len(), 100);
    let no_object = app.as_service(post(BATCH).set_json(json!([]))).await;
    assert_eq!(no_object.fault_codes(), [" type"]);
    let no_json = post(BATCH).insert_header(("content-type", "text/plain"));
    let no_json = app.as_service(no_json.set_payload("x")).await;
    no_json.assert_problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn permission_for_a_batch_is_checked_before_the_body() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for body in [
        json!({"edges": []}),
        json!({"edges": 7}),
        Value::Object(serde_json::Map::new()),
    ] {
        let refused = app.as_user(&ann, post(BATCH).set_json(&body)).await;
        refused.assert_problem(403, "forbidden");
        let refused = app
            .as_claimed_admin(&ann, post(BATCH).set_json(&body))
            .await;
        refused.assert_problem(403, "forbidden");
    }
    let refused = app.send(post(BATCH).set_json(json!({"edges": []}))).await;
    refused.assert_problem(401, "missing_credentials");
}
