//! The messages by which replicas invalidate each other's caches.

use user_domain::values::{ServiceTokenId, UserId};

/// The message that makes every replica clear its cache.
pub(super) const FLUSH: &str = "flush";
/// The prefix of a message about a token. No id begins with it.
const TOKEN: &str = "token ";

/// Returns the invalidation message of a user.
pub(super) fn user_message(id: UserId, revision: i64) -> String {
    format!("{id} {revision}")
}

/// Parses the invalidation message of a user.
pub(super) fn parse_user_message(text: &str) -> Option<(UserId, i64)> {
    let (id, revision) = text.split_once(' ')?;
    Some((UserId::parse(id).ok()?, revision.parse().ok()?))
}

/// Returns the invalidation message of a token. A release without service tokens ignores it.
pub(super) fn token_message(id: ServiceTokenId) -> String {
    format!("{TOKEN}{id}")
}

/// Parses the invalidation message of a token.
pub(super) fn parse_token_message(text: &str) -> Option<ServiceTokenId> {
    ServiceTokenId::parse(text.strip_prefix(TOKEN)?).ok()
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::samples::{token_id, user_id};

    use super::*;

    #[test]
    fn a_user_message_is_parsed_as_it_was_written() {
        let id = user_id();
        for revision in [7, i64::MAX] {
            let message = user_message(id, revision);
            assert_eq!(parse_user_message(&message), Some((id, revision)));
        }
        for invalid in [
            "",
            FLUSH,
            "x 1",
            "1",
            &format!("{id}"),
            &format!("{id} x"),
            &token_message(token_id()),
        ] {
            assert_eq!(parse_user_message(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn a_token_message_is_parsed_as_it_was_written() {
        let id = token_id();
        assert_eq!(parse_token_message(&token_message(id)), Some(id));
        for other in ["", FLUSH, TOKEN, "token x", &user_message(user_id(), 7)] {
            assert_eq!(parse_token_message(other), None, "{other}");
        }
    }
}
