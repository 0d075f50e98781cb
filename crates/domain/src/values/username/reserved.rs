//! Reserved usernames: words of the API, and names that suggest authority.

/// The reserved names in their key form, sorted.
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "auth",
    "batch",
    "by-external-id",
    "by-username",
    "count",
    "deleted",
    "docs",
    "everyone",
    "false",
    "ftp",
    "health",
    "help",
    "here",
    "hostmaster",
    "login",
    "logout",
    "mail",
    "me",
    "metrics",
    "mod",
    "moderator",
    "no-reply",
    "noreply",
    "null",
    "official",
    "openapi",
    "postmaster",
    "register",
    "root",
    "security",
    "self",
    "service",
    "settings",
    "signup",
    "staff",
    "support",
    "sysadmin",
    "system",
    "true",
    "undefined",
    "unknown",
    "user",
    "users",
    "v1",
    "verified",
    "webmaster",
    "www",
];

/// Whether a key or a skeleton is reserved.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::UsernameKey;
    use super::*;

    #[test]
    fn the_names_are_sorted_and_without_repetition() {
        assert!(RESERVED.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn the_names_are_keys() {
        for name in RESERVED.iter().filter(|name| name.len() >= 3) {
            assert_eq!(UsernameKey::parse(name).unwrap().as_str(), *name);
        }
    }
}
