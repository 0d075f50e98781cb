use proptest::prelude::*;

use super::*;

const ARGON2: &str = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
const BCRYPT: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";
const SCRYPT: &str =
    "$scrypt$ln=16,r=8,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
const CRYPT: &str = "$7$C6..../....saltsaltsalt$97Ie.z7oHwMm5soVeg3zgEzye.iqwKqurIzhn8Q.sx1";
const PASSLIB: &str =
    "$pbkdf2-sha256$29000$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
const PHC_PBKDF2: &str =
    "$pbkdf2-sha256$i=600000,l=32$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
const WERKZEUG_SCRYPT: &str = "scrypt:32768:8:1$SaltSaltSaltSalt$00112233445566778899aabbccddeeff";
const WERKZEUG_PBKDF2: &str =
    "pbkdf2:sha512:600000$SaltSaltSaltSalt$00112233445566778899aabbccddeeff";

const ALL: [&str; 8] = [
    ARGON2,
    BCRYPT,
    SCRYPT,
    CRYPT,
    PASSLIB,
    PHC_PBKDF2,
    WERKZEUG_SCRYPT,
    WERKZEUG_PBKDF2,
];

fn code(text: &str) -> &'static str {
    PasswordHash::parse(text).map_or_else(|violation| violation.code(), |_| "ok")
}

fn algorithm(text: &str) -> HashAlgorithm {
    PasswordHash::parse(text)
        .unwrap()
        .parsed()
        .unwrap()
        .algorithm()
}

#[test]
fn each_format_yields_its_algorithm_and_parameters() {
    let argon2 = Argon2 {
        variant: Argon2Variant::Id,
        version: Argon2Version::V19,
        memory_kib: 65536,
        iterations: 3,
        parallelism: 4,
    };
    let pbkdf2 = |digest, iterations| HashAlgorithm::Pbkdf2 { digest, iterations };
    let scrypt = |log_n| HashAlgorithm::Scrypt { log_n, r: 8, p: 1 };
    for (text, expected, name) in [
        (ARGON2, HashAlgorithm::Argon2(argon2), "argon2id"),
        (BCRYPT, HashAlgorithm::Bcrypt { cost: 12 }, "bcrypt"),
        (SCRYPT, scrypt(16), "scrypt"),
        (CRYPT, scrypt(14), "scrypt"),
        (
            PASSLIB,
            pbkdf2(Pbkdf2Digest::Sha256, 29000),
            "pbkdf2-sha256",
        ),
        (
            PHC_PBKDF2,
            pbkdf2(Pbkdf2Digest::Sha256, 600_000),
            "pbkdf2-sha256",
        ),
        (WERKZEUG_SCRYPT, scrypt(15), "scrypt"),
        (
            WERKZEUG_PBKDF2,
            pbkdf2(Pbkdf2Digest::Sha512, 600_000),
            "pbkdf2-sha512",
        ),
    ] {
        assert_eq!(algorithm(text), expected, "{text}");
        assert_eq!(algorithm(text).name(), name);
    }
}

#[test]
fn each_format_yields_its_salt_and_output() {
    let read = |text: &str| {
        let parsed = PasswordHash::parse(text).unwrap().parsed().unwrap();
        (
            parsed.expose_salt().to_vec(),
            parsed.expose_output().to_vec(),
        )
    };
    let digits = b"12345678901234567890123456789012".to_vec();
    assert_eq!(read(ARGON2), (b"somesaltsomesalt".to_vec(), digits.clone()));
    assert_eq!(read(PASSLIB), (b"saltsalt".to_vec(), digits));
    assert_eq!(read(BCRYPT).0.len(), 16);
    assert_eq!(read(BCRYPT).1.len(), 23);
    assert_eq!(read(CRYPT).0, b"saltsaltsalt");
    assert_eq!(read(CRYPT).1.len(), 32);
    let (salt, output) = read(WERKZEUG_SCRYPT);
    assert_eq!(salt, b"SaltSaltSaltSalt");
    assert_eq!(output[..3], [0x00, 0x11, 0x22]);
    let plus = PASSLIB.replace("MTIz", "++/z");
    assert_eq!(read(&plus), read(&plus.replace('+', ".")));
}

