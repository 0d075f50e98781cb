//! The source of a read: cache or database, and its `Cache-Status`.

use std::sync::Arc;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use user_domain::ports::{
    FreshnessSource, Hit, Lease, Lookup, MissReason, MockUserCache, MockUserReader, Tier, UserKey,
    UserKeys, UserWriter as _,
};
use user_domain::test_support::samples;
use user_domain::user::{Edit, User};
use user_domain::values::UserId;

use super::{TestApp, TestResponse, get, patch, post};

const HIT: &str = "user-service; hit; detail=process";
const MISS: &str = "user-service; fwd=miss";
const NO_CACHE: &str = "user-service; fwd=request";
const PARTIAL: &str = "user-service; fwd=partial";

/// Stores a user that is not cached.
fn uncached_user(app: &TestApp, name: &str) -> Arc<User> {
    let mut new = samples::new_user(name);
    new.rest.external_id = Edit::Set(samples::external_id(name));
    let applied = samples::registered(&new, &samples::context());
    app.fakes.store.put(&applied);
    Arc::new(applied.user)
}

/// Changes a user without an invalidation of the fake cache, like another replica.
async fn change_elsewhere(app: &TestApp, id: UserId) {
    let (change, context) = (samples::set_name("Elsewhere"), samples::context());
    let changed = app.fakes.store.change(id, &change, &context).await;
    changed.unwrap();
}

fn addresses(user: &User) -> [String; 3] {
    [
        format!("/v1/users/{}", user.id),
        format!("/v1/users/by-username/{}", user.username),
        format!("/v1/users/by-external-id/{}", user.username),
    ]
}

fn no_cache(request: TestRequest) -> TestRequest {
    request.insert_header(("cache-control", "no-cache"))
}

async fn batch(app: &TestApp, body: Value) -> TestResponse {
    let response = app.as_service(post("/v1/users/batch").set_json(body));
    response.await
}

fn status_and_source(response: &TestResponse) -> (u16, &str) {
    (response.status, response.header("cache-status"))
}

#[actix_web::test]
async fn the_second_read_of_a_user_is_a_hit_by_each_key() {
    let app = TestApp::new();
    let user = uncached_user(&app, "ann");
    let first = app.as_service(get(&addresses(&user)[0])).await;
    assert_eq!(status_and_source(&first), (200, MISS));
    for uri in addresses(&user) {
        let second = app.as_service(get(&uri)).await;
        assert_eq!(status_and_source(&second), (200, HIT), "{uri}");
        assert_eq!(second.body, first.body, "{uri}");
    }
}

/// A lease requires the user's id. The first read by name stores the hint with the id, the second fills the cache.
#[actix_web::test]
async fn the_third_read_by_username_or_external_id_is_a_hit() {
    for which in [1, 2] {
        let app = TestApp::new();
        let uri = &addresses(&uncached_user(&app, "ann"))[which];
        for expected in [MISS, MISS, HIT, HIT] {
            let response = app.as_service(get(uri)).await;
            assert_eq!(status_and_source(&response), (200, expected), "{uri}");
        }
    }
}

#[actix_web::test]
async fn authentication_and_writes_fill_the_cache() {
    let app = TestApp::new();
    let id = uncached_user(&app, "ann").id.to_string();
    let me = app.as_user(&id, get("/v1/users/me")).await;
    assert_eq!(status_and_source(&me), (200, HIT));
    let body = json!({"profile": {"name": "Ann"}});
    let written = app.as_user(&id, patch("/v1/users/me").set_json(body)).await;
    assert_eq!(status_and_source(&written), (200, ""));
    let me = app.as_user(&id, get("/v1/users/me")).await;
    assert_eq!(
        (status_and_source(&me), me.version_and_view()),
        ((200, HIT), "2-own"),
        "a write is visible to the next read"
    );
}

