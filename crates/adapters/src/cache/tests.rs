//! The cache without Redis, over a store that others write to as well. Freshness goes by the machine's own clock, so
//! these tests wait for it.

mod vouching;

use std::future::ready;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::task::JoinSet;
use user_domain::StoreError;
use user_domain::ports::{Changes, LogPosition, UserReader as _, UserWriter as _};
use user_domain::test_support::fakes::FakeStore;
use user_domain::test_support::samples::{call, context, new_user, registered, user_id};
use user_domain::user::{Applied, Event};

use super::*;

/// Longer than it takes a replica to notice what another wrote, or that it can notice nothing more.
const NOTICED: Duration = Duration::from_secs(1);
/// For how long a machine that is busy elsewhere may hold a test up besides.
const SLACK: Duration = Duration::from_millis(500);

/// A store whose log can be taken away.
#[derive(Default)]
struct Store {
    users: FakeStore,
    log: AtomicU8,
}

const THERE: u8 = 0;
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
        let changed = self.users.change(user.id, &call(&name()), &context()).await;
        changed.unwrap();
    }

    async fn find(&self, id: UserId) -> Option<Arc<User>> {
        self.users.find(&UserKey::Id(id)).await.unwrap()
    }
}

/// A name that nobody else has.
fn name() -> String {
    format!("u{}", &user_id().as_uuid().simple().to_string()[20..])
}

#[async_trait]
impl ChangeLog for Store {
    async fn about(&self, user: UserId) -> Result<Vec<Event>, StoreError> {
        self.users.about(user).await
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
                position: self.users.position().await?,
            });
        }
        self.users.since(position).await
    }
}

/// A replica; it follows its store for as long as the value lives.
struct Replica {
    store: Arc<Store>,
    tiers: UserTiers,
    follows: JoinSet<()>,
}

impl Replica {
    /// One that does not follow its store yet.
    fn idle() -> Self {
        Self {
            store: Arc::default(),
            tiers: UserTiers::new(CacheOptions {
                memory: 16 << 20,
                redis: None,
                guards: Guards::default(),
            }),
            follows: JoinSet::new(),
        }
    }

    fn follow(&mut self) {
        let (tiers, store) = (self.tiers.clone(), self.store.clone());
        self.follows.spawn(async move {
            Box::pin(tiers.follow(&*store, ready("a store".to_owned()))).await;
        });
    }

    /// One that vouches for what it caches.
    async fn vouching() -> Self {
        let mut replica = Self::idle();
        replica.follow();
        replica.until_vouched().await;
        replica
    }

    async fn look(&self, id: UserId) -> Lookup {
        self.tiers.look_up(&[id]).await.pop().unwrap()
    }

    /// Waits until there is somebody to vouch.
    async fn until_vouched(&self) {
        let id = user_id();
        self.within(NOTICED + SLACK, async || {
            !matches!(self.look(id).await, Lookup::Miss(_, Missed::Unvouched))
        })
        .await;
    }

