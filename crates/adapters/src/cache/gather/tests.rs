//! A store whose every question the test sees, and answers when it likes. The clock stands while somebody can go on.

mod failures;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use user_domain::test_support::mocks::MockUserReader;
use user_domain::test_support::samples;
use user_domain::values::UsernameKey;

use super::*;

/// What the store is asked.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    One(UserKey),
    Many(UserKeys),
}

/// A question to the store; dropping it makes the store panic.
struct Question {
    asked: Asked,
    reply: oneshot::Sender<Result<Vec<Option<Arc<User>>>, StoreError>>,
}

struct Asking(UnboundedSender<Question>);

impl Asking {
    async fn ask(&self, asked: Asked) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        assert!(self.0.send(Question { asked, reply }).is_ok());
        answer.await.expect("a store that does not panic")
    }
}

#[async_trait]
impl UserReader for Asking {
    async fn find(&self, key: &UserKey) -> Answer {
        let mut found = self.ask(Asked::One(key.clone())).await?;
        Ok(found.pop().expect("an answer"))
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        self.ask(Asked::Many(keys.clone())).await
    }
}

/// The store's end of the questions.
struct Store {
    reader: GatheredReader,
    questions: UnboundedReceiver<Question>,
}

fn store() -> Store {
    let (sender, questions) = unbounded_channel();
    Store {
        reader: GatheredReader::new(Arc::new(Asking(sender))),
        questions,
    }
}

impl Store {
    /// Lets somebody ask, and goes on as soon as all have done what they can.
    async fn asker(&self, key: UserKey) -> JoinHandle<Answer> {
        let reader = self.reader.clone();
        let asker = tokio::spawn(async move { reader.find(&key).await });
        settled().await;
        asker
    }

    /// The next question, which is there already.
    fn question(&mut self) -> Question {
        self.questions.try_recv().expect("a question")
    }

    fn is_not_asked(&mut self) {
        if let Ok(question) = self.questions.try_recv() {
            panic!("nothing is to be asked, not {:?}", question.asked);
        }
    }

    /// Keeps the store so busy that whoever comes waits.
    async fn busy(&mut self) -> Vec<Question> {
        let mut under_way = Vec::new();
        for _ in 0..AT_ONCE {
            self.asker(id()).await;
            under_way.push(self.question());
        }
        under_way
    }
}

impl Question {
    /// Answers each key with who bears it among these.
    async fn answer(self, users: &[Arc<User>]) {
        let bearer = |key: &UserKey| users.iter().find(|user| key.names(user)).cloned();
        let found = match &self.asked {
            Asked::One(key) => vec![bearer(key)],
            Asked::Many(keys) => keys.each().iter().map(bearer).collect(),
        };
        self.reply.send(Ok(found)).unwrap();
        settled().await;
    }

    async fn fail(self, error: StoreError) {
        self.reply.send(Err(error)).unwrap();
        settled().await;
    }

    async fn panic(self) {
        drop(self);
        settled().await;
    }

    fn keys(&self) -> Vec<UserKey> {
        match &self.asked {
            Asked::One(key) => vec![key.clone()],
            Asked::Many(keys) => keys.each(),
        }
    }
}

/// Time passes only when nobody can go on.
async fn settled() {
    sleep(Duration::from_millis(1)).await;
}

fn id() -> UserKey {
    UserKey::Id(samples::user_id())
}

fn somebody() -> (Arc<User>, UserKey) {
    let user = Arc::new(samples::user("alice"));
    (user.clone(), UserKey::Id(user.id))
}