#[actix_web::test]
async fn no_cache_and_max_age_0_read_the_database() {
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("cache-control", "Max-Age=0"),
        ("pragma", "no-cache"),
    ] {
        for which in 0..3 {
            let app = TestApp::new();
            let user = uncached_user(&app, "ann");
            let uri = &addresses(&user)[which];
            app.as_service(get(&addresses(&user)[0])).await;
            change_elsewhere(&app, user.id).await;
            let content = app
                .as_service(get(uri).insert_header(("cache-control", "max-age=1")))
                .await;
            assert_eq!(status_and_source(&content), (200, HIT), "{uri}");
            assert_eq!(content.version_and_view(), "1-full", "{uri}");
            let current = app.as_service(get(uri).insert_header((name, value))).await;
            assert_eq!(status_and_source(&current), (200, NO_CACHE), "{uri}");
            assert_eq!(current.version_and_view(), "2-full", "{uri}");
            let later = app.as_service(get(uri)).await;
            assert_eq!(later.version_and_view(), "2-full", "{uri}");
        }
    }
}

#[actix_web::test]
async fn no_cache_applies_to_me_and_batches() {
    let app = TestApp::new();
    let user = uncached_user(&app, "ann");
    let id = user.id.to_string();
    app.as_user(&id, get("/v1/users/me")).await;
    change_elsewhere(&app, user.id).await;
    let current = app.as_user(&id, no_cache(get("/v1/users/me"))).await;
    assert_eq!(status_and_source(&current), (200, NO_CACHE));
    assert_eq!(current.version_and_view(), "2-own");

    change_elsewhere(&app, user.id).await;
    let request = no_cache(post("/v1/users/batch")).set_json(json!({"usernames": ["ann"]}));
    let current = app.as_service(request).await;
    assert_eq!(status_and_source(&current), (200, NO_CACHE));
    assert_eq!(current.json()["users"][0]["version"], 2);
}

#[actix_web::test]
async fn a_304_and_selected_fields_have_a_cache_status() {
    let app = TestApp::new();
    let user = uncached_user(&app, "ann");
    let uri = &addresses(&user)[0];
    // `*` matches any representation, so none has to be read first.
    let unchanged = || get(uri).insert_header(("if-none-match", "*"));
    assert_eq!(
        status_and_source(&app.as_service(unchanged()).await),
        (304, MISS)
    );
    assert_eq!(
        status_and_source(&app.as_service(unchanged()).await),
        (304, HIT)
    );
    let current = app.as_service(no_cache(unchanged())).await;
    assert_eq!(status_and_source(&current), (304, NO_CACHE));
    let part = app.as_service(get(&format!("{uri}?fields=username"))).await;
    assert_eq!(status_and_source(&part), (200, HIT));
}

#[actix_web::test]
async fn a_batch_has_one_cache_status_for_all_users() {
    let app = TestApp::new();
    let (ann, bob) = (uncached_user(&app, "ann").id, uncached_user(&app, "bob").id);
    let first = batch(&app, json!({"ids": [ann, ann, "x"]})).await;
    assert_eq!(status_and_source(&first), (200, MISS));
    let second = batch(&app, json!({"ids": ["x", ann, ann]})).await;
    assert_eq!(status_and_source(&second), (200, HIT));
    let both = batch(&app, json!({"ids": [ann, bob]})).await;
    assert_eq!(status_and_source(&both), (200, PARTIAL));
    let both = batch(&app, json!({"usernames": ["bob", "ann"]})).await;
    assert_eq!(status_and_source(&both), (200, HIT));
    let unknown = json!({"ids": [samples::user_id()]});
    assert_eq!(
        status_and_source(&batch(&app, unknown.clone()).await),
        (200, MISS)
    );
    assert_eq!(status_and_source(&batch(&app, unknown).await), (200, HIT));
    for none in [json!({"ids": []}), json!({"ids": ["x"]})] {
        let response = batch(&app, none).await;
        assert!(!response.headers.contains_key("cache-status"));
    }
    let addresses = json!({"emails": ["nobody@example.org"]});
    assert_eq!(
        status_and_source(&batch(&app, addresses).await),
        (200, MISS)
    );
}

