use std::time::Duration;

use user_domain::StoreError;
use user_domain::ports::MockRelationships;
use user_domain::write::WriteError;

use super::super::deadlines;
use super::{TestApp, UNKNOWN_ID, block, delete, follow, get, head, names, put};

#[actix_web::test]
async fn follow_and_unfollow_are_idempotent_204s() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for kind in ["following", "blocks"] {
        let (list, uri) = (
            format!("/v1/users/{ann}/{kind}"),
            format!("/v1/users/{ann}/{kind}/{bob}"),
        );
        for _ in 0..2 {
            let done = app.as_user(&ann, put(&uri)).await;
            assert_eq!((done.status, done.body.len()), (204, 0), "{kind}");
            assert_eq!(done.header("etag"), "");
            assert_eq!(names(&app.as_user(&ann, get(&list)).await), ["bob"]);
        }
        for _ in 0..2 {
            let done = app.as_service(delete(&format!("{uri}/"))).await;
            assert_eq!((done.status, done.body.len()), (204, 0), "{kind}");
            assert!(names(&app.as_user(&ann, get(&list)).await).is_empty());
        }
    }
}

#[actix_web::test]
async fn a_follow_or_block_of_oneself_is_a_422() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{ann}/{kind}/{ann}");
        for request in [put(&uri), delete(&uri)] {
            let refused = app.as_user(&ann, request).await;
            refused.assert_problem(422, "invalid");
            assert_eq!(refused.fault_codes(), ["target oneself"]);
            assert_eq!(refused.json()["errors"][0]["parameter"], "target");
        }
    }
}

#[actix_web::test]
async fn missing_deleted_and_blocking_users_are_the_same_404() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let cid = app.create_user("cid").await;
    app.as_service(delete(&format!("/v1/users/{cid}"))).await;
    block(&app, &bob, &ann).await;
    for kind in ["following", "blocks"] {
        for target in [UNKNOWN_ID, "7", "me", &cid, &bob] {
            let uri = format!("/v1/users/{ann}/{kind}/{target}");
            for request in [put(&uri), delete(&uri)] {
                let refused = app.as_user(&ann, request).await;
                if kind == "blocks" && target.len() == UNKNOWN_ID.len() {
                    // Any well-formed id can be blocked.
                    assert_eq!((refused.status, refused.body.len()), (204, 0), "{uri}");
                    continue;
                }
                refused.assert_problem(404, "user_not_found");
                assert_eq!(refused.json()["detail"], "The user does not exist.");
            }
        }
        for from in [UNKNOWN_ID, "7", &cid] {
            let uri = format!("/v1/users/{from}/{kind}/{bob}");
            let refused = app.as_service(put(&uri)).await;
            refused.assert_problem(404, "user_not_found");
        }
    }
}

#[actix_web::test]
async fn only_the_user_itself_and_services_change_relationships() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for kind in ["following", "blocks"] {
        for from in [&*ann, UNKNOWN_ID] {
            let uri = format!("/v1/users/{from}/{kind}/{bob}");
            for request in [put(&uri), delete(&uri)] {
                let refused = app.as_user(&bob, request).await;
                refused.assert_problem(403, "forbidden");
            }
        }
        let uri = format!("/v1/users/{ann}/{kind}/{bob}");
        let refused = app.send(put(&uri)).await;
        refused.assert_problem(401, "missing_credentials");
        assert_eq!(app.as_service(put(&uri)).await.status, 204);
    }
}

#[actix_web::test]
async fn a_retry_with_the_same_key_is_replayed() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let uri = format!("/v1/users/{ann}/following/{bob}");
    let keyed =
        |request: actix_web::test::TestRequest| request.insert_header(("idempotency-key", "once"));
    let first = app.as_user(&ann, keyed(put(&uri))).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (204, "")
    );
    app.as_user(&ann, delete(&uri)).await;
    let again = app.as_user(&ann, keyed(put(&uri))).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (204, "true")
    );
    let list = format!("/v1/users/{ann}/following");
    assert!(names(&app.as_user(&ann, get(&list)).await).is_empty());
    let other = app.as_user(&ann, keyed(delete(&uri))).await;
    other.assert_problem(422, "idempotency_key_reused");
    let unreadable = put(&uri).insert_header(("idempotency-key", ""));
    let unreadable = app.as_user(&ann, unreadable).await;
    unreadable.assert_problem(400, "invalid_header");
}

#[actix_web::test]
async fn if_match_is_ignored_by_relationships() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{ann}/{kind}/{bob}");
        for tag in ["\"99-own\"", "W/\"1-own\"", "99", "*"] {
            for request in [put(&uri), delete(&uri)] {
                let request = request.insert_header(("if-match", tag));
                assert_eq!(app.as_user(&ann, request).await.status, 204, "{tag}");
            }
        }
    }
}

#[actix_web::test]
async fn a_follow_does_not_change_the_version_of_a_user() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    follow(&app, &ann, &bob).await;
    for id in [&ann, &bob] {
        let user = app.as_service(get(&format!("/v1/users/{id}"))).await;
        assert_eq!(user.version_and_view(), "1-full");
    }
}

#[actix_web::test]
async fn each_store_error_has_its_status() {
    for (error, (status, code)) in [
        (
            StoreError::Unavailable("x".to_owned()),
            (503, "unavailable"),
        ),
        (
            StoreError::OutcomeUnknown("x".to_owned()),
            (504, "outcome_unknown"),
        ),
        (StoreError::Internal("x".to_owned()), (500, "internal")),
    ] {
        let app = TestApp::with(
            |settings| settings.deadlines = deadlines(Duration::from_mins(1)),
            |ports| {
                let mut store = MockRelationships::new();
                store
                    .expect_change_relationship()
                    .returning(move |_, _| Err(WriteError::Store(error.clone())));
                ports.relationships = std::sync::Arc::new(store);
            },
        );
        let uri = format!("/v1/users/{UNKNOWN_ID}/following/0199b8f2-7c1e-7000-8000-00000000beef");
        let response = app.as_service(put(&uri)).await;
        response.assert_problem(status, code);
        assert!(!String::from_utf8_lossy(&response.body).contains("\"x\""));
    }
}

#[actix_web::test]
async fn relationship_resources_have_their_methods() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for list in ["followers", "following", "blocks", "relationships?with="] {
        let uri = format!("/v1/users/{ann}/{list}");
        assert_eq!(app.as_user(&ann, head(&uri)).await.status, 200, "{uri}");
        let wrong = app.as_user(&ann, delete(&uri)).await;
        wrong.assert_problem(405, "method_not_allowed");
        assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
    }
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{ann}/{kind}/{UNKNOWN_ID}");
        let wrong = app.as_user(&ann, get(&uri)).await;
        wrong.assert_problem(405, "method_not_allowed");
        assert_eq!(wrong.header("allow"), "PUT, DELETE, OPTIONS");
    }
    let wrong = app.as_service(get("/v1/relationships/batch")).await;
    assert_eq!(wrong.header("allow"), "POST, OPTIONS");
}
