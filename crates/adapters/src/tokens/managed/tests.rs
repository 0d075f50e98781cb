use secrecy::ExposeSecret;
use user_domain::ports::{IdGenerator as _, MockServiceTokenRegistry};
use user_domain::service_token::NewServiceToken;
use user_domain::test_support::fakes::{FakeStore, FixedClock};
use user_domain::test_support::samples::{context, seconds, start, token_id};
use user_domain::values::TokenName;

use super::*;
use crate::UuidV7Ids;
use crate::cache::{CacheOptions, UserTiers};
use crate::guards::Guards;

/// Checks tokens on a registry, with a cache for which nobody vouches: each look asks the registry.
fn managed(registry: Arc<dyn ServiceTokenRegistry>) -> (ManagedTokens, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::from(start()));
    let tiers = UserTiers::new(CacheOptions {
        memory: 0,
        redis: None,
        guards: Guards::default(),
    });
    (
        ManagedTokens::new(registry, tiers.tokens(), clock.clone()),
        clock,
    )
}

struct Issued {
    id: ServiceTokenId,
    token: String,
}

async fn issue(registry: &dyn ServiceTokenRegistry, expires_at: Option<Timestamp>) -> Issued {
    let (id, (secret, digest)) = (token_id(), UuidV7Ids.token_secret());
    let new = NewServiceToken {
        name: TokenName::parse("posts").unwrap(),
        scopes: ServiceToken::scopes_from_store(["users:read"]),
        expires_at,
    };
    let issued = ServiceToken::issue(id, new, &context());
    registry.add_token(&issued, &digest).await.unwrap();
    let token = secret.token_of(id).expose_secret().to_owned();
    Issued { id, token }
}

async fn is_known(tokens: &ManagedTokens, token: &str) -> bool {
    ServiceTokens::find(tokens, token).await.unwrap().is_some()
}

#[tokio::test]
async fn a_token_is_the_service_it_was_made_for_with_its_scopes() {
    let store = Arc::new(FakeStore::default());
    let (tokens, _) = managed(store.clone());
    let issued = issue(&*store, None).await;
    let caller = ServiceTokens::find(&tokens, &issued.token).await.unwrap();
    let caller = caller.unwrap();
    assert_eq!(caller.name, "posts");
    let scopes: Vec<&str> = caller.scopes.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(scopes, ["users:read"]);
}

#[tokio::test]
async fn another_secret_or_another_id_is_nobody() {
    let store = Arc::new(FakeStore::default());
    let (tokens, _) = managed(store.clone());
    let (one, other) = (issue(&*store, None).await, issue(&*store, None).await);
    let secret_of = |issued: &Issued| TokenSecret::read(&issued.token).unwrap().1;
    for stranger in [
        secret_of(&other).token_of(one.id),
        secret_of(&one).token_of(other.id),
        secret_of(&one).token_of(token_id()),
    ] {
        assert!(!is_known(&tokens, stranger.expose_secret()).await);
    }
    assert!(is_known(&tokens, &one.token).await);
    let last = one.token.chars().next_back().unwrap();
    let changed = if last == 'a' { 'b' } else { 'a' };
    let near = format!("{}{changed}", &one.token[..one.token.len() - 1]);
    assert!(!is_known(&tokens, &near).await);
}

#[tokio::test]
async fn a_known_token_asks_the_registry_once_until_it_is_revoked() {
    let store = FakeStore::default();
    let issued = issue(&store, None).await;
    let kept = store.find_token(issued.id).await.unwrap();
    let mut registry = MockServiceTokenRegistry::new();
    registry
        .expect_find_token()
        .times(2)
        .returning(move |_| Ok(kept.clone()));
    registry.expect_revoke_token().returning(|_, _| Ok(None));
    let clock = Arc::new(FixedClock::from(start()));
    let tokens = ManagedTokens::new(Arc::new(registry), TokenCache::vouched_for(), clock);
    for _ in 0..100 {
        assert!(is_known(&tokens, &issued.token).await);
    }
    // A wrong secret of a known token is no question for the registry either.
    let other = UuidV7Ids.token_secret().0.token_of(issued.id);
    assert!(!is_known(&tokens, other.expose_secret()).await);
    let revoked = tokens.revoke_token(issued.id, &context()).await;
    assert_eq!(revoked, Ok(None));
    for _ in 0..100 {
        assert!(is_known(&tokens, &issued.token).await);
    }
}

