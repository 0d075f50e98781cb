//! When the cache answers, when the database does, and how an answer tells.

use std::sync::Arc;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use user_domain::ports::{
    Hit, Lease, Lookup, Missed, MockUserCache, MockUserReader, Tier, UserKey, UserKeys,
    UserWriter as _, Voucher,
};
use user_domain::test_support::samples;
use user_domain::user::{Edit, User};
use user_domain::values::UserId;

use super::{Answer, World, get, patch, post};

const HIT: &str = "user-service; hit; detail=process";
const MISS: &str = "user-service; fwd=miss";
const ASKED: &str = "user-service; fwd=request";
const PARTIAL: &str = "user-service; fwd=partial";

/// Stores a person whom the cache has not seen.
fn unseen(world: &World, name: &str) -> Arc<User> {
    let mut new = samples::new_user(name);
    new.rest.external_id = Edit::Set(samples::external_id(name));
    let applied = samples::registered(&new, &samples::context());
    world.fakes.store.put(&applied);
    Arc::new(applied.user)
}

/// Changes a person as another replica would, of which the fake cache never hears.
async fn change_elsewhere(world: &World, id: UserId) {
    let (change, context) = (samples::call("Elsewhere"), samples::context());
    let changed = world.fakes.store.change(id, &change, &context).await;
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

async fn batch(world: &World, body: Value) -> Answer {
    let answer = world.as_service(post("/v1/users/batch").set_json(body));
    answer.await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.header("cache-status"))
}

#[actix_web::test]
async fn the_second_read_of_a_user_is_a_hit_by_each_key() {
    let world = World::new();
    let user = unseen(&world, "ann");
    let first = world.as_service(get(&addresses(&user)[0])).await;
    assert_eq!(told(&first), (200, MISS));
    for uri in addresses(&user) {
        let second = world.as_service(get(&uri)).await;
        assert_eq!(told(&second), (200, HIT), "{uri}");
        assert_eq!(second.body, first.body, "{uri}");
    }
}

/// Nobody can lease a user whose id it does not know: the first read by a name gives the hint, the second fills.
#[actix_web::test]
async fn the_third_read_by_a_name_alone_is_a_hit() {
    for which in [1, 2] {
        let world = World::new();
        let uri = &addresses(&unseen(&world, "ann"))[which];
        for expected in [MISS, MISS, HIT, HIT] {
            let answer = world.as_service(get(uri)).await;
            assert_eq!(told(&answer), (200, expected), "{uri}");
        }
    }
}

#[actix_web::test]
async fn a_user_is_cached_by_its_own_credential_and_by_its_own_write() {
    let world = World::new();
    let id = unseen(&world, "ann").id.to_string();
    let me = world.as_user(&id, get("/v1/users/me")).await;
    assert_eq!(told(&me), (200, HIT));
    let body = json!({"profile": {"name": "Ann"}});
    let written = world
        .as_user(&id, patch("/v1/users/me").set_json(body))
        .await;
    assert_eq!(told(&written), (200, ""));
    let me = world.as_user(&id, get("/v1/users/me")).await;
    assert_eq!(
        (told(&me), me.header("etag")),
        ((200, HIT), "\"2-own\""),
        "a write is read at once"
    );
}

#[actix_web::test]
async fn a_request_that_wants_validation_reads_the_database() {
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("cache-control", "Max-Age=0"),
        ("pragma", "no-cache"),
    ] {
        for which in 0..3 {
            let world = World::new();
            let user = unseen(&world, "ann");
            let uri = &addresses(&user)[which];
            world.as_service(get(&addresses(&user)[0])).await;
            change_elsewhere(&world, user.id).await;
            let content = world
                .as_service(get(uri).insert_header(("cache-control", "max-age=1")))
                .await;
            assert_eq!(told(&content), (200, HIT), "{uri}");
            assert_eq!(content.header("etag"), "\"1-full\"", "{uri}");
            let asked = world
                .as_service(get(uri).insert_header((name, value)))
                .await;
            assert_eq!(told(&asked), (200, ASKED), "{uri}");
            assert_eq!(asked.header("etag"), "\"2-full\"", "{uri}");
            let later = world.as_service(get(uri)).await;
            assert_eq!(later.header("etag"), "\"2-full\"", "{uri}");
        }
    }
}

#[actix_web::test]
async fn me_and_a_batch_read_the_database_when_asked_to() {
    let world = World::new();
    let user = unseen(&world, "ann");
    let id = user.id.to_string();
    world.as_user(&id, get("/v1/users/me")).await;
    change_elsewhere(&world, user.id).await;
    let asked = world.as_user(&id, no_cache(get("/v1/users/me"))).await;
    assert_eq!(told(&asked), (200, ASKED));
    assert_eq!(asked.header("etag"), "\"2-own\"");

    change_elsewhere(&world, user.id).await;
    let request = no_cache(post("/v1/users/batch")).set_json(json!({"usernames": ["ann"]}));
    let asked = world.as_service(request).await;
    assert_eq!(told(&asked), (200, ASKED));
    assert_eq!(asked.json()["users"][0]["version"], 2);
}

