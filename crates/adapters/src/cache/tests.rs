//! The cache without Redis, with a store that other replicas write to as well. Freshness depends on the machine's
//! monotonic clock, so these tests wait in real time.

mod freshness;

use std::future::ready;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::task::JoinSet;
use user_domain::StoreError;
use user_domain::ports::{
    Changes, EventPage, EventPosition, EventsRequest, LogPosition, PastChanges, UserReader as _,
    UserWriter as _,
};
use user_domain::test_support::fakes::FakeStore;
use user_domain::test_support::samples::{context, new_user, registered, set_name, user_id};
use user_domain::user::Applied;

use super::*;
use crate::SystemClock;

/// The time within which a replica notices another replica's write, or that its cache is no longer fresh.
const NOTICED: Duration = Duration::from_secs(1);
/// The additional time allowed on a busy machine.
const SLACK: Duration = Duration::from_millis(500);

/// A store with a change log that can fail.
#[derive(Default)]
struct Store {
    users: FakeStore,
    log: AtomicU8,
}

const REACHABLE: u8 = 0;
const FAILING: u8 = 1;
const SILENT: u8 = 2;
const OVERRUN: u8 = 3;

impl Store {
    fn set_log(&self, state: u8) {
        self.log.store(state, Ordering::SeqCst);
    }

    async fn answering(&self) -> Result<(), StoreError> {
        match self.log.load(Ordering::SeqCst) {
            FAILING => Err(StoreError::Unavailable("away".to_owned())),
            SILENT => std::future::pending().await,
            _ => Ok(()),
        }
    }

    fn add(&self) -> Arc<User> {
        let applied: Applied = registered(&new_user(&name()), &context());
        self.users.put(&applied);
        Arc::new(applied.user)
    }

    /// Changes a user as another replica does.
    async fn change(&self, user: &User) {
        let changed = self
            .users
            .change(user.id, &set_name(&name()), &context())
            .await;
        changed.unwrap();
    }

    async fn find(&self, id: UserId) -> Option<Arc<User>> {
        self.users.find(&UserKey::Id(id)).await.unwrap()
    }
}

/// Returns a unique username.
fn name() -> String {
    format!("u{}", &user_id().as_uuid().simple().to_string()[20..])
}

#[async_trait]
impl ChangeLog for Store {
    async fn about(&self, request: &EventsRequest) -> Result<EventPage, StoreError> {
        self.users.about(request).await
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        self.answering().await?;
        self.users.position().await
    }

    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError> {
        self.answering().await?;
        if self.log.load(Ordering::SeqCst) == OVERRUN {
            return Ok(Changes {
                changed: Vec::new(),
                tokens: Vec::new(),
                complete: false,
                discontinuity: None,
                position: self.users.position().await?,
            });
        }
        self.users.since(position).await
    }

    async fn before(
        &self,
        position: Option<EventPosition>,
        limit: u16,
    ) -> Result<PastChanges, StoreError> {
        self.answering().await?;
        self.users.before(position, limit).await
    }
}

/// A replica. It polls its store until it is dropped.
struct Replica {
    store: Arc<Store>,
    tiers: TieredUserCache,
    pollers: JoinSet<()>,
}

impl Replica {
    /// Returns a replica that does not poll its store yet.
    fn idle() -> Self {
        Self {
            store: Arc::default(),
            tiers: TieredUserCache::new(CacheOptions {
                memory_bytes: 16 << 20,
                redis: None,
                clock: Arc::new(SystemClock),
                guards: Guards::default(),
            }),
            pollers: JoinSet::new(),
        }
    }

    fn follow(&mut self) {
        let (tiers, store) = (self.tiers.clone(), self.store.clone());
        self.pollers.spawn(async move {
            Box::pin(tiers.run(&*store, ready("a store".to_owned()))).await;
        });
    }

    /// Returns a replica whose cache is fresh.
    async fn caught_up() -> Self {
        let mut replica = Self::idle();
        replica.follow();
        replica.until_fresh().await;
        replica
    }

    async fn look_up(&self, id: UserId) -> Lookup {
        self.tiers.look_up(&[id]).await.pop().unwrap()
    }

    /// Waits until the cache is fresh.
    async fn until_fresh(&self) {
        let id = user_id();
        self.within(NOTICED + SLACK, async || {
            !matches!(self.look_up(id).await, Lookup::Miss(_, MissReason::Stale))
        })
        .await;
    }

