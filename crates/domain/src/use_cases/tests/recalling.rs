use super::*;
use crate::Freshness;
use crate::ports::{UserKey, VerifiedToken};
use crate::test_support::fakes::Fakes;
use crate::test_support::samples::{context, new_user, roles, seconds, user_id};
use crate::use_cases::*;
use crate::user::Change;
use crate::values::UserId;

/// Tokens by their names, and users of every kind.
struct World {
    fakes: Fakes,
    users: Vec<UserId>,
    tokens: Vec<String>,
}

/// A user of each kind, with a token that claims to be an administrator's and one that does not.
async fn world() -> World {
    let fakes = Fakes::default();
    let mut admin = new_user("alice");
    admin.rest.roles = Some(roles(&["admin"]));
    let mut users = vec![stored(&fakes, &admin).user.id];
    for (name, change) in [
        ("bob", None),
        ("carol", Some(Change::Suspend)),
        ("dave", Some(Change::Delete)),
        ("erin", Some(Change::SetHasBlocks(true))),
        ("frank", Some(Change::SignOut)),
    ] {
        let id = stored_user(&fakes, name).user.id;
        if let Some(change) = change {
            fakes.store.change(id, &change, &context()).await.unwrap();
        }
        users.push(id);
    }
    users.push(user_id());
    let mut tokens = Vec::new();
    for id in &users {
        for claims_admin in [false, true] {
            let token = format!("{id}/{claims_admin}");
            let says = VerifiedToken {
                subject: UserKey::Id(*id),
                claims_admin,
                issued_at: Some(seconds(0)),
            };
            fakes.tokens.admit(&token, says);
            tokens.push(token);
        }
    }
    tokens.push("of nobody".to_owned());
    World {
        fakes,
        users,
        tokens,
    }
}

/// What is answered by the road that may wait.
async fn answered(
    on: &UseCases,
    token: &str,
    id: UserId,
) -> Option<(crate::caller::Caller, FoundView)> {
    let caller = on
        .authenticate
        .run(&Credential::Bearer(token.to_owned()))
        .await;
    let caller = caller.ok()?;
    let sought = Sought::Id(id.to_string());
    let found = on.find_user.run(&caller, &sought, Freshness::Bounded).await;
    Some((caller, found.ok()?))
}

#[tokio::test]
async fn what_is_recalled_is_what_would_be_answered() {
    let World {
        fakes,
        users,
        tokens,
    } = world().await;
    let on = fakes.use_cases();
    for id in &users {
        let operator = crate::caller::Caller::Operator;
        let sought = Sought::Id(id.to_string());
        let _ = on
            .find_user
            .run(&operator, &sought, Freshness::Bounded)
            .await;
    }
    let mut recalled = 0;
    for token in &tokens {
        for id in &users {
            let expected = answered(&on, token, *id).await;
            let at_once = on.recall_user.run(token, *id);
            if at_once.is_some() {
                recalled += 1;
                assert_eq!(at_once, expected, "{token} {id}");
            }
        }
    }
    // An administrator of both kinds, bob of both kinds, and one who blocks: itself, or as they may see each other.
    assert!(recalled >= 14, "{recalled}");
}

#[tokio::test]
async fn what_is_read_beside_its_caller_is_what_would_be_answered() {
    for freshness in [Freshness::Bounded, Freshness::Current] {
        let World {
            fakes,
            users,
            tokens,
        } = world().await;
        let on = fakes.use_cases();
        let mut read = 0;
        for token in &tokens {
            for id in &users {
                // Before anything of the two is known, and after.
                for _ in 0..2 {
                    let found = on.recall_user.read(token, *id, freshness).await.unwrap();
                    let expected = answered(&on, token, *id).await;
                    if let Some((caller, found)) = found {
                        read += 1;
                        let (expected_caller, expected) = expected.unwrap();
                        assert_eq!(caller, expected_caller, "{token} {id}");
                        assert_eq!(found.view, expected.view, "{token} {id}");
                    }
                }
            }
        }
        assert!(read >= 20, "{freshness:?}: {read}");
    }
}

#[tokio::test]
async fn nothing_is_recalled_of_who_is_not_known() {
    let World { fakes, users, .. } = world().await;
    let on = fakes.use_cases();
    let (alice, bob) = (users[0], users[1]);
    let token = format!("{alice}/false");
    assert_eq!(on.recall_user.run(&token, bob), None);
    let expected = answered(&on, &token, bob).await;
    assert!(on.recall_user.run(&token, bob).is_some());
    assert!(expected.is_some());
    fakes.cache.forget(bob).await;
    assert_eq!(on.recall_user.run(&token, bob), None);
    assert_eq!(on.recall_user.run("of nobody", bob), None);
}