#[actix_web::test]
async fn a_304_and_a_part_of_a_user_tell_where_they_come_from_too() {
    let world = World::new();
    let user = unseen(&world, "ann");
    let uri = &addresses(&user)[0];
    let unchanged = || get(uri).insert_header(("if-none-match", "\"1-full\""));
    assert_eq!(told(&world.as_service(unchanged()).await), (304, MISS));
    assert_eq!(told(&world.as_service(unchanged()).await), (304, HIT));
    let asked = world.as_service(no_cache(unchanged())).await;
    assert_eq!(told(&asked), (304, ASKED));
    let part = world
        .as_service(get(&format!("{uri}?fields=username")))
        .await;
    assert_eq!(told(&part), (200, HIT));
}

#[actix_web::test]
async fn a_batch_tells_of_all_its_users_at_once() {
    let world = World::new();
    let (ann, bob) = (unseen(&world, "ann").id, unseen(&world, "bob").id);
    let first = batch(&world, json!({"ids": [ann, ann, "x"]})).await;
    assert_eq!(told(&first), (200, MISS));
    let second = batch(&world, json!({"ids": ["x", ann, ann]})).await;
    assert_eq!(told(&second), (200, HIT));
    let both = batch(&world, json!({"ids": [ann, bob]})).await;
    assert_eq!(told(&both), (200, PARTIAL));
    let both = batch(&world, json!({"usernames": ["bob", "ann"]})).await;
    assert_eq!(told(&both), (200, HIT));
    let nobody = json!({"ids": [samples::user_id()]});
    assert_eq!(told(&batch(&world, nobody.clone()).await), (200, MISS));
    assert_eq!(told(&batch(&world, nobody).await), (200, HIT));
    for none in [json!({"ids": []}), json!({"ids": ["x"]})] {
        let answer = batch(&world, none).await;
        assert!(!answer.headers.contains_key("cache-status"));
    }
    let addresses = json!({"emails": ["nobody@example.org"]});
    assert_eq!(told(&batch(&world, addresses).await), (200, MISS));
}

#[actix_web::test]
async fn what_reads_no_user_by_a_key_tells_nothing() {
    let world = World::new();
    let ann = world.person("ann").await;
    for uri in [
        "/v1/users".to_owned(),
        "/v1/users/count".to_owned(),
        format!("/v1/users/{ann}/export"),
        "/v1/users/7".to_owned(),
        "/health".to_owned(),
    ] {
        let answer = world.as_service(get(&uri)).await;
        assert!(!answer.headers.contains_key("cache-status"), "{uri}");
    }
}

/// How a cache answers a look for one user.
type Look = fn(UserId) -> Lookup;

/// A world whose cache answers every look with these, and whose store holds a user for each.
fn answered(looks: Vec<Look>) -> World {
    World::with(
        |_| (),
        |ports| {
            let mut cache = MockUserCache::new();
            cache
                .expect_look_up()
                .returning(move |ids| ids.iter().zip(&looks).map(|(id, look)| look(*id)).collect());
            cache.expect_fill().returning(|_, _| ());
            cache.expect_notice().returning(|_| ());
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
        },
    )
}

fn user_of(id: UserId) -> User {
    let (new, context) = (samples::new_user("ann"), samples::context());
    User::register(id, &new, &context).unwrap().user
}

fn hit(id: UserId, tier: Tier, vouched_by: Voucher) -> Lookup {
    Lookup::Hit(Hit {
        user: Some(Arc::new(user_of(id))),
        tier,
        vouched_by,
    })
}

fn joined(id: UserId) -> Lookup {
    Lookup::Coming(Box::pin(async move { Some(Some(Arc::new(user_of(id)))) }))
}

#[actix_web::test]
async fn each_answer_of_the_cache_is_told() {
    let looks: [(Look, &str); 5] = [
        (
            |id| hit(id, Tier::Shared, Voucher::Store),
            "user-service; hit; detail=shared",
        ),
        (
            |id| hit(id, Tier::Process, Voucher::Replicas),
            "user-service; hit; detail=process-database-unreachable",
        ),
        (
            |id| hit(id, Tier::Shared, Voucher::Replicas),
            "user-service; hit; detail=shared-database-unreachable",
        ),
        (joined, "user-service; fwd=miss; collapsed"),
        (
            |id| Lookup::Miss(Lease::new(id, ()), Missed::Unvouched),
            "user-service; fwd=stale",
        ),
    ];
    for (look, words) in looks {
        let world = answered(vec![look]);
        let id = samples::user_id();
        let one = world.as_service(get(&format!("/v1/users/{id}"))).await;
        assert_eq!(told(&one), (200, words));
        let many = batch(&world, json!({"ids": [id]})).await;
        assert_eq!(told(&many), (200, words));
    }
}

#[actix_web::test]
async fn a_batch_tells_the_strongest_reason() {
    let unknown: Look = |id| Lookup::Miss(Lease::new(id, ()), Missed::Unknown);
    let shared: Look = |id| hit(id, Tier::Shared, Voucher::Store);
    let process: Look = |id| hit(id, Tier::Process, Voucher::Store);
    for (looks, words) in [
        (vec![joined, unknown], MISS),
        (vec![shared, joined], PARTIAL),
        (vec![shared, process], "user-service; hit"),
    ] {
        let world = answered(looks);
        let ids = [samples::user_id(), samples::user_id()];
        let answer = batch(&world, json!({"ids": ids})).await;
        assert_eq!(told(&answer), (200, words));
    }
}
