//! The promises of [`crate::ports::ServiceTokenRegistry`], and what the log of changes tells of tokens.

use super::{StoreUnderTest, race};
use crate::ports::{KeptToken, TokenUse};
use crate::service_token::{NewServiceToken, ServiceToken};
use crate::test_support::samples::{
    call, context, context_at, issued_token, new_user, seconds, token_id,
};
use crate::values::{ServiceTokenId, UserId};

const RACERS: usize = 8;

impl StoreUnderTest {
    async fn token_added(&self, name: &str, at: u64) -> KeptToken {
        let (issued, digest) = issued_token(name, &context_at(seconds(at)));
        let added = self.service_tokens.add_token(&issued, &digest).await;
        assert_eq!(added, Ok(()));
        KeptToken {
            token: issued.token,
            digest,
        }
    }

    async fn token(&self, id: ServiceTokenId) -> Option<KeptToken> {
        self.service_tokens.find_token(id).await.expect("an answer")
    }

    async fn revoked(&self, id: ServiceTokenId, at: u64) -> Option<ServiceToken> {
        let context = context_at(seconds(at));
        let revoked = self.service_tokens.revoke_token(id, &context).await;
        revoked.expect("an answer")
    }

    async fn note(&self, id: ServiceTokenId, at: u64) {
        let at = seconds(at);
        let noted = self.service_tokens.note_used(&[TokenUse { id, at }]).await;
        assert_eq!(noted, Ok(()));
    }

    async fn token_events(&self, from: &crate::ports::LogPosition) -> Vec<ServiceTokenId> {
        let told = self.change_log.since(from).await.expect("an answer");
        assert!(told.complete);
        let mut tokens = told.tokens;
        tokens.sort();
        tokens
    }
}

/// A token is found with its digest, each value as it was made.
pub async fn a_token_is_found_as_it_was_made(store: &StoreUnderTest) {
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
        Some(KeptToken { token, digest })
    );
}

/// Nobody has a token that was never made.
pub async fn an_unknown_token_is_none(store: &StoreUnderTest) {
    store.token_added("posts", 0).await;
    let unknown = token_id();
    assert_eq!(store.token(unknown).await, None);
    assert_eq!(store.revoked(unknown, 1).await, None);
    store.note(unknown, 1).await;
    assert_eq!(store.token(unknown).await, None);
}

/// A list has all tokens, whatever has become of them, the newest first.
pub async fn tokens_are_listed_the_newest_first(store: &StoreUnderTest) {
    let list = async || store.service_tokens.list_tokens().await.expect("an answer");
    assert_eq!(list().await, vec![]);
    let second = store.token_added("posts", 20).await.token;
    let first = store.token_added("posts", 10).await.token;
    let third = store.token_added("auth", 30).await.token;
    let beside = store.token_added("mail", 30).await.token;
    let second = store.revoked(second.id, 40).await.expect("a token");
    assert_eq!(list().await, vec![beside, third, second, first]);
}

/// Whoever finds a token after its revocation was acknowledged finds it revoked.
pub async fn a_revoked_token_is_found_revoked(store: &StoreUnderTest) {
    let kept = store.token_added("posts", 0).await;
    let other = store.token_added("posts", 0).await;
    let revoked = store.revoked(kept.token.id, 5).await.expect("a token");
    let expected = ServiceToken {
        revoked_at: Some(seconds(5)),
        ..kept.token
    };
    assert_eq!(revoked, expected);
    let found = store.token(expected.id).await.expect("a token");
    assert_eq!((found.token, found.digest), (expected, kept.digest));
    assert_eq!(store.token(other.token.id).await, Some(other));
}

/// A token that was revoked before stays as it was, and nothing more is told.
pub async fn a_second_revocation_leaves_the_first(store: &StoreUnderTest) {
    let kept = store.token_added("posts", 0).await;
    let first = store.revoked(kept.token.id, 5).await;
    let position = store.change_log.position().await.expect("an answer");
    assert_eq!(store.revoked(kept.token.id, 9).await, first);
    assert_eq!(store.token_events(&position).await, vec![]);
}

/// Of racing revocations one takes effect, and all give the same token.
pub async fn racing_revocations_revoke_once(store: &StoreUnderTest) {
    let id = store.token_added("posts", 0).await.token.id;
    let position = store.change_log.position().await.expect("an answer");
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

/// The last use is noted; what is noted late does not replace it, and nothing of it is told.
pub async fn a_use_is_noted_and_never_goes_backwards(store: &StoreUnderTest) {
    let id = store.token_added("posts", 0).await.token.id;
    let other = store.token_added("posts", 0).await.token.id;
    let position = store.change_log.position().await.expect("an answer");
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

/// Whichever replica notes last, the latest use stays.
pub async fn racing_notes_leave_the_latest(store: &StoreUnderTest) {
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
        let kept = store.token(id).await.expect("a token");
        assert_eq!(kept.token.last_used_at, Some(seconds(7)));
    }
}

/// What is made and revoked is told to whoever follows the log, beside the users.
pub async fn tokens_that_were_made_and_revoked_are_told_in_the_log_of_changes(
    store: &StoreUnderTest,
) {
    let old = store.token_added("posts", 0).await.token.id;
    let position = store.change_log.position().await.expect("an answer");
    let new = store.token_added("posts", 0).await.token.id;
    let user = store.added(&new_user("alice")).await.id;
    store.revoked(old, 5).await;
    store.changed(user, &call("Alice")).await;
    let told = store.change_log.since(&position).await.expect("an answer");
    assert!(told.complete);
    let users: Vec<UserId> = told.changed.iter().map(|changed| changed.id).collect();
    assert_eq!(users, vec![user, user]);
    assert_eq!(store.token_events(&position).await, vec![old, new]);
    assert_eq!(store.token_events(&told.position).await, vec![]);
}

/// A user's events are its own, also beside a token of the same number.
pub async fn the_events_of_tokens_are_none_of_users(store: &StoreUnderTest) {
    let kept = store.token_added("posts", 0).await;
    store.revoked(kept.token.id, 5).await;
    let namesake = UserId::from_uuid(kept.token.id.as_uuid());
    assert_eq!(store.events(namesake).await, vec![]);
}
