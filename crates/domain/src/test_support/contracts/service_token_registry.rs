//! The contract of [`crate::ports::ServiceTokenRegistry`], and of the token events in the change log.

use super::{StoreUnderTest, race};
use crate::ports::{StoredServiceToken, TokenRevocation, TokenUse};
use crate::service_token::{NewServiceToken, ServiceToken};
use crate::test_support::samples::{
    context, context_at, issued_token, new_user, seconds, set_name, token_id,
};
use crate::values::{ServiceTokenId, UserId};
use crate::write::WriteError;

const RACERS: usize = 8;

impl StoreUnderTest {
    async fn token_added(&self, name: &str, at: u64) -> StoredServiceToken {
        let (issued, digest) = issued_token(name, &context_at(seconds(at)));
        let added = self.service_tokens.add_token(&issued, &digest).await;
        assert_eq!(added, Ok(()));
        StoredServiceToken {
            token: issued.token,
            digest,
        }
    }

    async fn token(&self, id: ServiceTokenId) -> Option<StoredServiceToken> {
        self.service_tokens.find_token(id).await.expect("a result")
    }

    async fn revoked(&self, id: ServiceTokenId, at: u64) -> Option<ServiceToken> {
        let context = context_at(seconds(at));
        match self.service_tokens.revoke_token(id, &context).await {
            Ok(TokenRevocation::Revoked(token)) => Some(token),
            Err(WriteError::NotFound) => None,
            other => panic!("expected a token or none, got {other:?}"),
        }
    }

    async fn note(&self, id: ServiceTokenId, at: u64) {
        let at = seconds(at);
        let noted = self.service_tokens.note_used(&[TokenUse { id, at }]).await;
        assert_eq!(noted, Ok(()));
    }

    async fn token_events(&self, from: &crate::ports::LogPosition) -> Vec<ServiceTokenId> {
        let result = self.change_log.since(from).await.expect("a result");
        assert!(result.complete);
        let mut tokens = result.tokens;
        tokens.sort();
        tokens
    }
}

/// A token and its digest are stored exactly as issued.
pub async fn a_token_is_found_as_issued(store: &StoreUnderTest) {
    let ends = store.token_added("posts", 0).await;
    let new = NewServiceToken {
        name: ends.token.name.clone(),
        scopes: crate::caller::Scope::ALL.into(),
        expires_at: None,
    };
    let lasts = ServiceToken::issue(token_id(), new, &context());
    let (_, digest) = issued_token("other", &context());
    store
        .service_tokens
        .add_token(&lasts, &digest)
        .await
        .expect("a token that can be added");
    assert_eq!(store.token(ends.token.id).await, Some(ends));
    let token = lasts.token;
    assert_eq!(
        store.token(token.id).await,
        Some(StoredServiceToken { token, digest })
    );
}

/// A token that was never issued is not found and cannot be revoked or marked as used.
pub async fn an_unknown_token_is_not_found(store: &StoreUnderTest) {
    store.token_added("posts", 0).await;
    let unknown = token_id();
    assert_eq!(store.token(unknown).await, None);
    assert_eq!(store.revoked(unknown, 1).await, None);
    store.note(unknown, 1).await;
    assert_eq!(store.token(unknown).await, None);
}

/// The list includes revoked tokens and is sorted by creation time, newest first.
pub async fn tokens_are_listed_newest_first(store: &StoreUnderTest) {
    let list = async || {
        let listed = store.service_tokens.list_tokens(None, 10).await;
        listed.expect("a result")
    };
    assert_eq!(list().await, vec![]);
    let second = store.token_added("posts", 20).await.token;
    let first = store.token_added("posts", 10).await.token;
    let third = store.token_added("auth", 30).await.token;
    let beside = store.token_added("mail", 30).await.token;
    let second = store.revoked(second.id, 40).await.expect("a token");
    assert_eq!(list().await, vec![beside, third, second, first]);
}

/// Each page continues after the last token of the previous one, also among tokens that were created at the same time.
pub async fn pages_of_tokens_have_each_token_once(store: &StoreUnderTest) {
    let mut tokens = Vec::new();
    for at in [10, 20, 20, 20, 30] {
        tokens.push(store.token_added("posts", at).await.token);
    }
    tokens.sort_by_key(|token| std::cmp::Reverse(token.position()));
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let page = store.service_tokens.list_tokens(after, 2).await;
        let page = page.expect("a result");
        assert!(page.len() <= 2, "{page:?}");
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.position());
        walked.extend(page);
    }
    assert_eq!(walked, tokens);
}