#[tokio::test]
async fn tokens_that_are_made_up_are_not_remembered() {
    let mut registry = MockServiceTokenRegistry::new();
    registry
        .expect_find_token()
        .times(100)
        .returning(|_| Ok(None));
    let clock = Arc::new(FixedClock::from(start()));
    let tokens = ManagedTokens::new(Arc::new(registry), TokenCache::vouched_for(), clock);
    for _ in 0..100 {
        let token = UuidV7Ids.token_secret().0.token_of(token_id());
        assert!(!is_known(&tokens, token.expose_secret()).await);
    }
    assert_eq!(tokens.cache.remembered(), 0);
    assert!(tokens.uses().is_empty());
}

#[tokio::test]
async fn what_is_no_managed_token_asks_nobody() {
    let (tokens, _) = managed(Arc::new(MockServiceTokenRegistry::new()));
    for text in ["", "ust_", "secret", "eyJhbGciOiJIUzI1NiJ9.e30.x"] {
        assert!(!is_known(&tokens, text).await);
    }
}

#[tokio::test]
async fn a_token_ends_by_the_clock_and_by_revocation() {
    let store = Arc::new(FakeStore::default());
    let (tokens, clock) = managed(store.clone());
    let issued = issue(&*store, Some(seconds(60))).await;
    clock.set(seconds(59));
    assert!(is_known(&tokens, &issued.token).await);
    clock.set(seconds(60));
    assert!(!is_known(&tokens, &issued.token).await);
    let issued = issue(&*store, None).await;
    assert!(is_known(&tokens, &issued.token).await);
    tokens.revoke_token(issued.id, &context()).await.unwrap();
    assert!(!is_known(&tokens, &issued.token).await);
}

#[tokio::test(start_paused = true)]
async fn uses_are_written_once_a_minute_and_the_latest_of_each_token() {
    let store = Arc::new(FakeStore::default());
    let (tokens, clock) = managed(store.clone());
    let issued = issue(&*store, None).await;
    let last_use = async || {
        let kept = ServiceTokenRegistry::find_token(&*store, issued.id).await;
        kept.unwrap().unwrap().token.last_used_at
    };
    let noting = tokens.keep_noting_uses();
    tokio::pin!(noting);
    for second in [1, 5, 30] {
        clock.set(seconds(second));
        assert!(is_known(&tokens, &issued.token).await);
    }
    let minute = WRITTEN_EVERY;
    assert!(timeout(minute / 2, &mut noting).await.is_err());
    assert_eq!(last_use().await, None);
    assert!(timeout(minute, &mut noting).await.is_err());
    assert_eq!(last_use().await, Some(seconds(30)));
}

#[tokio::test]
async fn uses_that_the_store_did_not_take_are_told_again() {
    let id = token_id();
    let mut registry = MockServiceTokenRegistry::new();
    let away = || StoreError::Unavailable("away".to_owned());
    registry
        .expect_note_used()
        .times(1)
        .return_once(move |_| Err(away()));
    let later = move |uses: &[TokenUse]| uses == [TokenUse { id, at: seconds(7) }];
    registry
        .expect_note_used()
        .withf(later)
        .times(1)
        .return_once(|_| Ok(()));
    let (tokens, _) = managed(Arc::new(registry));
    tokens.note(id, seconds(7));
    tokens.note(id, seconds(5));
    tokens.note_uses().await;
    tokens.note_uses().await;
    tokens.note_uses().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_not_waited_for() {
    struct Silent;
    #[async_trait]
    impl ServiceTokenRegistry for Silent {
        async fn add_token(&self, _: &AppliedToken, _: &TokenDigest) -> Result<(), StoreError> {
            std::future::pending().await
        }
        async fn find_token(&self, _: ServiceTokenId) -> Result<Option<KeptToken>, StoreError> {
            std::future::pending().await
        }
        async fn list_tokens(&self) -> Result<Vec<ServiceToken>, StoreError> {
            std::future::pending().await
        }
        async fn revoke_token(
            &self,
            _: ServiceTokenId,
            _: &WriteContext,
        ) -> Result<Option<ServiceToken>, StoreError> {
            std::future::pending().await
        }
        async fn note_used(&self, _: &[TokenUse]) -> Result<(), StoreError> {
            std::future::pending().await
        }
    }
    let (tokens, _) = managed(Arc::new(Silent));
    let token = UuidV7Ids.token_secret().0.token_of(token_id());
    let found = ServiceTokens::find(&tokens, token.expose_secret()).await;
    assert!(matches!(found, Err(StoreError::Unavailable(_))));
}
