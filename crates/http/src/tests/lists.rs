use serde_json::json;

use super::{World, get, problem};

#[actix_web::test]
async fn a_walk_goes_from_page_to_page_with_all_that_was_asked_for() {
    let world = World::with(|settings| settings.base_path = "/api".to_owned(), |_| ());
    for name in ["ann", "bob", "cid"] {
        world.person(name).await;
    }
    let first = world
        .as_service(get(
            "/v1/users?sort=username&limit=2&status=active,suspended",
        ))
        .await;
    let names = |body: serde_json::Value| -> Vec<String> {
        body["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(first.json()), ["ann", "bob"]);
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let link = first.header("link");
    let uri = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .unwrap();
    assert!(
        uri.starts_with("/api/v1/users?sort=username&limit=2&status=active%2Csuspended&cursor="),
        "{uri}"
    );
    assert!(uri.ends_with(first.json()["next_cursor"].as_str().unwrap()));
    let second = world.as_service(get(uri)).await;
    assert_eq!(names(second.json()), ["cid"]);
    assert_eq!(
        (second.json()["next_cursor"].clone(), second.header("link")),
        (json!(null), "")
    );
    let foreign = world
        .as_service(get(&uri.replace("sort=username", "sort=-created_at")))
        .await;
    assert_eq!(foreign.problem(), problem(400, "invalid_cursor"));
    let broken = world.as_service(get("/v1/users?cursor=x")).await;
    assert_eq!(broken.problem(), problem(400, "invalid_cursor"));
}

#[actix_web::test]
async fn every_fault_of_a_query_is_told_at_once() {
    let world = World::new();
    let answer = world
        .as_service(get(
            "/v1/users?limit=0&sort=age&colour=red&q=a&role=x&role=y",
        ))
        .await;
    assert_eq!(answer.problem(), problem(422, "invalid"));
    let mut codes = answer.fault_codes();
    codes.sort();
    assert_eq!(
        codes,
        [
            "colour unknown_parameter",
            "limit out_of_range",
            "q too_short",
            "role repeated",
            "sort unknown"
        ]
    );
    let count = world.as_service(get("/v1/users/count?limit=3")).await;
    assert_eq!(count.fault_codes(), ["limit unknown_parameter"]);
}

#[actix_web::test]
async fn who_may_not_list_is_told_so_before_the_querys_faults() {
    let world = World::new();
    let ann = world.person("ann").await;
    for uri in ["/v1/users?limit=0", "/v1/users/count?x=y"] {
        assert_eq!(
            world.as_user(&ann, get(uri)).await.problem(),
            problem(403, "forbidden"),
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn a_count_is_under_the_same_filters() {
    let world = World::new();
    for name in ["ann", "anna", "bob"] {
        world.person(name).await;
    }
    assert_eq!(
        world.as_service(get("/v1/users/count")).await.json(),
        json!({"count": 3})
    );
    assert_eq!(
        world
            .as_service(get("/v1/users/count?username_prefix=AN"))
            .await
            .json(),
        json!({"count": 2})
    );
}