/// A reader sees a revocation as soon as it is acknowledged.
pub async fn a_revoked_token_is_found_revoked(store: &StoreUnderTest) {
    let stored = store.token_added("posts", 0).await;
    let other = store.token_added("posts", 0).await;
    let revoked = store.revoked(stored.token.id, 5).await.expect("a token");
    let expected = ServiceToken {
        revoked_at: Some(seconds(5)),
        ..stored.token
    };
    assert_eq!(revoked, expected);
    let found = store.token(expected.id).await.expect("a token");
    assert_eq!((found.token, found.digest), (expected, stored.digest));
    assert_eq!(store.token(other.token.id).await, Some(other));
}

/// A token that is already revoked stays unchanged, without a further event.
pub async fn a_second_revocation_keeps_the_first(store: &StoreUnderTest) {
    let stored = store.token_added("posts", 0).await;
    let first = store.revoked(stored.token.id, 5).await;
    let position = store.change_log.position().await.expect("a result");
    assert_eq!(store.revoked(stored.token.id, 9).await, first);
    assert_eq!(store.token_events(&position).await, vec![]);
}

/// One of several racing revocations takes effect, and all return the same token.
pub async fn racing_revocations_revoke_once(store: &StoreUnderTest) {
    let id = store.token_added("posts", 0).await.token.id;
    let position = store.change_log.position().await.expect("a result");
    let moments = race(store, RACERS, move |store, number| async move {
        let at = u64::try_from(number).expect("a small number") + 1;
        store
            .revoked(id, at)
            .await
            .and_then(|token| token.revoked_at)
    })
    .await;
    let first = moments.first().copied().flatten();
    assert!(first.is_some());
    assert!(moments.iter().all(|moment| *moment == first));
    assert_eq!(store.token_events(&position).await, vec![id]);
}

/// The last use is recorded. An earlier use that is reported late does not replace it. Uses create no events.
pub async fn the_last_use_of_a_token_only_moves_forward(store: &StoreUnderTest) {
    let id = store.token_added("posts", 0).await.token.id;
    let other = store.token_added("posts", 0).await.token.id;
    let position = store.change_log.position().await.expect("a result");
    let last_use = async |id| store.token(id).await.expect("a token").token.last_used_at;
    assert_eq!(last_use(id).await, None);
    store.note(id, 60).await;
    store.note(id, 30).await;
    assert_eq!(last_use(id).await, Some(seconds(60)));
    let uses = [(id, 61), (token_id(), 70), (other, 7)];
    let uses = uses.map(|(id, at)| TokenUse {
        id,
        at: seconds(at),
    });
    assert_eq!(store.service_tokens.note_used(&uses).await, Ok(()));
    assert_eq!(store.service_tokens.note_used(&[]).await, Ok(()));
    assert_eq!(last_use(id).await, Some(seconds(61)));
    assert_eq!(last_use(other).await, Some(seconds(7)));
    assert_eq!(store.token_events(&position).await, vec![]);
}

/// The latest use wins, in whichever order replicas report their uses.
pub async fn racing_uses_of_a_token_keep_the_latest(store: &StoreUnderTest) {
    let one = store.token_added("posts", 0).await.token.id;
    let two = store.token_added("posts", 0).await.token.id;
    race(store, RACERS, move |store, number| async move {
        let at = seconds(u64::try_from(number).expect("a small number"));
        let mut uses = vec![TokenUse { id: one, at }, TokenUse { id: two, at }];
        if number % 2 == 0 {
            uses.reverse();
        }
        let noted = store.service_tokens.note_used(&uses).await;
        assert_eq!(noted, Ok(()));
    })
    .await;
    for id in [one, two] {
        let stored = store.token(id).await.expect("a token");
        assert_eq!(stored.token.last_used_at, Some(seconds(7)));
    }
}

/// Pollers of the change log see issued and revoked tokens along with changed users.
pub async fn the_change_log_reports_issued_and_revoked_tokens(store: &StoreUnderTest) {
    let old = store.token_added("posts", 0).await.token.id;
    let position = store.change_log.position().await.expect("a result");
    let new = store.token_added("posts", 0).await.token.id;
    let user = store.added(&new_user("alice")).await.id;
    store.revoked(old, 5).await;
    store.changed(user, &set_name("Alice")).await;
    let result = store.change_log.since(&position).await.expect("a result");
    assert!(result.complete);
    let users: Vec<UserId> = result.changed.iter().map(|changed| changed.id).collect();
    assert_eq!(users, vec![user, user]);
    assert_eq!(store.token_events(&position).await, vec![old, new]);
    assert_eq!(store.token_events(&result.position).await, vec![]);
}

/// Events of a token are not returned for a user with the same UUID.
pub async fn token_events_are_not_user_events(store: &StoreUnderTest) {
    let stored = store.token_added("posts", 0).await;
    store.revoked(stored.token.id, 5).await;
    let namesake = UserId::from_uuid(stored.token.id.as_uuid());
    assert_eq!(store.events(namesake).await, vec![]);
}
