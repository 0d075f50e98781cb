use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use async_trait::async_trait;
use serde_json::{Value, json};
use user_domain::StoreError;
use user_domain::ports::{UserKey, UserKeys, UserReader};
use user_domain::user::User;

use super::{World, deadlines, get, post, problem};

#[actix_web::test]
async fn each_view_has_its_fields_in_the_order_of_the_contract() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let uri = format!("/v1/users/{ann}");
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };

    let full = world.as_service(get(&uri)).await;
    assert_eq!(
        names(&full.json()),
        "id username status version profile metadata email email_verified phone_number phone_number_verified \
         external_id roles created_at updated_at deleted_at"
    );
    assert_eq!(
        names(&full.json()["profile"]),
        "name given_name family_name nickname picture website bio location locale zoneinfo birthdate"
    );
    assert_eq!(names(&full.json()["metadata"]), "public user private");
    assert_eq!(full.json()["phone_number"], Value::Null);
    assert_eq!(
        full.json()["created_at"].as_str().unwrap().len(),
        "2026-11-23T00:45:12.123456Z".len()
    );
    assert_eq!(full.header("etag"), "\"1-full\"");

    let own = world.as_user(&ann, get("/v1/users/me")).await;
    assert_eq!(names(&own.json()["metadata"]), "public user");
    assert_eq!(own.header("etag"), "\"1-own\"");

    let public = world.as_user(&bob, get(&uri)).await;
    assert_eq!(
        names(&public.json()),
        "id username status version profile metadata created_at"
    );
    assert!(!names(&public.json()["profile"]).contains("birthdate"));
    assert_eq!(names(&public.json()["metadata"]), "public");
    assert_eq!(public.header("etag"), "\"1-public\"");
    assert_eq!(public.header("cache-control"), "private, no-cache");
    assert_eq!(public.header("vary"), "Authorization, X-API-Token, Origin");
}

