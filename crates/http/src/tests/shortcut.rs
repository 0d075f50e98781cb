use std::collections::BTreeMap;
use std::sync::Arc;

use user_domain::StoreError;
use user_domain::ports::MockServiceTokens;
use user_domain::test_support::mocks::MockUserReader;

use super::{Answer, World, get, problem};

/// The fields of an answer without its id, those that are lists without order.
fn fields(answer: &Answer) -> BTreeMap<String, Vec<String>> {
    let named = answer.headers.iter().map(|(name, value)| {
        let mut members: Vec<String> = value
            .to_str()
            .unwrap()
            .split(", ")
            .map(str::to_lowercase)
            .collect();
        members.sort_unstable();
        (name.to_string(), members)
    });
    named.filter(|(name, _)| name != "x-request-id").collect()
}

fn assert_same(one: &Answer, other: &Answer) {
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(fields(one), fields(other));
    assert_eq!(one.body, other.body);
    assert!(!one.header("x-request-id").is_empty());
}

#[actix_web::test]
async fn what_is_answered_at_once_is_what_would_be_answered_otherwise() {
    for origins in [&[][..], &["https://app.example.com"], &["*"]] {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let world = World::with(|settings| settings.cors_allowed_origins = origins, |_| ());
        let (ann, bob) = (world.person("ann").await, world.person("bob").await);
        for caller in [&ann, &bob] {
            let uri = format!("/v1/users/{ann}");
            // Read once, so that both are known.
            world.as_user(caller, get(&uri)).await;
            let at_once = world.as_user(caller, get(&uri)).await;
            // It changes nothing, but is out of the ordinary.
            let asked = get(&uri).insert_header(("if-none-match", "\"9-own\""));
            let otherwise = world.as_user(caller, asked).await;
            assert_same(&at_once, &otherwise);
            let current = get(&uri).insert_header(("cache-control", "no-cache"));
            let read = world.as_user(caller, current).await;
            let asked = get(&uri)
                .insert_header(("cache-control", "no-cache"))
                .insert_header(("if-none-match", "\"9-own\""));
            let otherwise = world.as_user(caller, asked).await;
            assert_same(&read, &otherwise);
        }
    }
}

#[actix_web::test]
async fn who_is_at_hand_is_shown_without_waiting_for_anything() {
    let world = World::with(
        |_| (),
        |ports| {
            let known = ports.service_tokens.clone();
            let mut away = MockServiceTokens::new();
            away.expect_find().returning(move |token| {
                if token == super::SERVICE {
                    let found = known.clone();
                    return futures_util::FutureExt::now_or_never(async move {
                        found.find(super::SERVICE).await
                    })
                    .unwrap();
                }
                Err(StoreError::Unavailable("it is away".into()))
            });
            ports.service_tokens = Arc::new(away);
        },
    );
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let uri = format!("/v1/users/{ann}");
    for id in [&ann, &bob] {
        world.as_service(get(&format!("/v1/users/{id}"))).await;
    }
    assert_eq!(world.as_user(&bob, get(&uri)).await.status, 200);
    for extraordinary in [
        get(&format!("{uri}?fields=id")),
        get(&uri).insert_header(("if-none-match", "\"9-own\"")),
        get(&uri).insert_header(("origin", "https://app.example.com")),
        get(&format!("{uri}/")).insert_header(("cache-control", "no-cache")),
    ] {
        let answer = world.as_user(&bob, extraordinary).await;
        assert_eq!(answer.problem(), problem(503, "unavailable"));
    }
}

#[actix_web::test]
async fn a_store_that_is_away_is_told_as_it_would_be_otherwise() {
    let world = World::with(
        |_| (),
        |ports| {
            let away = || StoreError::Unavailable("it is away".into());
            let mut reader = MockUserReader::new();
            reader.expect_find().returning(move |_| Err(away()));
            reader.expect_find_many().returning(move |_| Err(away()));
            ports.reader = Arc::new(reader);
        },
    );
    let ann = world.person("ann").await;
    let uri = "/v1/users/01990000-0000-7000-8000-000000000001";
    for asked in [
        get(uri),
        get(uri).insert_header(("cache-control", "no-cache")),
    ] {
        let at_once = world.as_user(&ann, asked).await;
        let asked = get(uri).insert_header(("if-none-match", "\"9-own\""));
        let otherwise = world.as_user(&ann, asked).await;
        assert_eq!(at_once.problem(), problem(503, "unavailable"));
        assert_eq!(otherwise.problem(), problem(503, "unavailable"));
        assert_eq!(fields(&at_once), fields(&otherwise));
    }
}
