use std::sync::Arc;

use super::*;
use crate::Freshness;
use crate::caller::Caller;
use crate::ports::{UserKey, VerifiedToken};
use crate::test_support::fakes::Fakes;
use crate::test_support::mocks::MockUserReader;
use crate::test_support::samples::{new_user, roles, seconds, user_id};
use crate::use_cases::*;
use crate::user::Change;
use crate::values::UserId;
use crate::view::UserView;

/// Users in every state, and their tokens.
struct Fixture {
    fakes: Fakes,
    users: Vec<UserId>,
    tokens: Vec<String>,
}

/// Creates a user in each state, each with a token that claims the admin role and one that does not.
async fn fixture() -> Fixture {
    let fakes = Fakes::default();
    let mut admin = new_user("alice");
    admin.rest.roles = Some(roles(&["admin"]));
    let mut users = vec![stored(&fakes, &admin).user.id];
    for (name, change) in [
        ("bob", None),
        ("carol", Some(Change::suspend())),
        ("dave", Some(Change::Delete)),
        ("erin", Some(Change::SetHasBlocks(true))),
        ("frank", Some(Change::SignOut)),
    ] {
        let id = stored_user(&fakes, name).user.id;
        if let Some(change) = change {
            change_user(&fakes, id, &change).await;
        }
        users.push(id);
    }
    users.push(user_id());
    let mut tokens = Vec::new();
    for id in &users {
        for claims_admin in [false, true] {
            let token = format!("{id}/{claims_admin}");
            let verified = VerifiedToken {
                subject: UserKey::Id(*id),
                claims_admin,
                issued_at: Some(seconds(0)),
            };
            fakes.tokens.admit(&token, verified);
            tokens.push(token);
        }
    }
    tokens.push("unknown".to_owned());
    Fixture {
        fakes,
        users,
        tokens,
    }
}

/// Authenticates the caller and finds the user by the two use cases.
async fn in_two_steps(
    on: &UseCases,
    credential: &Credential,
    selector: &UserSelector,
    freshness: Freshness,
) -> Result<AuthenticatedRead, AuthenticateError> {
    let caller = on.authenticate.run(credential).await?;
    let found = on.find_user.run(&caller, selector, freshness).await;
    Ok(AuthenticatedRead { caller, found })
}

/// Removes the source, which depends on earlier reads.
fn without_source(
    read: Result<AuthenticatedRead, AuthenticateError>,
) -> Result<(Caller, Result<UserView, FindUserError>), AuthenticateError> {
    read.map(|read| (read.caller, read.found.map(|found| found.view)))
}

#[tokio::test]
async fn a_read_equals_authentication_and_find_with_any_cache() {
    for freshness in [Freshness::Bounded, Freshness::Current] {
        let Fixture {
            fakes,
            users,
            tokens,
        } = fixture().await;
        let on = fakes.use_cases();
        let (mut found, mut answered_now) = (0, 0);
        for token in &tokens {
            let credential = Credential::Bearer(token.clone());
            let selectors = users.iter().map(|id| UserSelector::Id(id.to_string()));
            for selector in selectors.chain([UserSelector::Me, UserSelector::Id("1".to_owned())]) {
                for cached in [false, true] {
                    if !cached {
                        for id in &users {
                            fakes.cache.forget(*id).await;
                        }
                    }
                    let now = on.read_user.now(&credential, &selector, freshness);
                    let verified = match &now {
                        ReadNow::Waits(verified) => verified.clone(),
                        ReadNow::Done(_) => None,
                    };
                    let read = on
                        .read_user
                        .run(&credential, verified, &selector, freshness)
                        .await;
                    let expected = in_two_steps(&on, &credential, &selector, freshness).await;
                    found += usize::from(read.as_ref().is_ok_and(|read| read.found.is_ok()));
                    let (read, expected) = (without_source(read), without_source(expected));
                    if let ReadNow::Done(now) = now {
                        answered_now += 1;
                        assert_eq!(without_source(now), expected, "{token} {selector:?}");
                    }
                    assert_eq!(
                        read, expected,
                        "{token} {selector:?} {freshness:?} {cached}"
                    );
                }
            }
        }
        assert!(found >= 40, "{freshness:?}: {found}");
        let has_answers = freshness == Freshness::Bounded;
        assert_eq!(
            answered_now >= 10,
            has_answers,
            "{freshness:?}: {answered_now}"
        );
    }
}

#[tokio::test]
async fn a_caller_and_a_user_that_are_not_cached_are_read_in_one_query() {
    let fakes = Fakes::default();
    let (ann, bob) = (
        stored_user(&fakes, "ann").user,
        stored_user(&fakes, "bob").user,
    );
    fakes.tokens.admit_user("token", ann.id);
    let mut reader = MockUserReader::new();
    let (caller, user) = (Arc::new(ann), Arc::new(bob.clone()));
    reader
        .expect_find_many()
        .once()
        .returning(move |_| Ok(vec![Some(caller.clone()), Some(user.clone())]));
    let mut ports = fakes.ports();
    ports.reader = Arc::new(reader);
    let credential = Credential::Bearer("token".to_owned());
    let selector = UserSelector::Id(bob.id.to_string());
    let read_user = UseCases::new(&ports).read_user;
    for _ in 0..2 {
        let read = read_user
            .run(&credential, None, &selector, Freshness::Bounded)
            .await;
        assert!(read.unwrap().found.is_ok());
    }
}

#[tokio::test]
async fn an_unavailable_store_is_an_error_of_the_authentication() {
    let fakes = Fakes::default();
    let ann = stored_user(&fakes, "ann").user.id;
    fakes.tokens.admit_user("token", ann);
    let mut reader = MockUserReader::new();
    reader
        .expect_find_many()
        .once()
        .returning(move |_| Err(away()));
    let mut ports = fakes.ports();
    ports.reader = Arc::new(reader);
    let credential = Credential::Bearer("token".to_owned());
    let selector = UserSelector::Id(ann.to_string());
    let read_user = UseCases::new(&ports).read_user;
    let read = read_user
        .run(&credential, None, &selector, Freshness::Bounded)
        .await;
    assert_eq!(read, Err(away().into()));
}
