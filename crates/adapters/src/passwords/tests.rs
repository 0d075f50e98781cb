use super::*;

use metrics_exporter_prometheus::PrometheusBuilder;
use user_domain::values::Password;

fn tiny() -> HashingOptions {
    HashingOptions {
        // A loaded machine may start a thread late.
        max_queue_wait: Duration::from_mins(1),
        ..HashingOptions::new(8, 1, 1, NonZeroUsize::new(2))
    }
}

fn pool() -> HashingPool {
    HashingPool::start(&tiny()).unwrap()
}

fn prepared(text: &str) -> PreparedPassword {
    Password::parse(text).unwrap().prepared().clone()
}

async fn verified(pool: &HashingPool, typed: &str, stored: &StoredPassword) -> Verdict {
    let typed = SubmittedPassword::parse(typed).unwrap();
    pool.verify(typed, stored.clone()).await.unwrap()
}

fn own(hash: PasswordHash) -> StoredPassword {
    StoredPassword {
        hash,
        origin: PasswordOrigin::Own,
    }
}

#[test]
fn the_defaults_are_those_of_owasp_on_half_of_the_cores() {
    let options = HashingOptions::default();
    assert_eq!(
        (options.memory_kib, options.iterations, options.parallelism),
        (19456, 2, 1)
    );
    let cores = thread::available_parallelism().unwrap().get();
    assert_eq!(options.threads.get(), (cores / 2).max(1));
    assert_eq!(options.queue, 32 * options.threads.get());
}

#[tokio::test]
async fn a_password_matches_its_own_hash_and_no_other_does() {
    let pool = pool();
    let hash = pool.hash(prepared("a fine password")).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    let stored = own(hash);
    let right = verified(&pool, "a fine password", &stored).await;
    assert_eq!(
        right,
        Verdict {
            matches: true,
            is_outdated: false
        }
    );
    for wrong in [
        "a fine passwort",
        "A fine password",
        "a fine password ",
        "a",
    ] {
        let verdict = verified(&pool, wrong, &stored).await;
        assert_eq!(
            verdict,
            Verdict {
                matches: false,
                is_outdated: false
            },
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let pool = pool();
    let one = pool.hash(prepared("a fine password")).await.unwrap();
    let other = pool.hash(prepared("a fine password")).await.unwrap();
    assert_ne!(one, other);
    let salt = |hash: &PasswordHash| hash.parsed().unwrap().expose_salt().to_vec();
    assert_ne!(salt(&one), salt(&other));
}

#[tokio::test]
async fn own_hashes_use_the_prepared_form_and_imported_ones_raw_bytes() {
    let pool = pool();
    let (composed, decomposed) = ("caf\u{e9} cr\u{e8}me", "cafe\u{301} cre\u{300}me");
    let stored = own(pool.hash(prepared(decomposed)).await.unwrap());
    assert!(verified(&pool, composed, &stored).await.matches);
    assert!(verified(&pool, decomposed, &stored).await.matches);

    let imported = StoredPassword {
        origin: PasswordOrigin::Imported,
        ..stored
    };
    assert!(verified(&pool, composed, &imported).await.matches);
    assert!(!verified(&pool, decomposed, &imported).await.matches);
}

#[tokio::test]
async fn a_password_without_prepared_form_matches_no_own_hash() {
    let pool = pool();
    let typed = "a\tfine password";
    let parameters = Argon2 {
        variant: Argon2Variant::Id,
        version: Argon2Version::V19,
        memory_kib: 8,
        iterations: 1,
        parallelism: 1,
    };
    let mut output = [0; OUTPUT_BYTES];
    derive(
        HashAlgorithm::Argon2(parameters),
        typed.as_bytes(),
        &[7; 16],
        &mut output,
    )
    .unwrap();
    let stored = own(PasswordHash::of_argon2(parameters, &[7; 16], &output));
    assert!(!verified(&pool, typed, &stored).await.matches);
    let imported = StoredPassword {
        origin: PasswordOrigin::Imported,
        ..stored
    };
    assert!(verified(&pool, typed, &imported).await.matches);
}

#[tokio::test]
async fn a_hash_with_other_parameters_or_origin_is_outdated() {
    let made_with = async |options: HashingOptions| {
        let pool = HashingPool::start(&options).unwrap();
        own(pool.hash(prepared("a fine password")).await.unwrap())
    };
    let pool = pool();
    for other in [
        HashingOptions {
            memory_kib: 16,
            ..tiny()
        },
        HashingOptions {
            iterations: 2,
            ..tiny()
        },
        HashingOptions {
            memory_kib: 16,
            parallelism: 2,
            ..tiny()
        },
    ] {
        let stored = made_with(other).await;
        let verdict = verified(&pool, "a fine password", &stored).await;
        assert_eq!(
            verdict,
            Verdict {
                matches: true,
                is_outdated: true
            },
            "{other:?}"
        );
        assert!(verified(&pool, "another", &stored).await.is_outdated);
    }
    let current = made_with(tiny()).await;
    assert!(
        !verified(&pool, "a fine password", &current)
            .await
            .is_outdated
    );
    let imported = StoredPassword {
        origin: PasswordOrigin::Imported,
        ..current
    };
    assert!(
        verified(&pool, "a fine password", &imported)
            .await
            .is_outdated
    );
}

#[tokio::test]
async fn an_unreadable_hash_is_an_error_without_its_text() {
    let stored = own(PasswordHash::from_store("planted".to_owned()));
    let typed = SubmittedPassword::parse("planted too").unwrap();
    let error = pool().verify(typed, stored).await.unwrap_err();
    assert!(matches!(error, HashingError::Internal(_)));
    assert!(!format!("{error} {error:?}").contains("planted"));
}

#[test]
fn invalid_argon2_parameters_are_rejected_at_start() {
    for options in [
        HashingOptions {
            memory_kib: 7,
            ..tiny()
        },
        HashingOptions {
            iterations: 0,
            ..tiny()
        },
        HashingOptions {
            parallelism: 2,
            ..tiny()
        },
    ] {
        let refused = HashingPool::start(&options);
        assert!(
            matches!(refused, Err(HashingPoolError::Parameters(_))),
            "{options:?}"
        );
    }
}

#[test]
fn refusals_and_hashes_are_counted_from_zero() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let pool = HashingPool::start(&HashingOptions { queue: 0, ..tiny() }).unwrap();
        assert!(handle.render().contains("password_hashing_refused_total 0"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let refused = runtime.block_on(pool.hash(prepared("a fine password")));
        assert_eq!(refused, Err(HashingError::Busy));
        assert!(handle.render().contains("password_hashing_refused_total 1"));
        assert!(handle.render().contains("password_hashing_queue_length 0"));

        let algorithm = HashAlgorithm::Bcrypt { cost: 4 };
        assert_eq!(meters::timed(Operation::Verify, algorithm, || 7), 7);
        let shown = handle.render();
        let line =
            "password_hashing_duration_seconds_count{operation=\"verify\",algorithm=\"bcrypt\"} 1";
        assert!(shown.contains(line), "{shown}");
    });
}
