//! The tokens of services: one file for each operation.

pub(super) mod add;
pub(super) mod find;
pub(super) mod list;
pub(super) mod note_used;
pub(super) mod revoke;

use user_domain::StoreError;
use user_domain::ports::KeptToken;
use user_domain::service_token::ServiceToken;
use user_domain::user::Actor;
use user_domain::values::{ServiceTokenId, Timestamp, TokenDigest, TokenName};

use super::entities::service_tokens::Model;
use super::row;

/// Reads a token from its row, trusting what was checked when it was written.
fn to_token(row: Model) -> Result<KeptToken, StoreError> {
    let broken = |column: &str| {
        StoreError::Internal(format!("the column {column} of token {} is broken", row.id))
    };
    let scopes = row::strings_from_json(&row.scopes).ok_or_else(|| broken("scopes"))?;
    let digest = <[u8; 32]>::try_from(&*row.digest).map_err(|_| broken("digest"))?;
    Ok(KeptToken {
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
