//! What callers show to tell who they are.

mod allowed;
mod jwt;

pub use allowed::AllowedTokens;
pub use jwt::{JwtOptions, JwtSubject, JwtVerifier};
