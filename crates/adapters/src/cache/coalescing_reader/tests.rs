//! Tests with a store whose queries the test receives and answers. The clock is paused.

mod failures;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use user_domain::test_support::mocks::MockUserReader;
use user_domain::test_support::samples;
use user_domain::values::UsernameKey;

use super::*;

/// What a query asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    One(UserKey),
    Many(UserKeys),
}

/// A query that waits for its reply. Dropping it makes the store panic.
struct PendingQuery {
    request: Request,
    reply: oneshot::Sender<Result<Vec<Option<Arc<User>>>, StoreError>>,
}

/// A store that passes its queries to the test.
struct QueryForwarder(UnboundedSender<PendingQuery>);

impl QueryForwarder {
    async fn forward(&self, request: Request) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        assert!(self.0.send(PendingQuery { request, reply }).is_ok());
        answer.await.expect("a store that does not panic")
    }
}

#[async_trait]
impl UserReader for QueryForwarder {
    async fn find(&self, key: &UserKey) -> Answer {
        let mut found = self.forward(Request::One(key.clone())).await?;
        Ok(found.pop().expect("an answer"))
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        self.forward(Request::Many(keys.clone())).await
    }
}

/// A reader under test, and the queries that it sends to its store.
struct Fixture {
    reader: CoalescingReader,
    queries: UnboundedReceiver<PendingQuery>,
}

fn fixture() -> Fixture {
    let (sender, queries) = unbounded_channel();
    Fixture {
        reader: CoalescingReader::new(Arc::new(QueryForwarder(sender))),
        queries,
    }
}

impl Fixture {
    /// Starts a read, and runs all tasks that are ready.
    async fn start_read(&self, key: UserKey) -> JoinHandle<Answer> {
        let reader = self.reader.clone();
        let read = tokio::spawn(async move { reader.find(&key).await });
        run_ready_tasks().await;
        read
    }

    /// Returns the next query, which must have arrived.
    fn next_query(&mut self) -> PendingQuery {
        self.queries.try_recv().expect("a query")
    }

    fn assert_idle(&mut self) {
        if let Ok(query) = self.queries.try_recv() {
            panic!("unexpected query: {:?}", query.request);
        }
    }

    /// Starts the maximum number of concurrent queries, so that further reads wait.
    async fn saturate(&mut self) -> Vec<PendingQuery> {
        let mut running = Vec::new();
        for _ in 0..MAX_CONCURRENT_QUERIES {
            self.start_read(id()).await;
            running.push(self.next_query());
        }
        running
    }
}

impl PendingQuery {
    /// Answers each key with the matching user among these.
    async fn answer(self, users: &[Arc<User>]) {
        let matching = |key: &UserKey| users.iter().find(|user| key.identifies(user)).cloned();
        let found = match &self.request {
            Request::One(key) => vec![matching(key)],
            Request::Many(keys) => keys.each().iter().map(matching).collect(),
        };
        self.reply.send(Ok(found)).unwrap();
        run_ready_tasks().await;
    }

    async fn fail(self, error: StoreError) {
        self.reply.send(Err(error)).unwrap();
        run_ready_tasks().await;
    }

    async fn panic(self) {
        drop(self);
        run_ready_tasks().await;
    }

    fn keys(&self) -> Vec<UserKey> {
        match &self.request {
            Request::One(key) => vec![key.clone()],
            Request::Many(keys) => keys.each(),
        }
    }
}

/// Runs all ready tasks: the paused clock advances only when no task can run.
async fn run_ready_tasks() {
    sleep(Duration::from_millis(1)).await;
}

fn id() -> UserKey {
    UserKey::Id(samples::user_id())
}

fn user_and_key(name: &str) -> (Arc<User>, UserKey) {
    let user = Arc::new(samples::user(name));
    (user.clone(), UserKey::Id(user.id))
}