#[actix_web::test]
async fn a_user_is_found_by_each_key_and_a_bad_key_is_a_404() {
    let world = World::new();
    let ann = world.person("ann").await;
    world
        .as_service(
            TestRequest::patch()
                .uri(&format!("/v1/users/{ann}"))
                .set_json(json!({"external_id": "a/7%"})),
        )
        .await;
    for uri in [
        format!("/v1/users/{ann}/"),
        format!("/v1/users/{}", ann.to_uppercase()),
        "/v1/users/by-username/ANN".to_owned(),
        "/v1/users/by-username/%61nn".to_owned(),
        "/v1/users/by-external-id/a%2F7%25".to_owned(),
    ] {
        assert_eq!(
            world.as_service(get(&uri)).await.json()["id"],
            ann.as_str(),
            "{uri}"
        );
    }
    for uri in [
        "/v1/users/7",
        "/v1/users/%FF%FE",
        "/v1/users/by-username/%FF",
        "/v1/users/by-username/a%2Fb",
        "/v1/users/by-username/%00",
        "/v1/users/by-external-id/%C3%A9",
        "/v1/users/00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(
            world.as_service(get(uri)).await.problem(),
            problem(404, "user_not_found"),
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn me_is_nobody_for_a_service() {
    let world = World::new();
    assert_eq!(
        world.as_service(get("/v1/users/me")).await.problem(),
        problem(403, "forbidden")
    );
    let request = TestRequest::patch().uri("/v1/users/me").set_json(json!({}));
    assert_eq!(
        world.as_service(request).await.problem(),
        problem(403, "forbidden")
    );
}

#[actix_web::test]
async fn a_representation_that_the_client_has_is_a_304() {
    let world = World::new();
    let ann = world.person("ann").await;
    let uri = format!("/v1/users/{ann}");
    for tag in ["\"1-full\"", "W/\"1-full\"", "*", "\"x\", \"1-full\""] {
        let answer = world
            .as_service(get(&uri).insert_header(("if-none-match", tag)))
            .await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{tag}");
        assert_eq!(answer.header("etag"), "\"1-full\"");
        assert_eq!(answer.header("cache-control"), "private, no-cache");
        assert_eq!(answer.header("vary"), "Authorization, X-API-Token, Origin");
    }
    let other = world
        .as_service(get(&uri).insert_header(("if-none-match", "\"1-own\"")))
        .await;
    assert_eq!(other.status, 200);
    let unreadable = world
        .as_service(get(&uri).insert_header(("if-none-match", "1-own")))
        .await;
    assert_eq!(unreadable.problem(), problem(400, "invalid_header"));
}

#[actix_web::test]
async fn chosen_fields_come_without_an_etag_and_unknown_ones_are_refused() {
    let world = World::new();
    let ann = world.person("ann").await;
    let answer = world
        .as_service(get(&format!(
            "/v1/users/{ann}?fields=profile.name,username&x=y"
        )))
        .await;
    assert_eq!(
        answer.json(),
        json!({"id": ann, "username": "ann", "profile": {"name": null}})
    );
    assert!(!answer.headers.contains_key("etag"));
    for (query, fault) in [
        ("fields=nothing", "fields unknown_field"),
        ("fields=", "fields unknown_field"),
        ("fields=id&fields=id", "fields repeated"),
        ("include=likes", "include unknown"),
        ("include=", "include unknown"),
        ("include=counts,counts", "include unknown"),
        ("include=counts&include=counts", "include repeated"),
    ] {
        let answer = world
            .as_service(get(&format!("/v1/users/{ann}?{query}")))
            .await;
        assert_eq!(answer.problem(), problem(422, "invalid"), "{query}");
        assert_eq!(answer.fault_codes(), [fault], "{query}");
    }
}

#[actix_web::test]
async fn a_batch_answers_in_order_with_null_where_nobody_is() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let body = json!({"usernames": ["bob", "nobody", "ANN", "@", "bob"], "fields": ["username"]});
    let answer = world
        .as_service(post("/v1/users/batch").set_json(body))
        .await;
    let shown = |id: &str, name: &str| json!({"id": id, "username": name});
    assert_eq!(
        answer.json(),
        json!({"users": [shown(&bob, "bob"), null, shown(&ann, "ann"), null, shown(&bob, "bob")]})
    );
    let none = world
        .as_service(post("/v1/users/batch").set_json(json!({"ids": []})))
        .await;
    assert_eq!(none.json(), json!({"users": []}));
    let many = world
        .as_service(post("/v1/users/batch").set_json(json!({"ids": vec!["x"; 501]})))
        .await;
    assert_eq!(many.fault_codes(), ["/ids too_many"]);
    let fits = world
        .as_service(post("/v1/users/batch").set_json(json!({"ids": vec!["x"; 500]})))
        .await;
    assert_eq!(fits.status, 200);
    let denied = world
        .as_user(
            &ann,
            post("/v1/users/batch").set_json(json!({"emails": ["a@example.org"]})),
        )
        .await;
    assert_eq!(denied.problem(), problem(403, "forbidden"));
}

#[actix_web::test]
async fn an_export_holds_the_user_and_its_events() {
    let world = World::new();
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let answer = world
        .as_user(&ann, get(&format!("/v1/users/{ann}/export")))
        .await;
    let body = answer.json();
    assert_eq!(body["user"]["email"], "ann@example.org");
    assert_eq!(body["events"][0]["type"], "user.created");
    assert_eq!(body["events"][0]["actor"], "service:posts");
    assert_eq!(body.as_object().unwrap().len(), 4);
    let denied = world
        .as_user(&bob, get(&format!("/v1/users/{ann}/export")))
        .await;
    assert_eq!(denied.problem(), problem(403, "forbidden"));
}

struct HangingReader;

#[async_trait]
impl UserReader for HangingReader {
    async fn find(&self, _: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        std::future::pending().await
    }

    async fn find_many(&self, _: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        std::future::pending().await
    }
}

#[actix_web::test]
async fn a_read_that_hangs_is_a_503_that_says_when_to_come_back() {
    let world = World::with(
        |settings| settings.deadlines = deadlines(Duration::from_millis(20)),
        |ports| ports.reader = Arc::new(HangingReader),
    );
    let answer = world.as_service(get("/v1/users/by-username/ann")).await;
    assert_eq!(answer.problem(), problem(503, "overloaded"));
    assert_eq!(answer.header("retry-after"), "1");
}
