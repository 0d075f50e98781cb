//! The credentials of all tests.

/// The secret that signs user tokens in tests.
pub const JWT_SECRET: &str = "the-tests-own-secret-of-more-than-32-bytes";
/// The service token in tests.
pub const API_TOKEN: &str = "the-tests-own-service-token";
