//! The hashing adapter verifies hashes made by other platforms' libraries (`data/make_password_hashes.py`).

use std::num::NonZeroUsize;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use user_adapters::passwords::{HashingOptions, HashingPool};
use user_domain::ports::PasswordHasher as _;
use user_domain::values::{PasswordHash, PasswordOrigin, StoredPassword, SubmittedPassword};

/// A password hash with the library and scheme that made it.
struct ForeignHash {
    by: String,
    scheme: String,
    password: String,
    hash: String,
}

fn foreign_hashes() -> Vec<ForeignHash> {
    let list: Vec<Value> =
        serde_json::from_str(include_str!("../../data/password_hashes.json")).unwrap();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    list.iter()
        .map(|entry| ForeignHash {
            by: format!("{} {}", text(entry, "library"), text(entry, "version")),
            scheme: text(entry, "scheme"),
            password: text(entry, "password"),
            hash: text(entry, "hash"),
        })
        .collect()
}

/// Passwords that differ from this one only where a careless comparison would not look.
fn similar_passwords(password: &str) -> Vec<String> {
    let mut first = password.chars();
    let changed = if first.next() == Some('x') { 'y' } else { 'x' };
    let mut similar_passwords = vec![format!("{changed}{}", first.as_str())];
    // bcrypt uses 72 bytes only.
    if password.len() < 72 {
        similar_passwords.push(format!("{password}x"));
    }
    similar_passwords
}

async fn matches(pool: &HashingPool, password: &str, hash: &PasswordHash) -> bool {
    let stored = StoredPassword {
        hash: hash.clone(),
        origin: PasswordOrigin::Imported,
    };
    let typed = SubmittedPassword::parse(password).unwrap();
    let verdict = pool.verify(typed, stored).await.unwrap();
    assert!(verdict.is_outdated);
    verdict.matches
}

#[tokio::test]
async fn hashes_of_other_libraries_match_only_their_password() {
    let options = HashingOptions::new(8, 1, 1, NonZeroUsize::new(2));
    let pool = HashingPool::start(&options).unwrap();
    let all = foreign_hashes();
    assert!(all.len() > 250);
    stream::iter(&all)
        .for_each_concurrent(2, |made| {
            let pool = &pool;
            async move {
                let of = format!("{} {} of {:?}", made.by, made.scheme, made.password);
                let hash = PasswordHash::parse(&made.hash)
                    .unwrap_or_else(|violation| panic!("{of}: {violation}"));
                assert_eq!(
                    hash.parsed().unwrap().algorithm().name(),
                    made.scheme,
                    "{of}"
                );
                assert!(matches(pool, &made.password, &hash).await, "{of}");
                for wrong in similar_passwords(&made.password) {
                    assert!(!matches(pool, &wrong, &hash).await, "{of}: {wrong:?}");
                }
            }
        })
        .await;
}

#[tokio::test]
async fn bcrypt_ignores_bytes_after_the_72nd() {
    let pool = HashingPool::start(&HashingOptions::new(8, 1, 1, None)).unwrap();
    let is_long = |made: &&ForeignHash| made.scheme == "bcrypt" && made.password.len() > 72;
    let all = foreign_hashes();
    let long: Vec<&ForeignHash> = all.iter().filter(is_long).collect();
    assert!(!long.is_empty());
    for made in long {
        let hash = PasswordHash::parse(&made.hash).unwrap();
        let other_tail = format!("{}?", made.password);
        assert!(matches(&pool, &other_tail, &hash).await, "{}", made.by);
    }
}

#[test]
fn the_test_data_covers_every_hash_format() {
    let all = foreign_hashes();
    for beginning in [
        "$argon2id$v=19$",
        "$argon2i$v=16$",
        "$argon2i$m=",
        "$argon2d$",
        "$2a$",
        "$2b$12$",
        "$2y$",
        "$scrypt$ln=16,r=8,p=1$",
        "$7$",
        "scrypt:32768:8:1$",
        "pbkdf2:sha256:600000$",
        "pbkdf2:sha256:1000000$",
        "pbkdf2:sha512:",
        "$pbkdf2-sha256$i=",
        "$pbkdf2-sha256$29000$",
        "$pbkdf2-sha512$25000$",
        "$pbkdf2-sha512$i=",
    ] {
        assert!(
            all.iter().any(|made| made.hash.starts_with(beginning)),
            "{beginning}"
        );
    }
}
