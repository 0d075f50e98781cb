//! Why a credential is rejected.

use std::fmt;

/// The reason why a credential is rejected. `Display` is a stable name without personal data, for the log.
///
/// A response contains only [`Rejection::description`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The header field contains characters other than visible ASCII.
    NotAscii,
    /// The scheme of `Authorization` is not `Bearer`.
    UnsupportedScheme,
    /// The credential has the form of a service token, and no such token exists.
    UnknownServiceToken,
    /// The service token has expired.
    ExpiredServiceToken,
    /// The service token was revoked.
    RevokedServiceToken,
    /// The token exceeds the maximum length.
    TooLong,
    /// The token is not a signed JSON Web Token.
    NotJwt,
    /// The header requires an extension, or contains a key.
    UnsupportedHeader,
    /// The algorithm in the header is not accepted.
    UnsupportedAlgorithm,
    /// The header's `kid` is not a string, or is too long.
    InvalidKeyId,
    /// The token declares a type other than access token.
    NotAccessToken,
    /// The token has no `exp`.
    NoExpiry,
    /// The token has expired.
    Expired,
    /// The token's `nbf` or `iat` is in the future.
    NotYetValid,
    /// No key is configured for the token's algorithm.
    NoKeyForAlgorithm,
    /// The key with the token's `kid` is for another algorithm.
    KeyAlgorithmMismatch,
    /// No published key verifies the token, and its `kid`, if any, is not published.
    UnknownKey,
    /// The signature is wrong.
    WrongSignature,
    /// The token's `iss` is not the expected one.
    WrongIssuer,
    /// The token's `aud` does not contain the expected one.
    WrongAudience,
    /// The claim of this name has the wrong JSON type.
    WrongClaimType(&'static str),
    /// The token's `sub` is not a valid user id.
    InvalidSubject,
    /// No user has the id in `sub`.
    UnknownSubject,
    /// The user is suspended.
    SuspendedSubject,
    /// The user is deleted.
    DeletedSubject,
    /// The user has signed out since the token was issued.
    SignedOut,
}

impl Rejection {
    /// Whether the credential is genuine and was accepted until its user was deleted, suspended or signed out, or until
    /// the token was revoked.
    pub fn was_once_valid(self) -> bool {
        matches!(
            self,
            Self::RevokedServiceToken
                | Self::UnknownSubject
                | Self::SuspendedSubject
                | Self::DeletedSubject
                | Self::SignedOut
        )
    }

    /// Returns the description for the response: only facts that the client can read in the token itself.
    ///
    /// Every other reason is only logged. A response must not reveal whether a signature or a user is the reason.
    pub fn description(self) -> Option<&'static str> {
        match self {
            Self::NotJwt => Some("The token is not a signed JSON Web Token"),
            Self::NotAccessToken => Some("The token is not an access token"),
            Self::NoExpiry => Some("The token has no expiry time"),
            Self::Expired => Some("The token has expired"),
            Self::NotYetValid => Some("The token is not valid yet"),
            Self::NotAscii
            | Self::UnsupportedScheme
            | Self::UnknownServiceToken
            | Self::ExpiredServiceToken
            | Self::RevokedServiceToken
            | Self::TooLong
            | Self::UnsupportedHeader
            | Self::UnsupportedAlgorithm
            | Self::InvalidKeyId
            | Self::NoKeyForAlgorithm
            | Self::KeyAlgorithmMismatch
            | Self::UnknownKey
            | Self::WrongSignature
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::WrongClaimType(_)
            | Self::InvalidSubject
            | Self::UnknownSubject
            | Self::SuspendedSubject
            | Self::DeletedSubject
            | Self::SignedOut => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAscii => "credential_not_ascii",
            Self::UnsupportedScheme => "unsupported_scheme",
            Self::UnknownServiceToken => "service_token_unknown",
            Self::ExpiredServiceToken => "service_token_expired",
            Self::RevokedServiceToken => "service_token_revoked",
            Self::TooLong => "token_too_long",
            Self::NotJwt => "not_a_jwt",
            Self::UnsupportedHeader => "unsupported_header",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::InvalidKeyId => "invalid_kid",
            Self::NotAccessToken => "not_an_access_token",
            Self::NoExpiry => "no_exp",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NoKeyForAlgorithm => "no_key_for_algorithm",
            Self::KeyAlgorithmMismatch => "algorithm_of_another_key",
            Self::UnknownKey => "unknown_key",
            Self::WrongSignature => "wrong_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::WrongClaimType(name) => return write!(f, "mistyped_{name}"),
            Self::InvalidSubject => "invalid_subject",
            Self::UnknownSubject => "unknown_subject",
            Self::SuspendedSubject => "suspended_subject",
            Self::DeletedSubject => "deleted_subject",
            Self::SignedOut => "signed_out",
        })
    }
}
