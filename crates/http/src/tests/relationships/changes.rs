use std::time::Duration;

use user_domain::StoreError;
use user_domain::ports::MockRelationships;
use user_domain::write::WriteError;

use super::super::deadlines;
use super::{NOBODY, World, block, delete, follow, get, head, names, problem, put};

#[actix_web::test]
async fn a_follow_and_its_end_are_204_without_a_body_and_repeated_they_change_nothing() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for kind in ["following", "blocks"] {
        let (list, uri) = (
            format!("/v1/users/{ann}/{kind}"),
            format!("/v1/users/{ann}/{kind}/{bob}"),
        );
        for _ in 0..2 {
            let done = world.as_user(&ann, put(&uri)).await;
            assert_eq!((done.status, done.body.len()), (204, 0), "{kind}");
            assert_eq!(done.header("etag"), "");
            assert_eq!(names(&world.as_user(&ann, get(&list)).await), ["bob"]);
        }
        for _ in 0..2 {
            let done = world.as_service(delete(&format!("{uri}/"))).await;
            assert_eq!((done.status, done.body.len()), (204, 0), "{kind}");
            assert!(names(&world.as_user(&ann, get(&list)).await).is_empty());
        }
    }
}

#[actix_web::test]
async fn nobody_follows_or_blocks_itself() {
    let world = World::new();
    let ann = world.person("ann").await;
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{ann}/{kind}/{ann}");
        for request in [put(&uri), delete(&uri)] {
            let refused = world.as_user(&ann, request).await;
            assert_eq!(refused.problem(), problem(422, "invalid"), "{kind}");
            assert_eq!(refused.fault_codes(), ["target oneself"]);
            assert_eq!(refused.json()["errors"][0]["parameter"], "target");
        }
    }
}

#[actix_web::test]
async fn whoever_is_not_there_is_a_404_in_the_same_words() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let cid = world.person("cid").await;
    world.as_service(delete(&format!("/v1/users/{cid}"))).await;
    block(&world, &bob, &ann).await;
    for kind in ["following", "blocks"] {
        for target in [NOBODY, "7", "me", &cid, &bob] {
            let uri = format!("/v1/users/{ann}/{kind}/{target}");
            for request in [put(&uri), delete(&uri)] {
                let refused = world.as_user(&ann, request).await;
                assert_eq!(refused.problem(), problem(404, "user_not_found"), "{uri}");
                assert_eq!(refused.json()["detail"], "There is no such user.");
            }
        }
        for from in [NOBODY, "7", &cid] {
            let uri = format!("/v1/users/{from}/{kind}/{bob}");
            let refused = world.as_service(put(&uri)).await;
            assert_eq!(refused.problem(), problem(404, "user_not_found"), "{uri}");
        }
    }
}

#[actix_web::test]
async fn nobody_relates_another_but_a_service() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for kind in ["following", "blocks"] {
        for from in [&*ann, NOBODY] {
            let uri = format!("/v1/users/{from}/{kind}/{bob}");
            for request in [put(&uri), delete(&uri)] {
                let refused = world.as_user(&bob, request).await;
                assert_eq!(refused.problem(), problem(403, "forbidden"), "{uri}");
            }
        }
        let uri = format!("/v1/users/{ann}/{kind}/{bob}");
        let refused = world.send(put(&uri)).await;
        assert_eq!(refused.problem(), problem(401, "missing_credentials"));
        assert_eq!(world.as_service(put(&uri)).await.status, 204);
    }
}

#[actix_web::test]
async fn a_change_is_done_once_under_a_key_and_its_repetition_is_marked() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let uri = format!("/v1/users/{ann}/following/{bob}");
    let keyed =
        |request: actix_web::test::TestRequest| request.insert_header(("idempotency-key", "once"));
    let first = world.as_user(&ann, keyed(put(&uri))).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (204, "")
    );
    world.as_user(&ann, delete(&uri)).await;
    let again = world.as_user(&ann, keyed(put(&uri))).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (204, "true")
    );
    let list = format!("/v1/users/{ann}/following");
    assert!(names(&world.as_user(&ann, get(&list)).await).is_empty());
    let other = world.as_user(&ann, keyed(delete(&uri))).await;
    assert_eq!(other.problem(), problem(422, "idempotency_key_reused"));
    let unreadable = put(&uri).insert_header(("idempotency-key", ""));
    let unreadable = world.as_user(&ann, unreadable).await;
    assert_eq!(unreadable.problem(), problem(400, "invalid_header"));
}

#[actix_web::test]
async fn a_relationship_has_no_version_that_a_writer_could_expect() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{ann}/{kind}/{bob}");
        for tag in ["\"99-own\"", "W/\"1-own\"", "99", "*"] {
            for request in [put(&uri), delete(&uri)] {
                let request = request.insert_header(("if-match", tag)).set_payload("{");
                assert_eq!(world.as_user(&ann, request).await.status, 204, "{tag}");
            }
        }
    }
}

#[actix_web::test]
async fn what_a_user_follows_leaves_its_version_alone() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    follow(&world, &ann, &bob).await;
    for id in [&ann, &bob] {
        let user = world.as_service(get(&format!("/v1/users/{id}"))).await;
        assert_eq!(user.header("etag"), "\"1-full\"");
    }
}

#[actix_web::test]
async fn each_outcome_of_the_store_is_told_truly() {
    for (error, told) in [
        (
            StoreError::Unavailable("x".to_owned()),
            problem(503, "unavailable"),
        ),
        (
            StoreError::OutcomeUnknown("x".to_owned()),
            problem(504, "outcome_unknown"),
        ),
        (
            StoreError::Internal("x".to_owned()),
            problem(500, "internal"),
        ),
    ] {
        let world = World::with(
            |settings| settings.deadlines = deadlines(Duration::from_mins(1)),
            |ports| {
                let mut store = MockRelationships::new();
                store
                    .expect_relate()
                    .returning(move |_, _| Err(WriteError::Store(error.clone())));
                ports.relationships = std::sync::Arc::new(store);
            },
        );
        let uri = format!("/v1/users/{NOBODY}/following/0199b8f2-7c1e-7000-8000-00000000beef");
        let answer = world.as_service(put(&uri)).await;
        assert_eq!(answer.problem(), told);
        assert!(!String::from_utf8_lossy(&answer.body).contains("\"x\""));
    }
}

#[actix_web::test]
async fn the_resources_have_the_methods_of_their_kind() {
    let world = World::new();
    let ann = world.person("ann").await;
    for list in ["followers", "following", "blocks", "relationships?with="] {
        let uri = format!("/v1/users/{ann}/{list}");
        assert_eq!(world.as_user(&ann, head(&uri)).await.status, 200, "{uri}");
        let wrong = world.as_user(&ann, delete(&uri)).await;
        assert_eq!(wrong.problem(), problem(405, "method_not_allowed"));
        assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
    }
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{ann}/{kind}/{NOBODY}");
        let wrong = world.as_user(&ann, get(&uri)).await;
        assert_eq!(wrong.problem(), problem(405, "method_not_allowed"));
        assert_eq!(wrong.header("allow"), "PUT, DELETE, OPTIONS");
    }
    let wrong = world.as_service(get("/v1/relationships/batch")).await;
    assert_eq!(wrong.header("allow"), "POST, OPTIONS");
}
