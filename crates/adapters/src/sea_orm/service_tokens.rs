//! Operations on service tokens, one file each.

pub(super) mod add;
pub(super) mod find;
pub(super) mod list;
pub(super) mod note_used;
pub(super) mod revoke;

use user_domain::StoreError;
use user_domain::ports::StoredServiceToken;
use user_domain::service_token::ServiceToken;
use user_domain::user::Actor;
use user_domain::values::{ServiceTokenId, Timestamp, TokenDigest, TokenName};

use super::entities::service_tokens::Model;
use super::row;

/// Converts a row to a token. Its values were validated before they were stored.
fn to_token(row: Model) -> Result<StoredServiceToken, StoreError> {
    let invalid = |column: &str| {
        StoreError::Internal(format!("column {column} of token {} is invalid", row.id))
    };
    let scopes = row::strings_from_json(&row.scopes).ok_or_else(|| invalid("scopes"))?;
    let digest = <[u8; 32]>::try_from(&*row.digest).map_err(|_| invalid("digest"))?;
    Ok(StoredServiceToken {
        token: ServiceToken {
            id: ServiceTokenId::from_uuid(row.id),
            name: TokenName::from_store(row.name),
            scopes: ServiceToken::scopes_from_store(scopes.iter().map(String::as_str)),
            created_at: Timestamp::from_utc(row.created_at),
            created_by: Actor::from_store(row.created_by),
            expires_at: row.expires_at.map(Timestamp::from_utc),
            revoked_at: row.revoked_at.map(Timestamp::from_utc),
            last_used_at: row.last_used_at.map(Timestamp::from_utc),
        },
        digest: TokenDigest::from_bytes(digest),
    })
}