#[actix_web::test]
async fn requests_without_a_lookup_by_key_have_no_cache_status() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for uri in [
        "/v1/users".to_owned(),
        "/v1/users/count".to_owned(),
        format!("/v1/users/{ann}/export"),
        "/v1/users/7".to_owned(),
        "/health".to_owned(),
    ] {
        let response = app.as_service(get(&uri)).await;
        assert!(!response.headers.contains_key("cache-status"), "{uri}");
    }
}

/// Creates the result of a cache lookup.
type LookupFn = fn(UserId) -> Lookup;

/// Creates an app with a cache that returns these results for every lookup, and a store that has every user.
fn app_with_lookups(lookups: Vec<LookupFn>) -> TestApp {
    TestApp::with_ports(|ports| {
        let mut cache = MockUserCache::new();
        cache.expect_peek().returning(|_| None);
        cache.expect_look_up().returning(move |ids| {
            ids.iter()
                .zip(&lookups)
                .map(|(id, lookup)| lookup(*id))
                .collect()
        });
        cache.expect_fill().returning(|_, _| ());
        cache.expect_observe().returning(|_| ());
        ports.cache = Arc::new(cache);
        let mut reader = MockUserReader::new();
        let known = |id| Some(Arc::new(user_of(id)));
        reader.expect_find().returning(move |key| match key {
            UserKey::Id(id) => Ok(known(*id)),
            _ => Ok(None),
        });
        reader.expect_find_many().returning(move |keys| match keys {
            UserKeys::Ids(ids) => Ok(ids.iter().map(|id| known(*id)).collect()),
            _ => Ok(Vec::new()),
        });
        ports.reader = Arc::new(reader);
    })
}

fn user_of(id: UserId) -> User {
    let (new, context) = (samples::new_user("ann"), samples::context());
    User::register(id, &new, &context).unwrap().user
}

fn hit(id: UserId, tier: Tier, freshness_source: FreshnessSource) -> Lookup {
    Lookup::Hit(Hit {
        user: Some(Arc::new(user_of(id))),
        tier,
        freshness_source,
    })
}

fn joined(id: UserId) -> Lookup {
    Lookup::InFlight(Box::pin(async move { Some(Some(Arc::new(user_of(id)))) }))
}

#[actix_web::test]
async fn each_cache_outcome_has_its_cache_status() {
    let lookups: [(LookupFn, &str); 5] = [
        (
            |id| hit(id, Tier::Shared, FreshnessSource::Store),
            "user-service; hit; detail=shared",
        ),
        (
            |id| hit(id, Tier::Process, FreshnessSource::Replicas),
            "user-service; hit; detail=process-database-unreachable",
        ),
        (
            |id| hit(id, Tier::Shared, FreshnessSource::Replicas),
            "user-service; hit; detail=shared-database-unreachable",
        ),
        (joined, "user-service; fwd=miss; collapsed"),
        (
            |id| Lookup::Miss(Lease::new(id, ()), MissReason::Stale),
            "user-service; fwd=stale",
        ),
    ];
    for (lookup, expected) in lookups {
        let app = app_with_lookups(vec![lookup]);
        let id = samples::user_id();
        let one = app.as_service(get(&format!("/v1/users/{id}"))).await;
        assert_eq!(status_and_source(&one), (200, expected));
        let many = batch(&app, json!({"ids": [id]})).await;
        assert_eq!(status_and_source(&many), (200, expected));
    }
}

#[actix_web::test]
async fn a_batch_reports_the_strongest_reason() {
    let unknown: LookupFn = |id| Lookup::Miss(Lease::new(id, ()), MissReason::Unknown);
    let shared: LookupFn = |id| hit(id, Tier::Shared, FreshnessSource::Store);
    let process: LookupFn = |id| hit(id, Tier::Process, FreshnessSource::Store);
    for (lookups, expected) in [
        (vec![joined, unknown], MISS),
        (vec![shared, joined], PARTIAL),
        (vec![shared, process], "user-service; hit"),
    ] {
        let app = app_with_lookups(lookups);
        let ids = [samples::user_id(), samples::user_id()];
        let response = batch(&app, json!({"ids": ids})).await;
        assert_eq!(status_and_source(&response), (200, expected));
    }
}
