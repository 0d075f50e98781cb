//! What it costs to tell who calls, and to find a user that is known.

#![expect(clippy::unwrap_used, reason = "a bench that cannot begin may fail")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use jsonwebtoken::{EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use user_adapters::cache::{CacheOptions, UserTiers};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, SeaOrmUsers};
use user_adapters::tokens::{AllowedTokens, JwtOptions, JwtSubject, JwtVerifier, ManagedTokens};
use user_adapters::{SystemClock, UuidV7Ids};
use user_domain::ports::{
    Clock as _, IdGenerator as _, Lookup, ServiceTokenRegistry, ServiceTokens, TokenVerifier as _,
    UserCache as _,
};
use user_domain::service_token::{NewServiceToken, ServiceToken};
use user_domain::test_support::samples;
use user_domain::user::User;
use user_domain::values::TokenName;

const SECRET: &str = "a secret of benches, of some 40 bytes more";
/// How long a slow machine may take until somebody vouches for what is cached.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many verifiers stand ready that know no token: each takes some hundred kilobytes.
const VERIFIERS: BatchSize = BatchSize::NumIterations(64);

/// A store on SQLite, and the cache before it, which is vouched for as long as the runtime lives.
struct Replica {
    users: Arc<SeaOrmUsers>,
    tiers: UserTiers,
    _folder: TempDir,
}

fn replica(runtime: &Runtime) -> Replica {
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let connections = Connections::sqlite(&path).await.unwrap();
        connections.migrate(None).await.unwrap();
        let users = Arc::new(SeaOrmUsers::new(connections));
        let tiers = UserTiers::new(CacheOptions {
            memory: 16 << 20,
            redis: None,
            guards: Guards::default(),
        });
        let (following, followed) = (tiers.clone(), users.clone());
        tokio::spawn(async move { following.keep_fresh(&followed).await });
        Replica {
            users,
            tiers,
            _folder: folder,
        }
    })
}

/// Waits until something is so.
fn wait_until(runtime: &Runtime, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "nobody vouches for the cache");
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

fn users_tokens(criterion: &mut Criterion, runtime: &Runtime) {
    let now = SystemClock.now().as_utc().timestamp();
    let claims = json!({"sub": samples::user_id().to_string(), "iat": now, "exp": now + 86_400});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
    let mut group = criterion.benchmark_group("user's token");
    group.bench_function("HS256, never seen", |bencher| {
        bencher.iter_batched_ref(
            verifier,
            |verifier| runtime.block_on(verifier.verify(black_box(&token))),
            VERIFIERS,
        );
    });
    let verifier = verifier();
    runtime.block_on(verifier.verify(&token)).unwrap();
    assert!(verifier.remembered(&token).is_some());
    group.bench_function("remembered", |bencher| {
        bencher.iter(|| verifier.remembered(black_box(&token)));
    });
    group.finish();
}

fn services_tokens(criterion: &mut Criterion, runtime: &Runtime, replica: &Replica) {
    let listed = ["a-token-of-benches-1".into(), "a-token-of-benches-2".into()];
    let allowed = AllowedTokens::new(&listed, &[7; 64]);
    let found = runtime.block_on(allowed.find(listed[1].expose_secret()));
    assert!(found.unwrap().is_some());
    let mut group = criterion.benchmark_group("service's token");
    group.bench_function("listed", |bencher| {
        bencher.iter(|| runtime.block_on(allowed.find(black_box(&listed[1]).expose_secret())));
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
    let token = secret.token_of(id);
    let find = || runtime.block_on(ServiceTokens::find(&managed, token.expose_secret()));
    assert!(find().unwrap().is_some());
    group.bench_function("managed, met before", |bencher| bencher.iter(find));
    group.finish();
}

fn look_ups(criterion: &mut Criterion, runtime: &Runtime, replica: &Replica) {
    let users: Vec<Arc<User>> = (0..1_000)
        .map(|number| Arc::new(samples::user(&format!("user{number}"))))
        .collect();
    for user in &users {
        wait_until(runtime, || {
            let looked = runtime.block_on(replica.tiers.look_up(&[user.id])).pop();
            if let Some(Lookup::Miss(lease, _)) = looked {
                replica.tiers.fill(lease, Some(user.clone()));
            }
            replica.tiers.known(user.id).is_some()
        });
    }
    let mut group = criterion.benchmark_group("first tier");
    let mut next = users.iter().cycle();
    group.bench_function("known", |bencher| {
        bencher.iter(|| {
            next.next()
                .map(|user| replica.tiers.known(black_box(user.id)))
        });
    });
    let mut next = users.iter().cycle();
    group.bench_function("look-up", |bencher| {
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
    users_tokens(&mut criterion, &runtime);
    services_tokens(&mut criterion, &runtime, &replica);
    look_ups(&mut criterion, &runtime, &replica);
    criterion.final_summary();
}
