use secrecy::ExposeSecret;
use user_domain::ports::{IdGenerator as _, MockServiceTokenRegistry};
use user_domain::service_token::NewServiceToken;
use user_domain::test_support::fakes::{FakeStore, FixedClock};
use user_domain::test_support::samples::{context, seconds, start, token_id};
use user_domain::values::TokenName;

use super::*;
use crate::cache::{CacheOptions, TieredUserCache};
use crate::guards::Guards;
use crate::{SystemClock, UuidV7Ids};

/// Returns a verifier with a cache that is never fresh, so that each lookup queries the registry.
fn managed(registry: Arc<dyn ServiceTokenRegistry>) -> (ManagedTokens, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::from(start()));
    let tiers = TieredUserCache::new(CacheOptions {
        memory_bytes: 0,
        redis: None,
        clock: Arc::new(SystemClock),
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
    let token = secret.format_token(id).expose_secret().to_owned();
    Issued { id, token }
}

async fn is_known(tokens: &ManagedTokens, token: &str) -> bool {
    match ServiceTokenVerifier::find(tokens, token).await {
        Ok(found) => found.is_some(),
        Err(FindServiceError::Rejected(_)) => false,
        Err(FindServiceError::Store(error)) => panic!("the store failed: {error}"),
    }
}

#[tokio::test]
async fn a_token_identifies_its_service_and_scopes() {
    let store = Arc::new(FakeStore::default());
    let (tokens, _) = managed(store.clone());
    let issued = issue(&*store, None).await;
    let caller = ServiceTokenVerifier::find(&tokens, &issued.token)
        .await
        .unwrap();
    let caller = caller.unwrap();
    assert_eq!(caller.name, "posts");
    let scopes: Vec<&str> = caller.scopes.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(scopes, ["users:read"]);
}

#[tokio::test]
async fn a_wrong_secret_or_id_is_rejected() {
    let store = Arc::new(FakeStore::default());
    let (tokens, _) = managed(store.clone());
    let (one, other) = (issue(&*store, None).await, issue(&*store, None).await);
    let secret_of = |issued: &Issued| TokenSecret::parse_token(&issued.token).unwrap().1;
    for unknown in [
        secret_of(&other).format_token(one.id),
        secret_of(&one).format_token(other.id),
        secret_of(&one).format_token(token_id()),
    ] {
        assert!(!is_known(&tokens, unknown.expose_secret()).await);
    }
    assert!(is_known(&tokens, &one.token).await);
    let last = one.token.chars().next_back().unwrap();
    let changed = if last == 'a' { 'b' } else { 'a' };
    let near = format!("{}{changed}", &one.token[..one.token.len() - 1]);
    assert!(!is_known(&tokens, &near).await);
}

#[tokio::test]
async fn a_cached_token_is_read_once_until_it_is_revoked() {
    let store = FakeStore::default();
    let issued = issue(&store, None).await;
    let stored = store.find_token(issued.id).await.unwrap();
    let mut registry = MockServiceTokenRegistry::new();
    registry
        .expect_find_token()
        .times(2)
        .returning(move |_| Ok(stored.clone()));
    registry
        .expect_revoke_token()
        .returning(|_, _| Ok(TokenRevocation::Replayed));
    let clock = Arc::new(FixedClock::from(start()));
    let tokens = ManagedTokens::new(Arc::new(registry), ServiceTokenCache::always_fresh(), clock);
    for _ in 0..100 {
        assert!(is_known(&tokens, &issued.token).await);
    }
    // A wrong secret for a cached token does not query the registry either.
    let other = UuidV7Ids.token_secret().0.format_token(issued.id);
    assert!(!is_known(&tokens, other.expose_secret()).await);
    let revoked = tokens.revoke_token(issued.id, &context()).await;
    assert_eq!(revoked, Ok(TokenRevocation::Replayed));
    for _ in 0..100 {
        assert!(is_known(&tokens, &issued.token).await);
    }
}

#[tokio::test]
async fn invented_tokens_are_not_cached() {
    let mut registry = MockServiceTokenRegistry::new();
    registry
        .expect_find_token()
        .times(100)
        .returning(|_| Ok(None));
    let clock = Arc::new(FixedClock::from(start()));
    let tokens = ManagedTokens::new(Arc::new(registry), ServiceTokenCache::always_fresh(), clock);
    for _ in 0..100 {
        let token = UuidV7Ids.token_secret().0.format_token(token_id());
        assert!(!is_known(&tokens, token.expose_secret()).await);
    }
    assert_eq!(tokens.cache.token_count(), 0);
    assert!(tokens.uses().is_empty());
}

#[tokio::test]
async fn other_tokens_do_not_query_the_registry() {
    let (tokens, _) = managed(Arc::new(MockServiceTokenRegistry::new()));
    for text in ["", "ust_", "secret", "eyJhbGciOiJIUzI1NiJ9.e30.x"] {
        assert!(!is_known(&tokens, text).await);
    }
}

#[tokio::test]
async fn a_token_ends_by_expiry_and_by_revocation() {
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
async fn the_latest_use_of_each_token_is_written_once_a_minute() {
    let store = Arc::new(FakeStore::default());
    let (tokens, clock) = managed(store.clone());
    let issued = issue(&*store, None).await;
    let last_use = async || {
        let stored = ServiceTokenRegistry::find_token(&*store, issued.id).await;
        stored.unwrap().unwrap().token.last_used_at
    };
    let writer = tokens.run_usage_writer();
    tokio::pin!(writer);
    for second in [1, 5, 30] {
        clock.set(seconds(second));
        assert!(is_known(&tokens, &issued.token).await);
    }
    let minute = WRITE_INTERVAL;
    assert!(timeout(minute / 2, &mut writer).await.is_err());
    assert_eq!(last_use().await, None);
    assert!(timeout(minute, &mut writer).await.is_err());
    assert_eq!(last_use().await, Some(seconds(30)));
}

#[tokio::test]
async fn uses_are_written_again_after_a_failure() {
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
    tokens.record_use(id, seconds(7));
    tokens.record_use(id, seconds(5));
    tokens.write_uses().await;
    tokens.write_uses().await;
    tokens.write_uses().await;
}

#[tokio::test(start_paused = true)]
async fn a_lookup_in_a_silent_store_times_out() {
    struct Silent;
    #[async_trait]
    impl ServiceTokenRegistry for Silent {
        async fn add_token(&self, _: &AppliedToken, _: &TokenDigest) -> Result<(), StoreError> {
            std::future::pending().await
        }
        async fn find_token(
            &self,
            _: ServiceTokenId,
        ) -> Result<Option<StoredServiceToken>, StoreError> {
            std::future::pending().await
        }
        async fn list_tokens(
            &self,
            _: Option<TokenPosition>,
            _: u16,
        ) -> Result<Vec<ServiceToken>, StoreError> {
            std::future::pending().await
        }
        async fn revoke_token(
            &self,
            _: ServiceTokenId,
            _: &WriteContext,
        ) -> Result<TokenRevocation, WriteError> {
            std::future::pending().await
        }
        async fn note_used(&self, _: &[TokenUse]) -> Result<(), StoreError> {
            std::future::pending().await
        }
    }
    let (tokens, _) = managed(Arc::new(Silent));
    let token = UuidV7Ids.token_secret().0.format_token(token_id());
    let found = ServiceTokenVerifier::find(&tokens, token.expose_secret()).await;
    assert!(matches!(
        found,
        Err(FindServiceError::Store(StoreError::Unavailable(_)))
    ));
}

#[tokio::test]
async fn a_rejected_service_token_has_a_reason() {
    let store = Arc::new(FakeStore::default());
    let (tokens, clock) = managed(store.clone());
    let issued = issue(&*store, Some(seconds(10))).await;
    let rejection = async |token: &str| {
        ServiceTokenVerifier::find(&tokens, token)
            .await
            .unwrap_err()
    };
    let rejected = FindServiceError::Rejected;

    let never_issued = UuidV7Ids.token_secret().0.format_token(token_id());
    let unknown = rejected(Rejection::UnknownServiceToken);
    assert_eq!(rejection(never_issued.expose_secret()).await, unknown);
    // A valid id with a wrong secret gives the same error as an unknown id.
    let forged = UuidV7Ids.token_secret().0.format_token(issued.id);
    store.revoke_token(issued.id, &context()).await.unwrap();
    assert_eq!(rejection(forged.expose_secret()).await, unknown);
    let revoked = rejected(Rejection::RevokedServiceToken);
    assert_eq!(rejection(&issued.token).await, revoked);

    let other = issue(&*store, Some(seconds(10))).await;
    clock.set(seconds(10));
    let expired = rejected(Rejection::ExpiredServiceToken);
    assert_eq!(rejection(&other.token).await, expired);
    let opaque = ServiceTokenVerifier::find(&tokens, "opaque").await;
    assert_eq!(opaque, Ok(None), "it may be a token of a user");
}