#[tokio::test(start_paused = true)]
async fn an_idle_store_is_asked_at_once_for_one_user() {
    let (user, key) = somebody();
    let mut mock = MockUserReader::new();
    let found = user.clone();
    mock.expect_find()
        .times(3)
        .returning(move |_| Ok(Some(found.clone())));
    let reader = GatheredReader::new(Arc::new(mock));
    for _ in 0..3 {
        assert_eq!(reader.find(&key).await, Ok(Some(user.clone())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_for_many_goes_as_it_is() {
    let mut store = store();
    let keys = UserKeys::Ids(vec![
        samples::user_id(),
        samples::user_id(),
        samples::user_id(),
    ]);
    let (reader, sent) = (store.reader.clone(), keys.clone());
    let asker = tokio::spawn(async move { reader.find_many(&sent).await });
    settled().await;
    let question = store.question();
    assert_eq!(question.asked, Asked::Many(keys));
    question.answer(&[]).await;
    assert_eq!(asker.await.unwrap(), Ok(vec![None, None, None]));
}

#[tokio::test(start_paused = true)]
async fn two_are_asked_for_together_with_everybody_else() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (alice, key) = somebody();
    let other = store.asker(id()).await;
    let two = UserKeys::Ids(vec![samples::user_id(), alice.id]);
    let reader = store.reader.clone();
    let asker = tokio::spawn(async move { reader.find_many(&two).await });
    settled().await;
    store.is_not_asked();
    under_way.pop().unwrap().answer(&[]).await;
    let question = store.question();
    let keys = question.keys();
    assert_eq!(keys.len(), 3);
    assert!(keys.contains(&key));
    question.answer(std::slice::from_ref(&alice)).await;
    assert_eq!(asker.await.unwrap(), Ok(vec![None, Some(alice)]));
    assert_eq!(other.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn four_questions_are_asked_at_once_and_then_all_who_wait_together() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (alice, key) = somebody();
    let (bob, other) = somebody();
    let nobody = id();
    let mut askers = Vec::new();
    for key in [&key, &other, &nobody, &key] {
        askers.push(store.asker(key.clone()).await);
    }
    store.is_not_asked();

    under_way.remove(0).answer(&[]).await;
    let together = store.question();
    assert!(matches!(together.asked, Asked::Many(UserKeys::Ids(_))));
    let keys = together.keys();
    assert_eq!(keys.len(), 3, "each key once");
    for key in [&key, &other, &nobody] {
        assert!(keys.contains(key));
    }
    store.is_not_asked();

    together.answer(&[bob.clone(), alice.clone()]).await;
    let expected = [Some(alice.clone()), Some(bob), None, Some(alice)];
    for (asker, expected) in askers.into_iter().zip(expected) {
        assert_eq!(asker.await.unwrap(), Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_alone_is_asked_for_alone() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (alice, key) = somebody();
    let askers = [
        store.asker(key.clone()).await,
        store.asker(key.clone()).await,
    ];
    under_way.remove(0).answer(&[]).await;
    let alone = store.question();
    assert_eq!(alone.asked, Asked::One(key));
    alone.answer(std::slice::from_ref(&alice)).await;
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(Some(alice.clone())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_was_sent_is_not_joined() {
    let mut store = store();
    let (alice, key) = somebody();
    let early = store.asker(key.clone()).await;
    let first = store.question();
    let late = store.asker(key.clone()).await;
    let second = store.question();
    first.answer(&[]).await;
    assert_eq!(early.await.unwrap(), Ok(None), "alice was not there yet");
    second.answer(std::slice::from_ref(&alice)).await;
    assert_eq!(late.await.unwrap(), Ok(Some(alice)));
}

#[tokio::test(start_paused = true)]
async fn nor_is_a_question_that_was_sent_for_many() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (alice, key) = somebody();
    let early = [store.asker(key.clone()).await, store.asker(id()).await];
    under_way.remove(0).answer(&[]).await;
    let sent = store.question();
    let late = store.asker(key.clone()).await;
    store.is_not_asked();
    sent.answer(&[]).await;
    let [early, _] = early;
    assert_eq!(early.await.unwrap(), Ok(None));
    store.question().answer(std::slice::from_ref(&alice)).await;
    assert_eq!(late.await.unwrap(), Ok(Some(alice)));
}

#[tokio::test(start_paused = true)]
async fn kinds_of_keys_are_not_mixed() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (alice, _) = somebody();
    let bob = Arc::new(samples::user("bob"));
    let by_older_id = |text| UserKey::ExternalId(samples::external_id(text));
    let kinds = [
        [UserKey::Id(alice.id), UserKey::Id(bob.id)],
        [&alice, &bob].map(|user| UserKey::Username(UsernameKey::from(&user.username))),
        [&alice, &bob].map(|user| UserKey::Email((&user.email).into())),
        [by_older_id("1"), by_older_id("2")],
    ];
    let mut askers = Vec::new();
    for key in kinds.iter().flatten() {
        askers.push(store.asker(key.clone()).await);
    }
    under_way.remove(0).answer(&[]).await;
    let mut asked = Vec::new();
    for _ in &kinds {
        let question = store.question();
        asked.push(question.keys());
        question.answer(&[alice.clone(), bob.clone()]).await;
    }
    store.is_not_asked();
    for kind in kinds {
        assert!(
            asked
                .iter()
                .any(|keys| keys.len() == 2 && kind.iter().all(|key| keys.contains(key))),
            "{kind:?} in {asked:?}"
        );
    }
    for (place, asker) in askers.into_iter().enumerate() {
        let expected = match place {
            6 | 7 => None,
            even if even % 2 == 0 => Some(alice.clone()),
            _ => Some(bob.clone()),
        };
        assert_eq!(asker.await.unwrap(), Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_500_are_asked_for_at_once() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let mut askers = Vec::new();
    for _ in 0..1_100 {
        let (reader, key) = (store.reader.clone(), id());
        askers.push(tokio::spawn(async move { reader.find(&key).await }));
    }
    settled().await;
    under_way.remove(0).answer(&[]).await;
    for expected in [500, 500, 100] {
        let question = store.question();
        assert_eq!(question.keys().len(), expected);
        store.is_not_asked();
        question.answer(&[]).await;
    }
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_gone_away_is_not_asked_for() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (_, key) = somebody();
    let gone = id();
    let leaving = [
        store.asker(gone.clone()).await,
        store.asker(key.clone()).await,
    ];
    let staying = store.asker(key.clone()).await;
    for asker in leaving {
        asker.abort();
    }
    settled().await;
    under_way.remove(0).answer(&[]).await;
    let question = store.question();
    assert_eq!(question.asked, Asked::One(key));
    question.answer(&[]).await;
    assert_eq!(staying.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_when_all_have_gone_away() {
    let mut store = store();
    let mut under_way = store.busy().await;
    for asker in [store.asker(id()).await, store.asker(id()).await] {
        asker.abort();
    }
    settled().await;
    under_way.remove(0).answer(&[]).await;
    store.is_not_asked();
    let asker = store.asker(id()).await;
    store.question().answer(&[]).await;
    assert_eq!(asker.await.unwrap(), Ok(None), "there is a turn again");
}

#[tokio::test(start_paused = true)]
async fn who_waits_longest_is_asked_for_first() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let (alice, _) = somebody();
    let mut askers = Vec::new();
    let by_name = UserKey::Username(UsernameKey::from(&alice.username));
    askers.push(store.asker(by_name.clone()).await);
    let ids: Vec<UserKey> = (0..600).map(|_| id()).collect();
    for key in &ids {
        askers.push(store.asker(key.clone()).await);
    }
    under_way.remove(0).answer(&[]).await;
    let first = store.question();
    assert_eq!(first.asked, Asked::One(by_name));
    first.answer(&[alice]).await;
    let second = store.question();
    let keys = second.keys();
    assert!(ids.iter().take(MOST).all(|key| keys.contains(key)));
    second.answer(&[]).await;
    store.question().answer(&[]).await;
    for asker in askers {
        assert!(asker.await.unwrap().is_ok());
    }
}
