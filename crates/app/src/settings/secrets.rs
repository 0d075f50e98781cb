//! Rejects secrets that attackers try first.

/// Parts of secrets in documentation and tutorials: in lower case, only letters and digits.
///
/// A random secret in hexadecimal or base64 does not contain one by chance, since each has at least eight characters.
const PUBLISHED: [&str; 20] = [
    // PyJWT, Flask-JWT-Extended and their tutorials.
    "changethis",
    "changeme",
    "shouldbechanged",
    "supersecret",
    "verysecret",
    "yoursecretkey",
    "mysecretkey",
    "jwtsecretkey",
    "youwillneverguess",
    // jwt.io, before and after 2025.
    "your256bitsecret",
    "astringsecretatleast256bitslong",
    // Flask's, FastAPI's and Spring's guides.
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
    "5367566b59703373367639792f423f4528482b4d6251655468576d5a71347437",
    "djangoinsecure",
    // Placeholders.
    "replaceme",
    "placeholder",
    "examplesecret",
    "fordevelopmentonly",
];

/// The maximum share of predictable pairs of characters, in percent.
const MAX_PREDICTABLE_PERCENT: usize = 75;

/// Returns why a secret must not be used, or `None` if it is not obviously weak.
///
/// It finds secrets that every attacker tries. It cannot measure entropy.
pub(super) fn weakness(secret: &str) -> Option<&'static str> {
    if is_predictable(secret.as_bytes()) {
        return Some("repeats itself or is a sequence, so that it can be guessed");
    }
    let plain: String = secret
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let is_published = PUBLISHED.iter().any(|known| plain.contains(known));
    is_published.then_some("is an example from documentation, which attackers try first")
}

/// Whether most bytes are predictable: equal to the byte at a fixed distance before, or one more or less than the
/// previous byte.
fn is_predictable(bytes: &[u8]) -> bool {
    let most_pairs = |distance: usize, holds: fn(u8, u8) -> bool| {
        let pairs = bytes.iter().zip(bytes.iter().skip(distance));
        let count = pairs
            .filter(|(before, after)| holds(**before, **after))
            .count();
        count * 100 > bytes.len().saturating_sub(distance) * MAX_PREDICTABLE_PERCENT
    };
    most_pairs(1, |before, after| before.abs_diff(after) == 1)
        || (1..=bytes.len() / 2).any(|period| most_pairs(period, |before, after| before == after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_sequential_and_published_secrets_are_weak() {
        for (secret, reason) in [
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repeats"),
            ("abababababababababababababababab", "repeats"),
            ("0123456789abcdef0123456789abcdef", "repeats"),
            ("0123456789012345678901234567890123456789", "repeats"),
            ("abcdefghijklmnopqrstuvwxyz012345", "repeats"),
            ("secretsecretsecretsecretsecretsecret", "repeats"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "repeats"),
            ("your-256-bit-secret-with-some-more", "example"),
            ("a-string-secret-at-least-256-bits-long", "example"),
            ("Super Secret! Do not tell anybody.", "example"),
            ("CHANGE_ME_to_something_that_is_long", "example"),
            ("anybody-can-read-this-key-for-development-only", "example"),
            (
                "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
                "example",
            ),
        ] {
            let found = weakness(secret);
            assert!(
                found.is_some_and(|found| found.contains(reason)),
                "{secret}: {found:?}"
            );
        }
    }

    #[test]
    fn passphrases_are_accepted() {
        for secret in [
            "correct horse battery staple and more",
            "the-tests-own-secret-of-more-than-32-bytes",
            "fifteen-letters-and-one",
        ] {
            assert_eq!(weakness(secret), None, "{secret}");
        }
    }

    #[test]
    fn random_secrets_are_accepted() {
        for _ in 0..1000 {
            let mut bytes = [0; 24];
            getrandom::fill(&mut bytes).unwrap();
            let hexadecimal = bytes.map(|byte| format!("{byte:02x}")).concat();
            let visible: String = bytes
                .iter()
                .map(|byte| char::from(b'!' + byte % 94))
                .collect();
            let short = &hexadecimal[..16];
            for secret in [&*hexadecimal, &*visible, short] {
                assert_eq!(weakness(secret), None, "{secret}");
            }
        }
    }
}