    /// Waits until a condition holds.
    async fn within(&self, time: Duration, is_so: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !is_so().await {
            assert!(started.elapsed() < time, "it takes longer than {time:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads a user as the read-through policy does. Returns whether it was cached.
    async fn read(&self, id: UserId) -> (Option<Arc<User>>, bool) {
        match self.look_up(id).await {
            Lookup::Hit(hit) => (hit.user, true),
            Lookup::Miss(lease, _) => {
                let found = self.store.find(id).await;
                self.tiers.fill(lease, found.clone());
                (found, false)
            }
            Lookup::InFlight(_) => panic!("there is no other reader"),
        }
    }

    /// Whether a user is cached. Waits first while a busy machine delays the polls.
    async fn knows(&self, id: UserId) -> bool {
        if !self.pollers.is_empty() {
            self.until_fresh().await;
        }
        matches!(self.look_up(id).await, Lookup::Hit(_))
    }

    async fn is_fresh(&self) -> bool {
        let answer = self.look_up(user_id()).await;
        !matches!(answer, Lookup::Miss(_, MissReason::Stale))
    }
}

#[tokio::test]
async fn before_the_first_poll_every_lookup_is_a_stale_miss() {
    let replica = Replica::idle();
    let user = replica.store.add();
    for _ in 0..3 {
        match replica.look_up(user.id).await {
            Lookup::Miss(lease, MissReason::Stale) => {
                replica.tiers.fill(lease, Some(user.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_read_user_is_a_hit_with_the_store_as_freshness_source() {
    let replica = Replica::caught_up().await;
    let user = replica.store.add();
    assert_eq!(replica.read(user.id).await, (Some(user.clone()), false));
    match replica.look_up(user.id).await {
        Lookup::Hit(hit) => {
            assert_eq!(hit.user, Some(user));
            assert_eq!(
                (hit.tier, hit.freshness_source),
                (Tier::Process, FreshnessSource::Store)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_poll_clears_earlier_entries() {
    let mut replica = Replica::idle();
    let user = replica.store.add();
    replica.read(user.id).await;
    replica.store.change(&user).await;
    replica.follow();
    replica.until_fresh().await;
    assert!(!replica.knows(user.id).await);
}

#[tokio::test]
async fn another_replicas_write_is_noticed_within_a_second() {
    let replica = Replica::caught_up().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    assert!(replica.knows(user.id).await);
    replica.store.change(&user).await;
    let is_dropped = async || !matches!(replica.look_up(user.id).await, Lookup::Hit(_));
    replica.within(NOTICED, is_dropped).await;
    let (read, _) = replica.read(user.id).await;
    assert_eq!(read.unwrap().version.get(), 2);
    assert!(replica.knows(user.id).await);
}

#[tokio::test]
async fn another_replicas_addition_or_erasure_is_noticed_within_a_second() {
    let replica = Replica::caught_up().await;
    let applied = registered(&new_user(&name()), &context());
    let id = applied.user.id;
    assert_eq!(replica.read(id).await.0, None);
    assert!(replica.knows(id).await);
    replica.store.users.put(&applied);
    let is_dropped = async || !matches!(replica.look_up(id).await, Lookup::Hit(_));
    replica.within(NOTICED, is_dropped).await;
    assert!(replica.read(id).await.0.is_some());
    replica.store.users.erase(id, &context()).await.unwrap();
    replica.within(NOTICED, is_dropped).await;
    assert_eq!(replica.read(id).await.0, None);
}

#[tokio::test]
async fn a_read_overtaken_by_another_replicas_write_is_not_stored() {
    let replica = Replica::caught_up().await;
    let user = replica.store.add();
    // Wait until the event of the addition has been polled.
    sleep(Duration::from_millis(300)).await;
    let Lookup::Miss(lease, _) = replica.look_up(user.id).await else {
        panic!("it must not be cached");
    };
    let slow = replica.store.find(user.id).await;
    replica.store.change(&user).await;
    sleep(Duration::from_millis(600)).await;
    replica.tiers.fill(lease, slow);
    assert!(!replica.knows(user.id).await);
}

#[tokio::test]
async fn an_own_write_is_cached_at_once() {
    let replica = Replica::caught_up().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    let lease = replica.tiers.lease(user.id);
    replica.store.change(&user).await;
    let made = replica.store.find(user.id).await.unwrap();
    replica.tiers.put(lease, made.clone()).await;
    assert_eq!(replica.read(user.id).await, (Some(made), true));
    replica.tiers.forget(user.id).await;
    assert!(!replica.knows(user.id).await);
}

#[tokio::test]
async fn a_lookup_during_a_read_gets_its_result() {
    let replica = Replica::caught_up().await;
    let (user, unknown) = (replica.store.add(), user_id());
    for (id, found) in [(user.id, Some(user.clone())), (unknown, None)] {
        let Lookup::Miss(lease, MissReason::Unknown) = replica.look_up(id).await else {
            panic!("it must not be cached");
        };
        let Lookup::InFlight(read) = replica.look_up(id).await else {
            panic!("there must be a reader");
        };
        replica.tiers.fill(lease, found.clone());
        assert_eq!(read.await, Some(found));
    }
}

#[tokio::test]
async fn a_joined_read_that_is_no_longer_fresh_has_no_result() {
    let mut replica = Replica::caught_up().await;
    let user = replica.store.add();
    let Lookup::Miss(lease, _) = replica.look_up(user.id).await else {
        panic!("it must not be cached");
    };
    let Lookup::InFlight(read) = replica.look_up(user.id).await else {
        panic!("there must be a reader");
    };
    replica.pollers.abort_all();
    sleep(NOTICED + Duration::from_millis(50)).await;
    replica.tiers.fill(lease, Some(user));
    assert_eq!(read.await, None);
}

#[tokio::test]
async fn nothing_is_served_a_second_after_the_last_poll() {
    let mut replica = Replica::caught_up().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    replica.pollers.abort_all();
    replica
        .within(NOTICED + SLACK, async || !replica.is_fresh().await)
        .await;
    assert!(matches!(
        replica.look_up(user.id).await,
        Lookup::Miss(_, MissReason::Stale)
    ));
    replica.pollers = JoinSet::new();
    replica.follow();
    replica.until_fresh().await;
    assert!(replica.knows(user.id).await, "the entry is still cached");
}

#[tokio::test]
async fn nothing_is_served_while_the_change_log_fails_or_hangs() {
    for state in [FAILING, SILENT] {
        let replica = Replica::caught_up().await;
        let [same, changed] = [replica.store.add(), replica.store.add()];
        for user in [&same, &changed] {
            replica.read(user.id).await;
        }
        replica.store.set_log(state);
        replica
            .within(NOTICED + SLACK, async || !replica.is_fresh().await)
            .await;
        replica.store.change(&changed).await;
        replica.store.set_log(REACHABLE);
        replica.until_fresh().await;
        assert!(replica.knows(same.id).await);
        assert!(!replica.knows(changed.id).await, "it changed meanwhile");
    }
}

#[tokio::test]
async fn an_incomplete_poll_clears_the_cache() {
    let replica = Replica::caught_up().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    replica.store.set_log(OVERRUN);
    replica
        .within(NOTICED + SLACK, async || !replica.knows(user.id).await)
        .await;
    replica.store.set_log(REACHABLE);
    sleep(Duration::from_millis(600)).await;
    replica.read(user.id).await;
    assert!(replica.knows(user.id).await);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_each_id_by_itself() {
    let replica = Replica::caught_up().await;
    let [known, read, missing] = [
        replica.store.add(),
        replica.store.add(),
        replica.store.add(),
    ];
    sleep(Duration::from_millis(300)).await;
    replica.read(known.id).await;
    let _lease = replica.look_up(read.id).await;
    let unknown = user_id();
    replica.read(unknown).await;
    let ids = [missing.id, unknown, read.id, known.id];
    let answers = replica.tiers.look_up(&ids).await;
    let [first, second, third, fourth] = answers.try_into().unwrap();
    assert!(matches!(first, Lookup::Miss(lease, MissReason::Unknown) if lease.id() == missing.id));
    assert!(matches!(second, Lookup::Hit(Hit { user: None, .. })));
    assert!(matches!(third, Lookup::InFlight(_)));
    assert!(matches!(fourth, Lookup::Hit(Hit { user: Some(user), .. }) if user.id == known.id));
}

#[tokio::test]
async fn a_lease_of_another_cache_stores_nothing() {
    let replica = Replica::caught_up().await;
    let user = replica.store.add();
    replica
        .tiers
        .fill(Lease::new(user.id, ()), Some(user.clone()));
    assert!(!replica.knows(user.id).await);
}
