use mockall::Sequence;

use super::*;
use crate::test_support::samples::set_name;
use crate::user::ChangeRefused;
use crate::write::UniqueField;

type Outcome = Result<Written, WriteError>;

/// Returns a writer with mocks; a read fails the test.
fn writing(writer: MockUserWriter, cache: MockUserCache) -> CachedUsers {
    CachedUsers::new(
        Arc::new(MockUserReader::new()),
        Arc::new(writer),
        Arc::new(cache),
    )
}

/// A method of the port that writes and returns a user.
#[derive(Debug, Clone, Copy)]
enum WriteMethod {
    Add,
    Change,
}

const WRITE_METHODS: [WriteMethod; 2] = [WriteMethod::Add, WriteMethod::Change];

impl WriteMethod {
    /// Expects one call of this method for a user.
    fn expect(
        self,
        writer: &mut MockUserWriter,
        id: UserId,
        outcome: Outcome,
        order: &mut Sequence,
    ) {
        match self {
            Self::Add => {
                writer
                    .expect_add()
                    .withf(move |added, _| added.user.id == id)
                    .times(1)
                    .in_sequence(order)
                    .return_once(|_, _| outcome);
            }
            Self::Change => {
                writer
                    .expect_change()
                    .withf(move |changed, _, _| *changed == id)
                    .times(1)
                    .in_sequence(order)
                    .return_once(|_, _, _| outcome);
            }
        }
    }

    async fn write(self, users: &CachedUsers, applied: &Applied) -> Outcome {
        match self {
            Self::Add => users.add(applied, &context()).await,
            Self::Change => {
                let change = set_name("Alice");
                users.change(applied.user.id, &change, &context()).await
            }
        }
    }
}

fn registered_user(name: &str) -> Applied {
    registered(&new_user(name), &context())
}

/// Expects that a lease is taken before anything else.
fn expect_lease(cache: &mut MockUserCache, id: UserId, leases: &Leases, order: &mut Sequence) {
    let leases = leases.clone();
    cache
        .expect_lease()
        .withf(move |requested| *requested == id)
        .times(1)
        .in_sequence(order)
        .returning(move |id| leases.of(id));
}

fn refusals() -> [WriteError; 8] {
    [
        WriteError::NotFound,
        WriteError::Taken(UniqueField::Email.into()),
        WriteError::KeyReused,
        WriteError::Refused(ChangeRefused::NotFound),
        WriteError::Refused(ChangeRefused::PreconditionFailed),
        WriteError::Refused(ChangeRefused::Invalid(Vec::new())),
        WriteError::Store(unavailable()),
        WriteError::Store(StoreError::Internal("a row is broken".to_owned())),
    ]
}

fn unknown_outcome() -> WriteError {
    WriteError::Store(StoreError::OutcomeUnknown(
        "the connection was lost at the commit".to_owned(),
    ))
}

#[tokio::test]
async fn a_written_user_is_cached_under_a_lease_from_before_the_write() {
    for method in WRITE_METHODS {
        let (applied, mut order) = (registered_user("alice"), Sequence::new());
        let (mut writer, mut cache, leases) = (
            MockUserWriter::new(),
            MockUserCache::new(),
            Leases::default(),
        );
        let (id, made) = (applied.user.id, applied.user.clone());
        expect_lease(&mut cache, id, &leases, &mut order);
        let outcome = Ok(Written::Applied(made.clone()));
        method.expect(&mut writer, id, outcome.clone(), &mut order);
        cache
            .expect_put()
            .withf(move |lease, user| lease.id() == id && **user == made)
            .times(1)
            .in_sequence(&mut order)
            .returning(|lease, _| assert!(lease.into_token::<Token>().is_some()));
        let users = writing(writer, cache);
        assert_eq!(method.write(&users, &applied).await, outcome, "{method:?}");
    }
}

