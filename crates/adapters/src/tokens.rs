//! The credentials of callers: service tokens and JSON Web Tokens.

mod jwks;
mod jwt;
mod keys;
mod managed;
mod static_tokens;
mod token;
mod token_chain;

pub use jwks::{Jwks, KeySource, describe_metrics};
pub use jwt::{JwtOptions, JwtSubject, JwtVerifier};
pub use managed::ManagedTokens;
pub use static_tokens::StaticTokens;
pub use token_chain::ServiceTokenChain;