#[tokio::test(start_paused = true)]
async fn an_idle_store_is_queried_at_once() {
    let (user, key) = user_and_key("alice");
    let mut mock = MockUserReader::new();
    let found = user.clone();
    mock.expect_find()
        .times(3)
        .returning(move |_| Ok(Some(found.clone())));
    let reader = CoalescingReader::new(Arc::new(mock));
    for _ in 0..3 {
        assert_eq!(reader.find(&key).await, Ok(Some(user.clone())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_is_passed_through() {
    let mut store = fixture();
    let keys = UserKeys::Ids(vec![
        samples::user_id(),
        samples::user_id(),
        samples::user_id(),
    ]);
    let (reader, sent) = (store.reader.clone(), keys.clone());
    let read = tokio::spawn(async move { reader.find_many(&sent).await });
    run_ready_tasks().await;
    let query = store.next_query();
    assert_eq!(query.request, Request::Many(keys));
    query.answer(&[]).await;
    assert_eq!(read.await.unwrap(), Ok(vec![None, None, None]));
}

#[tokio::test(start_paused = true)]
async fn a_read_of_two_keys_is_batched_with_other_reads() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (alice, key) = user_and_key("alice");
    let other = store.start_read(id()).await;
    let two = UserKeys::Ids(vec![samples::user_id(), alice.id]);
    let reader = store.reader.clone();
    let read = tokio::spawn(async move { reader.find_many(&two).await });
    run_ready_tasks().await;
    store.assert_idle();
    running.pop().unwrap().answer(&[]).await;
    let query = store.next_query();
    let keys = query.keys();
    assert_eq!(keys.len(), 3);
    assert!(keys.contains(&key));
    query.answer(std::slice::from_ref(&alice)).await;
    assert_eq!(read.await.unwrap(), Ok(vec![None, Some(alice)]));
    assert_eq!(other.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn after_four_concurrent_queries_waiting_reads_are_batched() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (alice, key) = user_and_key("alice");
    let (bob, other) = user_and_key("bob");
    let unknown = id();
    let mut reads = Vec::new();
    for key in [&key, &other, &unknown, &key] {
        reads.push(store.start_read(key.clone()).await);
    }
    store.assert_idle();

    running.remove(0).answer(&[]).await;
    let together = store.next_query();
    assert!(matches!(together.request, Request::Many(UserKeys::Ids(_))));
    let keys = together.keys();
    assert_eq!(keys.len(), 3, "each key once");
    for key in [&key, &other, &unknown] {
        assert!(keys.contains(key));
    }
    store.assert_idle();

    together.answer(&[bob.clone(), alice.clone()]).await;
    let expected = [Some(alice.clone()), Some(bob), None, Some(alice)];
    for (read, expected) in reads.into_iter().zip(expected) {
        assert_eq!(read.await.unwrap(), Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_waiting_key_is_queried_alone() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (alice, key) = user_and_key("alice");
    let reads = [
        store.start_read(key.clone()).await,
        store.start_read(key.clone()).await,
    ];
    running.remove(0).answer(&[]).await;
    let alone = store.next_query();
    assert_eq!(alone.request, Request::One(key));
    alone.answer(std::slice::from_ref(&alice)).await;
    for read in reads {
        assert_eq!(read.await.unwrap(), Ok(Some(alice.clone())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_query_is_not_joined() {
    let mut store = fixture();
    let (alice, key) = user_and_key("alice");
    let early = store.start_read(key.clone()).await;
    let first = store.next_query();
    let late = store.start_read(key.clone()).await;
    let second = store.next_query();
    first.answer(&[]).await;
    assert_eq!(early.await.unwrap(), Ok(None), "alice did not exist yet");
    second.answer(std::slice::from_ref(&alice)).await;
    assert_eq!(late.await.unwrap(), Ok(Some(alice)));
}

#[tokio::test(start_paused = true)]
async fn a_running_batch_query_is_not_joined() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (alice, key) = user_and_key("alice");
    let early = [
        store.start_read(key.clone()).await,
        store.start_read(id()).await,
    ];
    running.remove(0).answer(&[]).await;
    let sent = store.next_query();
    let late = store.start_read(key.clone()).await;
    store.assert_idle();
    sent.answer(&[]).await;
    let [early, _] = early;
    assert_eq!(early.await.unwrap(), Ok(None));
    store
        .next_query()
        .answer(std::slice::from_ref(&alice))
        .await;
    assert_eq!(late.await.unwrap(), Ok(Some(alice)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_contains_one_kind_of_key() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (alice, _) = user_and_key("alice");
    let bob = Arc::new(samples::user("bob"));
    let by_external_id = |text| UserKey::ExternalId(samples::external_id(text));
    let kinds = [
        [UserKey::Id(alice.id), UserKey::Id(bob.id)],
        [&alice, &bob].map(|user| UserKey::Username(UsernameKey::from(&user.username))),
        [&alice, &bob].map(|user| UserKey::Email((&user.email).into())),
        [by_external_id("1"), by_external_id("2")],
    ];
    let mut reads = Vec::new();
    for key in kinds.iter().flatten() {
        reads.push(store.start_read(key.clone()).await);
    }
    running.remove(0).answer(&[]).await;
    let mut queried_keys = Vec::new();
    for _ in &kinds {
        let query = store.next_query();
        queried_keys.push(query.keys());
        query.answer(&[alice.clone(), bob.clone()]).await;
    }
    store.assert_idle();
    for kind in kinds {
        assert!(
            queried_keys
                .iter()
                .any(|keys| keys.len() == 2 && kind.iter().all(|key| keys.contains(key))),
            "{kind:?} in {queried_keys:?}"
        );
    }
    for (place, read) in reads.into_iter().enumerate() {
        let expected = match place {
            6 | 7 => None,
            even if even % 2 == 0 => Some(alice.clone()),
            _ => Some(bob.clone()),
        };
        assert_eq!(read.await.unwrap(), Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_500_keys() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let mut reads = Vec::new();
    for _ in 0..1_100 {
        let (reader, key) = (store.reader.clone(), id());
        reads.push(tokio::spawn(async move { reader.find(&key).await }));
    }
    run_ready_tasks().await;
    running.remove(0).answer(&[]).await;
    for expected in [500, 500, 100] {
        let query = store.next_query();
        assert_eq!(query.keys().len(), expected);
        store.assert_idle();
        query.answer(&[]).await;
    }
    for read in reads {
        assert_eq!(read.await.unwrap(), Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn an_aborted_read_is_not_queried() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (_, key) = user_and_key("alice");
    let abandoned = id();
    let aborted = [
        store.start_read(abandoned.clone()).await,
        store.start_read(key.clone()).await,
    ];
    let remaining = store.start_read(key.clone()).await;
    for read in aborted {
        read.abort();
    }
    run_ready_tasks().await;
    running.remove(0).answer(&[]).await;
    let query = store.next_query();
    assert_eq!(query.request, Request::One(key));
    query.answer(&[]).await;
    assert_eq!(remaining.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn no_query_runs_if_all_reads_were_aborted() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    for read in [store.start_read(id()).await, store.start_read(id()).await] {
        read.abort();
    }
    run_ready_tasks().await;
    running.remove(0).answer(&[]).await;
    store.assert_idle();
    let read = store.start_read(id()).await;
    store.next_query().answer(&[]).await;
    assert_eq!(read.await.unwrap(), Ok(None), "the permit was released");
}

#[tokio::test(start_paused = true)]
async fn the_longest_waiting_key_is_queried_first() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let (alice, _) = user_and_key("alice");
    let mut reads = Vec::new();
    let by_name = UserKey::Username(UsernameKey::from(&alice.username));
    reads.push(store.start_read(by_name.clone()).await);
    let ids: Vec<UserKey> = (0..600).map(|_| id()).collect();
    for key in &ids {
        reads.push(store.start_read(key.clone()).await);
    }
    running.remove(0).answer(&[]).await;
    let first = store.next_query();
    assert_eq!(first.request, Request::One(by_name));
    first.answer(&[alice]).await;
    let second = store.next_query();
    let keys = second.keys();
    assert!(
        ids.iter()
            .take(MAX_KEYS_PER_QUERY)
            .all(|key| keys.contains(key))
    );
    second.answer(&[]).await;
    store.next_query().answer(&[]).await;
    for read in reads {
        assert!(read.await.unwrap().is_ok());
    }
}