#[tokio::test]
async fn a_write_without_effect_caches_the_user_that_it_read() {
    for method in WRITE_METHODS {
        for result in [Written::Unchanged, Written::Replayed] {
            let (applied, mut order) = (registered_user("alice"), Sequence::new());
            let (mut writer, mut cache, leases) = (
                MockUserWriter::new(),
                MockUserCache::new(),
                Leases::default(),
            );
            let (id, now) = (applied.user.id, Arc::new(applied.user.clone()));
            expect_lease(&mut cache, id, &leases, &mut order);
            let outcome = Ok(result(applied.user.clone()));
            method.expect(&mut writer, id, outcome.clone(), &mut order);
            expect_fill(&mut cache, id, Some(&now));
            let users = writing(writer, cache);
            assert_eq!(method.write(&users, &applied).await, outcome, "{method:?}");
        }
    }
}

/// A repeated creation finds the user of the first one, which has another id than the lease.
#[tokio::test]
async fn a_repetition_that_finds_another_user_passes_it_to_the_cache() {
    for method in WRITE_METHODS {
        for result in [Written::Unchanged, Written::Replayed] {
            let (applied, mut order) = (registered_user("alice"), Sequence::new());
            let first = sample_user("alice");
            let (mut writer, mut cache, leases) = (
                MockUserWriter::new(),
                MockUserCache::new(),
                Leases::default(),
            );
            expect_lease(&mut cache, applied.user.id, &leases, &mut order);
            let outcome = Ok(result((*first).clone()));
            method.expect(&mut writer, applied.user.id, outcome.clone(), &mut order);
            expect_observe(&mut cache, &first);
            let users = writing(writer, cache);
            assert_eq!(method.write(&users, &applied).await, outcome, "{method:?}");
            assert_eq!(leases.returned(), 1);
        }
    }
}

#[tokio::test]
async fn a_refused_write_changes_nothing_and_returns_its_lease() {
    for method in WRITE_METHODS {
        for error in refusals() {
            let (applied, mut order) = (registered_user("alice"), Sequence::new());
            let (mut writer, mut cache, leases) = (
                MockUserWriter::new(),
                MockUserCache::new(),
                Leases::default(),
            );
            expect_lease(&mut cache, applied.user.id, &leases, &mut order);
            method.expect(&mut writer, applied.user.id, Err(error.clone()), &mut order);
            let users = writing(writer, cache);
            assert_eq!(method.write(&users, &applied).await, Err(error));
            assert_eq!(leases.returned(), 1);
        }
    }
}

#[tokio::test]
async fn a_write_with_an_unknown_outcome_invalidates_the_user() {
    for method in WRITE_METHODS {
        let (applied, mut order) = (registered_user("alice"), Sequence::new());
        let (mut writer, mut cache, leases) = (
            MockUserWriter::new(),
            MockUserCache::new(),
            Leases::default(),
        );
        let id = applied.user.id;
        expect_lease(&mut cache, id, &leases, &mut order);
        method.expect(&mut writer, id, Err(unknown_outcome()), &mut order);
        cache
            .expect_forget()
            .withf(move |forgotten| *forgotten == id)
            .times(1)
            .in_sequence(&mut order)
            .return_const(());
        let users = writing(writer, cache);
        assert_eq!(method.write(&users, &applied).await, Err(unknown_outcome()));
        assert_eq!(leases.returned(), 1);
    }
}

#[tokio::test]
async fn a_certain_or_possible_erasure_invalidates_the_user() {
    for outcome in [
        Ok(Erased::Applied),
        Ok(Erased::Replayed),
        Err(unknown_outcome()),
    ] {
        let (id, mut order) = (user_id(), Sequence::new());
        let (mut writer, mut cache) = (MockUserWriter::new(), MockUserCache::new());
        let result = outcome.clone();
        writer
            .expect_erase()
            .withf(move |erased, _| *erased == id)
            .times(1)
            .in_sequence(&mut order)
            .return_once(|_, _| result);
        cache
            .expect_forget()
            .withf(move |forgotten| *forgotten == id)
            .times(1)
            .in_sequence(&mut order)
            .return_const(());
        let users = writing(writer, cache);
        assert_eq!(users.erase(id, &context()).await, outcome);
    }
}

#[tokio::test]
async fn a_refused_erasure_does_not_change_the_cache() {
    for error in refusals() {
        let mut writer = MockUserWriter::new();
        let result = error.clone();
        writer.expect_erase().return_once(|_, _| Err(result));
        let users = writing(writer, MockUserCache::new());
        assert_eq!(users.erase(user_id(), &context()).await, Err(error));
    }
}