#[test]
fn a_formatted_argon2_hash_parses_to_its_parts() {
    let argon2 = Argon2 {
        variant: Argon2Variant::Id,
        version: Argon2Version::V19,
        memory_kib: 262_144,
        iterations: 16,
        parallelism: 16,
    };
    let hash = PasswordHash::of_argon2(argon2, &[7; 16], &[9; 32]);
    assert!(
        hash.expose()
            .starts_with("$argon2id$v=19$m=262144,t=16,p=16$")
    );
    let parsed = hash.parsed().unwrap();
    assert_eq!(parsed.algorithm(), HashAlgorithm::Argon2(argon2));
    assert_eq!(parsed.expose_salt(), [7; 16]);
    assert_eq!(parsed.expose_output(), [9; 32]);
    // The cost limits apply only to hashes of other systems.
    assert_eq!(code(hash.expose()), "too_costly");
}

#[test]
fn argon2_without_a_version_has_version_1_0() {
    for old in ["", "v=16$"] {
        match algorithm(&ARGON2.replace("v=19$", old)) {
            HashAlgorithm::Argon2(argon2) => assert_eq!(argon2.version, Argon2Version::V16),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_algorithms_are_unknown() {
    for text in [
        "",
        "password",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$hash",
        "$5$rounds=5000$salt$hash",
        "$6$salt$hash",
        "$y$j9T$salt$hash",
        "$2x$12$abcdefghijklmnopqrstuu",
        "$2$12$abc",
        "$argon2$v=19",
        "$pbkdf2$29000$c2FsdA$aGFzaA",
        "pbkdf2:sha1:1000$salt$00112233445566778899aabbccddeeff",
        "pbkdf2:sha256$salt$00112233445566778899aabbccddeeff",
        "sha256$salt$00112233445566778899aabbccddeeff",
        "pbkdf2_sha256$600000$salt$hash",
        " $2b$12$",
    ] {
        assert_eq!(code(text), "unknown_algorithm", "{text}");
    }
}

#[test]
fn a_truncated_or_altered_hash_is_rejected() {
    for text in ALL {
        assert_eq!(code(text), "ok", "{text}");
        for wrong in [
            format!("{text}\n"),
            format!("{text}$"),
            format!("{text} "),
            format!("{text}é"),
            text[..text.rfind('$').unwrap() + 4].to_owned(),
            text[..text.rfind('$').unwrap()].to_owned(),
            text.replacen('8', "-8", 1)
                .replacen("12$", "-2$", 1)
                .replacen("t=3", "t=-3", 1)
                .replacen("29000", "+29000", 1)
                .replacen("600000", "0600000", 1)
                .replacen("C6", "C!", 1),
        ] {
            assert_eq!(code(&wrong), "format", "{wrong:?}");
        }
    }
    for (text, from, to) in [
        (ARGON2, "v=19", "v=18"),
        (ARGON2, "m=65536", "m=31"),
        (ARGON2, "t=3", "t=0"),
        (ARGON2, "p=4", "p=0"),
        (ARGON2, "t=3,p=4", "p=4,t=3"),
        (ARGON2, "p=4", "p=4,keyid=aa"),
        (ARGON2, "m=65536", "m=99999999999"),
        (ARGON2, "c29tZXNhbHRzb21lc2FsdA", "c2FsdA"),
        (BCRYPT, "12$", "03$"),
        (BCRYPT, "12$", "32$"),
        (BCRYPT, "12$", "6$"),
        (SCRYPT, "ln=16", "ln=0"),
        (SCRYPT, "ln=16", "ln=64"),
        (SCRYPT, "r=8", "r=0"),
        (SCRYPT, "r=8,p=1", "r=65536,p=65536"),
        (PASSLIB, "29000", "999"),
        (PHC_PBKDF2, "l=32", "l=33"),
        (WERKZEUG_SCRYPT, "32768", "32767"),
        (WERKZEUG_SCRYPT, "32768", "1"),
        (WERKZEUG_SCRYPT, "ff", "fg"),
        (WERKZEUG_PBKDF2, "600000$", ""),
    ] {
        let wrong = text.replace(from, to);
        assert_ne!(wrong, text);
        assert_eq!(code(&wrong), "format", "{wrong}");
    }
}

#[test]
fn a_hash_that_costs_too_much_time_or_memory_is_rejected() {
    for (text, from, to) in [
        (ARGON2, "m=65536,t=3", "m=262145,t=1"),
        (ARGON2, "m=65536,t=3", "m=262144,t=6"),
        (ARGON2, "m=65536,t=3", "m=65536,t=4294967295"),
        (BCRYPT, "12$", "15$"),
        (BCRYPT, "12$", "31$"),
        (SCRYPT, "ln=16", "ln=19"),
        (SCRYPT, "ln=16", "ln=31"),
        (SCRYPT, "p=1", "p=5"),
        (CRYPT, "$7$C", "$7$H"),
        (PASSLIB, "29000", "2000001"),
        (PHC_PBKDF2, "600000", "4294967295"),
        (WERKZEUG_SCRYPT, "32768", "1048576"),
        (WERKZEUG_PBKDF2, "600000", "2000001"),
    ] {
        let costly = text.replace(from, to);
        assert_ne!(costly, text);
        assert_eq!(code(&costly), "too_costly", "{costly}");
    }
    for (text, from, to) in [
        (ARGON2, "m=65536,t=3", "m=262144,t=5"),
        (BCRYPT, "12$", "14$"),
        (SCRYPT, "ln=16", "ln=18"),
        (WERKZEUG_PBKDF2, "600000", "2000000"),
    ] {
        assert_eq!(code(&text.replace(from, to)), "ok", "{to}");
    }
}

#[test]
fn a_hash_has_at_most_512_bytes() {
    let with_salt = |bytes: usize| WERKZEUG_SCRYPT.replace("SaltSaltSaltSalt", &"s".repeat(bytes));
    let fixed = with_salt(0).len();
    assert_eq!(code(&with_salt(512 - fixed)), "ok");
    assert_eq!(code(&with_salt(513 - fixed)), "too_long");
}

#[test]
fn debug_and_violations_hide_the_hash() {
    for text in ALL {
        let hash = PasswordHash::parse(text).unwrap();
        let refused = PasswordHash::parse(&format!("{text}$")).unwrap_err();
        let shown = format!("{hash:?} {:?} {refused} {refused:?}", hash.parsed());
        for secret in text.rsplit('$').take(2).filter(|part| part.len() > 7) {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(
            !shown.contains("49, 50") && !shown.contains("0, 17, 34"),
            "{shown}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_parse_panic(text in any::<String>()) {
        let _ = PasswordHash::parse(&text);
    }

    #[test]
    fn no_suffix_of_a_format_makes_parse_panic(
        format in 0..ALL.len(),
        cut in 0..120_usize,
        suffix in "[$,:=./+mtplrinv0-9a-fA-Zé]{0,60}",
    ) {
        let prefix: String = ALL[format].chars().take(cut).collect();
        if let Ok(hash) = PasswordHash::parse(&format!("{prefix}{suffix}")) {
            prop_assert!(hash.parsed().is_ok());
        }
    }

    #[test]
    fn a_changed_character_never_makes_parse_panic(
        format in 0..ALL.len(),
        position in 0..120_usize,
        other in any::<char>(),
    ) {
        let mut text: Vec<char> = ALL[format].chars().collect();
        let position = position % text.len();
        text[position] = other;
        let _ = PasswordHash::parse(&text.iter().collect::<String>());
        text.insert(position, other);
        let _ = PasswordHash::parse(&text.iter().collect::<String>());
    }
}
