//! Password guessing: at one account through several replicas, at many accounts, and by response times.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use user_tests::{Store, TestApp};

use super::{PASSWORD, assert_refused, verify, verify_from, with_password};
use crate::common::{id, path};

async fn three_replicas(settings: &[(&str, &str)]) -> [TestApp; 3] {
    let first = TestApp::start_with(Store::Postgres, settings).await;
    let second = first.replica_with(settings).await;
    let third = first.replica_with(settings).await;
    [first, second, third]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_failure_count() {
    let replicas = three_replicas(&[]).await;
    let user = with_password(&replicas[0], "alice").await;
    with_password(&replicas[0], "bob").await;
    for _ in 0..2 {
        for replica in &replicas {
            assert_refused(&verify(replica, "alice", "wrong").await);
        }
    }
    for replica in &replicas {
        assert_refused(&verify(replica, "alice", PASSWORD).await);
        assert_eq!(verify(replica, "bob", PASSWORD).await.status, 200);
    }
    let place = format!("{}/lockout", path(&user));
    assert_eq!(replicas[1].service().delete(&place).await.status, 204);
    for replica in &replicas {
        assert_eq!(verify(replica, "alice", PASSWORD).await.status, 200);
    }
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_guesses_do_not_exceed_sequential_ones() {
    let replicas = three_replicas(&[]).await;
    let user = with_password(&replicas[0], "alice").await;
    let guesses = (0..60).map(|number| verify(&replicas[number % 3], "alice", "wrong"));
    for guess in join_all(guesses).await {
        assert!(guess.status == 401 || guess.status == 503, "{}", guess.text);
    }
    let shown = replicas[0]
        .service()
        .get(&format!("{}/lockout", path(&user)))
        .await;
    let counted = shown.json["failures"].as_u64().unwrap();
    // Each replica may be checking a guess when the sixth is counted. An expired delay permits one more.
    assert!(
        (6..=12).contains(&counted),
        "{counted} guesses were checked"
    );
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_devices_of_one_user_can_log_in_concurrently() {
    let replicas = three_replicas(&[]).await;
    with_password(&replicas[0], "alice").await;
    let logins = (0..30).map(|number| verify(&replicas[number % 3], "alice", PASSWORD));
    let logins = join_all(logins).await;
    let successful = logins.iter().filter(|login| login.status == 200).count();
    assert!(successful >= 10, "{successful} of 30 succeeded");
    for login in logins {
        // A busy machine may time out, but never rejects the password.
        assert!(matches!(login.status, 200 | 503), "{}", login.text);
    }
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guess_is_counted_after_its_client_disconnects() {
    let app = TestApp::start_with(
        Store::Postgres,
        &[("ARGON2_MEMORY_KIB", "19456"), ("ARGON2_ITERATIONS", "2")],
    )
    .await;
    let user = with_password(&app, "alice").await;
    for _ in 0..6 {
        let guess = tokio::time::timeout(Duration::from_millis(5), verify(&app, "alice", "wrong"));
        let _ = guess.await;
    }
    let place = format!("{}/lockout", path(&user));
    let mut counted = 0;
    for _ in 0..200 {
        counted = app.service().get(&place).await.json["failures"]
            .as_u64()
            .unwrap();
        if counted >= 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Some clients disconnected before the service received their request.
        if counted < 6 {
            let guess =
                tokio::time::timeout(Duration::from_millis(5), verify(&app, "alice", "wrong"));
            let _ = guess.await;
        }
    }
    assert_eq!(counted, 6);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excess_logins_are_rejected_at_once_and_reads_continue() {
    let slow = [
        ("ARGON2_MEMORY_KIB", "19456"),
        ("ARGON2_ITERATIONS", "2"),
        ("PASSWORD_HASHING_THREADS", "1"),
    ];
    let app = TestApp::start_with(Store::Postgres, &slow).await;
    let user = with_password(&app, "alice").await;
    let names: Vec<String> = (0..120).map(|number| format!("stranger{number}")).collect();
    let storm = join_all(names.iter().map(|name| verify(&app, name, "x")));
    let reads = async {
        let mut served = 0;
        for _ in 0..20 {
            let read = app.user(id(&user)).get("/v1/users/me").await;
            assert_eq!(read.status, 200, "{}", read.text);
            served += 1;
        }
        served
    };
    let (answers, served) = tokio::join!(storm, reads);
    assert_eq!(served, 20);
    let mut refused = 0;
    for answer in &answers {
        if answer.status == 503 {
            assert!(!answer.header("retry-after").is_empty());
            // On a busy machine the admission control of the store rejects some before they are hashed.
            match answer.code() {
                "overloaded" => refused += 1,
                code => assert_eq!(code, "unavailable", "{}", answer.text),
            }
        } else {
            assert_refused(answer);
        }
    }
    assert!(
        (1..120).contains(&refused),
        "{refused} of 120 were rejected"
    );
    let mut after = verify(&app, "alice", PASSWORD).await;
    for _ in 0..100 {
        if after.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = verify(&app, "alice", PASSWORD).await;
    }
    assert_eq!(after.status, 200, "{}", after.text);
    app.stop().await;
}

/// The probability that a sample of `first` is longer than one of `second`: 0.5 if they are indistinguishable.
fn probability_of_longer(first: &[Duration], second: &[Duration]) -> f64 {
    let mut wins = 0.0;
    for one in first {
        for other in second {
            wins += match one.cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / f64::from(u32::try_from(first.len() * second.len()).unwrap())
}

/// Compares distributions that are measured alternately, so that a slow machine slows all of them alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_duration_of_a_failed_login_does_not_reveal_its_reason() {
    let costs = [("ARGON2_MEMORY_KIB", "19456"), ("ARGON2_ITERATIONS", "2")];
    let app = TestApp::start_with(Store::Postgres, &costs).await;
    with_password(&app, "locked").await;
    for _ in 0..9 {
        verify(&app, "locked", "wrong").await;
    }
    let suspended = with_password(&app, "sleeper").await;
    app.service()
        .post_empty(&format!("{}/suspend", path(&suspended)), &[])
        .await;
    app.register("plain").await;
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..60 {
        // Every round uses new accounts, so that only "locked" is locked.
        let wrong = with_password(&app, &format!("wrong{round}")).await;
        let wrong = wrong["username"].as_str().unwrap().to_owned();
        let unknown = format!("unknown{round}");
        let tries = [
            (wrong.as_str(), "wrong"),
            (unknown.as_str(), PASSWORD),
            // A wrong password, because the right one would end the lockout between two delays.
            ("locked", "wrong"),
            ("sleeper", PASSWORD),
            ("plain", PASSWORD),
        ];
        for step in 0..tries.len() {
            let place = (round + step) % tries.len();
            let (identifier, password) = tries[place];
            let started = Instant::now();
            let refused = verify(&app, identifier, password).await;
            // A busy machine may time out, which is not a rejection.
            if refused.status != 503 {
                assert_refused(&refused);
                times[place].push(started.elapsed());
            }
        }
    }
    for (place, name) in [
        (1, "unknown"),
        (2, "locked"),
        (3, "suspended"),
        (4, "without a password"),
    ] {
        let share = probability_of_longer(&times[place], &times[0]);
        // Without hashing a dummy password it would be 0.
        assert!(
            (0.2..=0.8).contains(&share),
            "{name}: {share} of the rejections take longer than for a wrong password"
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncounted_failure_is_a_500() {
    let app = TestApp::start(Store::Postgres).await;
    with_password(&app, "alice").await;
    let mut connection = app.postgres().connect().await;
    sea_orm::sqlx::query("ALTER TABLE login_attempts RENAME TO away")
        .execute(&mut connection)
        .await
        .unwrap();
    for password in [PASSWORD, "wrong"] {
        let answer = verify(&app, "alice", password).await;
        assert_eq!(answer.status, 500, "{}", answer.text);
    }
    let body = json!({"username": "bob", "email": "bob@example.org", "password": PASSWORD});
    assert_eq!(app.service().post("/v1/users", &body).await.status, 201);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_flood_from_other_sources_does_not_block_the_owner() {
    let slow = [
        ("ARGON2_MEMORY_KIB", "19456"),
        ("ARGON2_ITERATIONS", "2"),
        ("PASSWORD_HASHING_THREADS", "2"),
    ];
    let app = TestApp::start_with(Store::Postgres, &slow).await;
    with_password(&app, "alice").await;
    let home = verify_from(&app, "home", "alice", PASSWORD).await;
    assert_eq!(home.status, 200, "{}", home.text);
    let is_running = std::sync::atomic::AtomicBool::new(true);
    let flood = join_all((0..40).map(async |_| {
        while is_running.load(std::sync::atomic::Ordering::Relaxed) {
            let guess = verify_from(&app, "attacker", "alice", "wrong").await;
            assert!(matches!(guess.status, 401 | 503), "{}", guess.text);
        }
    }));
    let owner = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..5 {
            let mut login = verify_from(&app, "home", "alice", PASSWORD).await;
            for _ in 0..3 {
                // A busy machine may time out occasionally. A shared queue would do so each time.
                if login.status == 200 {
                    break;
                }
                login = verify_from(&app, "home", "alice", PASSWORD).await;
            }
            assert_eq!(login.status, 200, "{}", login.text);
        }
        is_running.store(false, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(flood, owner);
    app.stop().await;
}

/// After an import, nearly all users have hashes of another cost, all made at the same time. One user has a native hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_accounts_take_as_long_as_imported_ones() {
    let bcrypt = "$2b$04$aiiX8J/Z6m4ClHSgEGcbquZVkNBFckcqHBtpZkMUJ2gjlRV7mcMmS";
    for store in [Store::Sqlite, Store::Postgres] {
        let app = TestApp::start(store).await;
        for number in 0..80 {
            let name = format!("mover{number}");
            let body = json!({"username": name, "email": format!("{name}@example.org"), "password_hash": bcrypt});
            let made = app.service().post("/v1/users", &body).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        with_password(&app, "late").await;
        app.composition().sample_passwords().await.unwrap();
        let dummy_hashes = &app.composition().ports.dummy_hashes;
        let kinds = (0..1000).filter(|number| {
            let dummy = dummy_hashes.for_identifier(&format!("stranger{number}"));
            dummy.hash.expose() == bcrypt
        });
        let share = kinds.count();
        assert!(
            (850..=1000).contains(&share),
            "{share} of 1000 unknown accounts cost as much as 80 of 81 users"
        );
        app.stop().await;
    }
}
