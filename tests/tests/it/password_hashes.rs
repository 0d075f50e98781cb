//! Hashes that other platforms' libraries have made (`data/make_password_hashes.py`), compared by the adapter.

use std::num::NonZeroUsize;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use user_adapters::passwords::{HashingOptions, HashingPool};
use user_domain::ports::PasswordHasher as _;
use user_domain::values::{PasswordHash, PasswordOrigin, StoredPassword, TypedPassword};

/// A hash of a password, with who made it and how.
struct Made {
    by: String,
    scheme: String,
    password: String,
    hash: String,
}

fn made() -> Vec<Made> {
    let list: Vec<Value> =
        serde_json::from_str(include_str!("../../data/password_hashes.json")).unwrap();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    list.iter()
        .map(|entry| Made {
            by: format!("{} {}", text(entry, "library"), text(entry, "version")),
            scheme: text(entry, "scheme"),
            password: text(entry, "password"),
            hash: text(entry, "hash"),
        })
        .collect()
}

/// Passwords that differ from one in what a careless comparison would overlook.
fn near(password: &str) -> Vec<String> {
    let mut first = password.chars();
    let changed = if first.next() == Some('x') { 'y' } else { 'x' };
    let mut near = vec![format!("{changed}{}", first.as_str())];
    // bcrypt takes 72 bytes.
    if password.len() < 72 {
        near.push(format!("{password}x"));
    }
    near
}

async fn matches(pool: &HashingPool, password: &str, hash: &PasswordHash) -> bool {
    let stored = StoredPassword {
        hash: hash.clone(),
        origin: PasswordOrigin::Imported,
    };
    let typed = TypedPassword::parse(password).unwrap();
    let verdict = pool.verify(typed, stored).await.unwrap();
    assert!(verdict.is_outdated);
    verdict.matches
}

#[tokio::test]
async fn what_other_libraries_hashed_is_verified_here_and_nothing_else_is() {
    let options = HashingOptions::new(8, 1, 1, NonZeroUsize::new(2));
    let pool = HashingPool::start(&options).unwrap();
    let all = made();
    assert!(all.len() > 250);
    stream::iter(&all)
        .for_each_concurrent(2, |made| {
            let pool = &pool;
            async move {
                let of = format!("{} {} of {:?}", made.by, made.scheme, made.password);
                let hash = PasswordHash::parse(&made.hash)
                    .unwrap_or_else(|violation| panic!("{of}: {violation}"));
                assert_eq!(
                    hash.scheme().unwrap().algorithm().name(),
                    made.scheme,
                    "{of}"
                );
                assert!(matches(pool, &made.password, &hash).await, "{of}");
                for wrong in near(&made.password) {
                    assert!(!matches(pool, &wrong, &hash).await, "{of}: {wrong:?}");
                }
            }
        })
        .await;
}

#[tokio::test]
async fn bcrypt_takes_72_bytes_and_no_more() {
    let pool = HashingPool::start(&HashingOptions::new(8, 1, 1, None)).unwrap();
    let is_long = |made: &&Made| made.scheme == "bcrypt" && made.password.len() > 72;
    let all = made();
    let long: Vec<&Made> = all.iter().filter(is_long).collect();
    assert!(!long.is_empty());
    for made in long {
        let hash = PasswordHash::parse(&made.hash).unwrap();
        let other_tail = format!("{}?", made.password);
        assert!(matches(&pool, &other_tail, &hash).await, "{}", made.by);
    }
}

#[test]
fn the_forms_cover_each_library_and_algorithm() {
    let all = made();
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
