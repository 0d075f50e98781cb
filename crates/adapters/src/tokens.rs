//! What callers show to tell who they are.

mod allowed;
mod jwks;
mod jwt;
mod managed;
mod services;

pub use allowed::AllowedTokens;
pub use jwks::{FollowedKeys, Jwks, JwksOptions, describe_metrics};
pub use jwt::{JwtOptions, JwtSubject, JwtVerifier};
pub use managed::ManagedTokens;
pub use services::KnownServices;
