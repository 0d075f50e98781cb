//! Measures the verification of credentials, and reads of cached users.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark may panic if its setup fails"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use jsonwebtoken::{EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use user_adapters::cache::{CacheOptions, TieredUserCache};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, SeaOrmUsers};
use user_adapters::tokens::{JwtOptions, JwtSubject, JwtVerifier, ManagedTokens, StaticTokens};
use user_adapters::{SystemClock, UuidV7Ids};
use user_domain::ports::{
    Clock as _, IdGenerator as _, Lookup, ServiceTokenRegistry, ServiceTokenVerifier,
    TokenVerifier as _, UserCache as _,
};
use user_domain::service_token::{NewServiceToken, ServiceToken};
use user_domain::test_support::samples;
use user_domain::user::User;
use user_domain::values::TokenName;

const SECRET: &str = "a secret of benches, of some 40 bytes more";
/// The time within which a slow machine must complete the first outbox poll, which makes the cache usable.
const FRESHNESS_TIMEOUT: Duration = Duration::from_secs(30);
/// The batch size for verifiers whose token cache is empty. Each takes a few hundred kilobytes.
const VERIFIERS: BatchSize = BatchSize::NumIterations(64);

/// A SQLite database and the cache in front of it. Outbox polls keep the cache valid for as long as the runtime lives.
struct Replica {
    users: Arc<SeaOrmUsers>,
    tiers: TieredUserCache,
    _folder: TempDir,
}

fn replica(runtime: &Runtime) -> Replica {
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let connections = Connections::sqlite(&path).await.unwrap();
        connections.migrate(None).await.unwrap();
        let users = Arc::new(SeaOrmUsers::new(connections));
        let tiers = TieredUserCache::new(CacheOptions {
            memory_bytes: 16 << 20,
            redis: None,
            clock: Arc::new(SystemClock),
            guards: Guards::default(),
        });
        let (polling, polled) = (tiers.clone(), users.clone());
        tokio::spawn(async move { polling.keep_fresh(&polled).await });
        Replica {
            users,
            tiers,
            _folder: folder,
        }
    })
}

/// Waits until a condition holds.
fn wait_until(runtime: &Runtime, mut is_reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_reached() {
        assert!(
            started.elapsed() < FRESHNESS_TIMEOUT,
            "the cache is not fresh"
        );
        runtime.block_on(tokio::time::sleep(Duration::from_millis(5)));
    }
}

fn verifier() -> JwtVerifier {
    let options = JwtOptions {
        secret: Some(SecretString::from(SECRET)),
        previous_secret: None,
        subject: JwtSubject::Id,
        issuer: None,
        audience: None,
        leeway_seconds: 0,
    };
    JwtVerifier::new(options, None, Arc::new(SystemClock))
}

fn user_tokens(criterion: &mut Criterion, runtime: &Runtime) {
    let now = SystemClock.now().as_utc().timestamp();
    let claims = json!({"sub": samples::user_id().to_string(), "iat": now, "exp": now + 86_400});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
    let mut group = criterion.benchmark_group("user token");
    group.bench_function("HS256, not cached", |bencher| {
        bencher.iter_batched_ref(
            verifier,
            |verifier| runtime.block_on(verifier.verify(black_box(&token))),
            VERIFIERS,
        );
    });
    let verifier = verifier();
    runtime.block_on(verifier.verify(&token)).unwrap();
    assert!(verifier.verify_cached(&token).is_some());
    group.bench_function("cached", |bencher| {
        bencher.iter(|| verifier.verify_cached(black_box(&token)));
    });
    group.finish();
}

fn service_tokens(criterion: &mut Criterion, runtime: &Runtime, replica: &Replica) {
    let listed = ["a-token-of-benches-1".into(), "a-token-of-benches-2".into()];
    let static_tokens = StaticTokens::new(&listed, &[7; 64]);
    let found = runtime.block_on(static_tokens.find(listed[1].expose_secret()));
    assert!(found.unwrap().is_some());
    let mut group = criterion.benchmark_group("service token");
    group.bench_function("listed", |bencher| {
        bencher
            .iter(|| runtime.block_on(static_tokens.find(black_box(&listed[1]).expose_secret())));
    });

    let clock = Arc::new(SystemClock);
    let managed = ManagedTokens::new(replica.users.clone(), replica.tiers.tokens(), clock.clone());
    let (id, (secret, digest)) = (samples::token_id(), UuidV7Ids.token_secret());
    let new = NewServiceToken {
        name: TokenName::parse("benches").unwrap(),
        scopes: ServiceToken::scopes_from_store(["users:read"]),
        expires_at: None,
    };
    let issued = ServiceToken::issue(id, new, &samples::context_at(clock.now()));
    runtime
        .block_on(managed.add_token(&issued, &digest))
        .unwrap();
    let token = secret.format_token(id);
    let find = || runtime.block_on(ServiceTokenVerifier::find(&managed, token.expose_secret()));
    assert!(find().unwrap().is_some());
    group.bench_function("managed, cached", |bencher| bencher.iter(find));
    group.finish();
}

fn lookups(criterion: &mut Criterion, runtime: &Runtime, replica: &Replica) {
    let users: Vec<Arc<User>> = (0..1_000)
        .map(|number| Arc::new(samples::user(&format!("user{number}"))))
        .collect();
    for user in &users {
        wait_until(runtime, || {
            let lookup = runtime.block_on(replica.tiers.look_up(&[user.id])).pop();
            if let Some(Lookup::Miss(lease, _)) = lookup {
                replica.tiers.fill(lease, Some(user.clone()));
            }
            replica.tiers.peek(user.id).is_some()
        });
    }
    let mut group = criterion.benchmark_group("in-process tier");
    let mut next = users.iter().cycle();
    group.bench_function("peek", |bencher| {
        bencher.iter(|| {
            next.next()
                .map(|user| replica.tiers.peek(black_box(user.id)))
        });
    });
    let mut next = users.iter().cycle();
    group.bench_function("lookup", |bencher| {
        bencher.iter(|| {
            let ids = next.next().map(|user| user.id);
            runtime.block_on(replica.tiers.look_up(black_box(ids.as_slice())))
        });
    });
    group.finish();
}

fn main() {
    let runtime = Runtime::new().unwrap();
    let replica = replica(&runtime);
    let mut criterion = Criterion::default().configure_from_args();
    user_tokens(&mut criterion, &runtime);
    service_tokens(&mut criterion, &runtime, &replica);
    lookups(&mut criterion, &runtime, &replica);
    criterion.final_summary();
}