    /// Waits until something is so.
    async fn within(&self, time: Duration, is_so: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !is_so().await {
            assert!(begun.elapsed() < time, "it takes longer than {time:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads a user as the policy does, and tells whether the cache knew.
    async fn read(&self, id: UserId) -> (Option<Arc<User>>, bool) {
        match self.look(id).await {
            Lookup::Hit(hit) => (hit.user, true),
            Lookup::Miss(lease, _) => {
                let found = self.store.find(id).await;
                self.tiers.fill(lease, found.clone());
                (found, false)
            }
            Lookup::Coming(_) => panic!("nobody else reads"),
        }
    }

    /// Tells whether a user is given; looks again while a busy machine keeps this replica from following its store.
    async fn knows(&self, id: UserId) -> bool {
        if !self.follows.is_empty() {
            self.until_vouched().await;
        }
        matches!(self.look(id).await, Lookup::Hit(_))
    }

    async fn is_vouched_for(&self) -> bool {
        let answer = self.look(user_id()).await;
        !matches!(answer, Lookup::Miss(_, Missed::Unvouched))
    }
}

#[tokio::test]
async fn before_the_store_is_followed_every_look_is_a_miss_that_says_so() {
    let replica = Replica::idle();
    let user = replica.store.add();
    for _ in 0..3 {
        match replica.look(user.id).await {
            Lookup::Miss(lease, Missed::Unvouched) => {
                replica.tiers.fill(lease, Some(user.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_was_read_is_known_on_the_stores_word() {
    let replica = Replica::vouching().await;
    let user = replica.store.add();
    assert_eq!(replica.read(user.id).await, (Some(user.clone()), false));
    match replica.look(user.id).await {
        Lookup::Hit(hit) => {
            assert_eq!(hit.user, Some(user));
            assert_eq!((hit.tier, hit.vouched_by), (Tier::Process, Voucher::Store));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_filled_in_before_the_store_was_followed_is_forgotten() {
    let mut replica = Replica::idle();
    let user = replica.store.add();
    replica.read(user.id).await;
    replica.store.change(&user).await;
    replica.follow();
    replica.until_vouched().await;
    assert!(!replica.knows(user.id).await);
}

#[tokio::test]
async fn what_another_replica_writes_is_noticed_within_a_second() {
    let replica = Replica::vouching().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    assert!(replica.knows(user.id).await);
    replica.store.change(&user).await;
    let gone = async || !matches!(replica.look(user.id).await, Lookup::Hit(_));
    replica.within(NOTICED, gone).await;
    let (read, _) = replica.read(user.id).await;
    assert_eq!(read.unwrap().version.get(), 2);
    assert!(replica.knows(user.id).await);
}

#[tokio::test]
async fn who_is_added_or_erased_elsewhere_is_noticed_within_a_second() {
    let replica = Replica::vouching().await;
    let applied = registered(&new_user(&name()), &context());
    let id = applied.user.id;
    assert_eq!(replica.read(id).await.0, None);
    assert!(replica.knows(id).await);
    replica.store.users.put(&applied);
    let gone = async || !matches!(replica.look(id).await, Lookup::Hit(_));
    replica.within(NOTICED, gone).await;
    assert!(replica.read(id).await.0.is_some());
    replica.store.users.erase(id, &context()).await.unwrap();
    replica.within(NOTICED, gone).await;
    assert_eq!(replica.read(id).await.0, None);
}

#[tokio::test]
async fn a_read_that_another_replicas_write_overtakes_is_not_kept() {
    let replica = Replica::vouching().await;
    let user = replica.store.add();
    // The event of the addition has to be over.
    sleep(Duration::from_millis(300)).await;
    let Lookup::Miss(lease, _) = replica.look(user.id).await else {
        panic!("nobody has read it");
    };
    let slow = replica.store.find(user.id).await;
    replica.store.change(&user).await;
    sleep(Duration::from_millis(600)).await;
    replica.tiers.fill(lease, slow);
    assert!(!replica.knows(user.id).await);
}

#[tokio::test]
async fn an_own_write_is_known_at_once() {
    let replica = Replica::vouching().await;
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
async fn who_looks_for_whom_another_reads_gets_its_answer() {
    let replica = Replica::vouching().await;
    let (user, nobody) = (replica.store.add(), user_id());
    for (id, found) in [(user.id, Some(user.clone())), (nobody, None)] {
        let Lookup::Miss(lease, Missed::Unknown) = replica.look(id).await else {
            panic!("nobody has read it");
        };
        let Lookup::Coming(arrival) = replica.look(id).await else {
            panic!("somebody is reading it");
        };
        replica.tiers.fill(lease, found.clone());
        assert_eq!(arrival.await, Some(found));
    }
}

#[tokio::test]
async fn an_answer_for_which_nobody_vouches_any_more_is_none() {
    let mut replica = Replica::vouching().await;
    let user = replica.store.add();
    let Lookup::Miss(lease, _) = replica.look(user.id).await else {
        panic!("nobody has read it");
    };
    let Lookup::Coming(arrival) = replica.look(user.id).await else {
        panic!("somebody is reading it");
    };
    replica.follows.abort_all();
    sleep(NOTICED + Duration::from_millis(50)).await;
    replica.tiers.fill(lease, Some(user));
    assert_eq!(arrival.await, None);
}

#[tokio::test]
async fn nothing_is_given_a_second_after_the_store_was_last_followed() {
    let mut replica = Replica::vouching().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    replica.follows.abort_all();
    replica
        .within(NOTICED + SLACK, async || !replica.is_vouched_for().await)
        .await;
    assert!(matches!(
        replica.look(user.id).await,
        Lookup::Miss(_, Missed::Unvouched)
    ));
    replica.follows = JoinSet::new();
    replica.follow();
    replica.until_vouched().await;
    assert!(replica.knows(user.id).await, "it was kept");
}

#[tokio::test]
async fn while_the_log_fails_or_is_silent_nothing_is_given() {
    for state in [FAILING, SILENT] {
        let replica = Replica::vouching().await;
        let [same, changed] = [replica.store.add(), replica.store.add()];
        for user in [&same, &changed] {
            replica.read(user.id).await;
        }
        replica.store.set_log(state);
        replica
            .within(NOTICED + SLACK, async || !replica.is_vouched_for().await)
            .await;
        replica.store.change(&changed).await;
        replica.store.set_log(THERE);
        replica.until_vouched().await;
        assert!(replica.knows(same.id).await);
        assert!(!replica.knows(changed.id).await, "it changed meanwhile");
    }
}

#[tokio::test]
async fn a_log_that_has_run_ahead_makes_everything_forgotten() {
    let replica = Replica::vouching().await;
    let user = replica.store.add();
    replica.read(user.id).await;
    replica.store.set_log(OVERRUN);
    replica
        .within(NOTICED + SLACK, async || !replica.knows(user.id).await)
        .await;
    replica.store.set_log(THERE);
    sleep(Duration::from_millis(600)).await;
    replica.read(user.id).await;
    assert!(replica.knows(user.id).await);
}

#[tokio::test]
async fn many_are_answered_in_their_order_each_by_itself() {
    let replica = Replica::vouching().await;
    let [known, read, missing] = [
        replica.store.add(),
        replica.store.add(),
        replica.store.add(),
    ];
    sleep(Duration::from_millis(300)).await;
    replica.read(known.id).await;
    let _lease = replica.look(read.id).await;
    let nobody = user_id();
    replica.read(nobody).await;
    let ids = [missing.id, nobody, read.id, known.id];
    let answers = replica.tiers.look_up(&ids).await;
    let [first, second, third, fourth] = answers.try_into().unwrap();
    assert!(matches!(first, Lookup::Miss(lease, Missed::Unknown) if lease.id() == missing.id));
    assert!(matches!(second, Lookup::Hit(Hit { user: None, .. })));
    assert!(matches!(third, Lookup::Coming(_)));
    assert!(matches!(fourth, Lookup::Hit(Hit { user: Some(user), .. }) if user.id == known.id));
}

#[tokio::test]
async fn a_lease_of_another_cache_fills_nothing_in() {
    let replica = Replica::vouching().await;
    let user = replica.store.add();
    replica
        .tiers
        .fill(Lease::new(user.id, ()), Some(user.clone()));
    assert!(!replica.knows(user.id).await);
}
