use mockall::Sequence;

use super::*;
use crate::test_support::samples::call;
use crate::user::ChangeRefused;
use crate::write::UniqueField;

type Outcome = Result<Written, WriteError>;

/// Users over mocks; a read fails the test.
fn writing(writer: MockUserWriter, cache: MockUserCache) -> CachedUsers {
    CachedUsers::new(
        Arc::new(MockUserReader::new()),
        Arc::new(writer),
        Arc::new(cache),
    )
}

/// The ways to write that give a user back.
#[derive(Debug, Clone, Copy)]
enum Way {
    Add,
    Change,
}

const WAYS: [Way; 2] = [Way::Add, Way::Change];

impl Way {
    /// Expects one write of this user that comes to this.
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
                let change = call("Alice");
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
        .withf(move |asked| *asked == id)
        .times(1)
        .in_sequence(order)
        .returning(move |id| leases.of(id));
}

fn refusals() -> [WriteError; 8] {
    [
        WriteError::NotFound,
        WriteError::Taken(UniqueField::Email),
        WriteError::KeyReused,
        WriteError::Refused(ChangeRefused::NotFound),
        WriteError::Refused(ChangeRefused::PreconditionFailed),
        WriteError::Refused(ChangeRefused::Invalid(Vec::new())),
        WriteError::Store(away()),
        WriteError::Store(StoreError::Internal("a row is broken".to_owned())),
    ]
}

fn unknown_outcome() -> WriteError {
    WriteError::Store(StoreError::OutcomeUnknown(
        "the link broke at the commit".to_owned(),
    ))
}

#[tokio::test]
async fn what_a_write_made_is_put_under_a_lease_from_before_it() {
    for way in WAYS {
        let (applied, mut order) = (registered_user("alice"), Sequence::new());
        let (mut writer, mut cache, leases) = (
            MockUserWriter::new(),
            MockUserCache::new(),
            Leases::default(),
        );
        let (id, made) = (applied.user.id, applied.user.clone());
        expect_lease(&mut cache, id, &leases, &mut order);
        let outcome = Ok(Written::Applied(made.clone()));
        way.expect(&mut writer, id, outcome.clone(), &mut order);
        cache
            .expect_put()
            .withf(move |lease, user| lease.id() == id && **user == made)
            .times(1)
            .in_sequence(&mut order)
            .returning(|lease, _| assert!(lease.into_slip::<Slip>().is_some()));
        let users = writing(writer, cache);
        assert_eq!(way.write(&users, &applied).await, outcome, "{way:?}");
    }
}

#[tokio::test]
async fn a_write_that_changed_nothing_now_fills_what_it_read() {
    for way in WAYS {
        for told in [Written::Unchanged, Written::Replayed] {
            let (applied, mut order) = (registered_user("alice"), Sequence::new());
            let (mut writer, mut cache, leases) = (
                MockUserWriter::new(),
                MockUserCache::new(),
                Leases::default(),
            );
            let (id, now) = (applied.user.id, Arc::new(applied.user.clone()));
            expect_lease(&mut cache, id, &leases, &mut order);
            let outcome = Ok(told(applied.user.clone()));
            way.expect(&mut writer, id, outcome.clone(), &mut order);
            expect_fill(&mut cache, id, Some(&now));
            let users = writing(writer, cache);
            assert_eq!(way.write(&users, &applied).await, outcome, "{way:?}");
        }
    }
}

/// A repeated addition finds the user that the first made, under an id that this one did not lease.
#[tokio::test]
async fn a_repetition_that_finds_another_user_notices_it() {
    for way in WAYS {
        for told in [Written::Unchanged, Written::Replayed] {
            let (applied, mut order) = (registered_user("alice"), Sequence::new());
            let first = somebody("alice");
            let (mut writer, mut cache, leases) = (
                MockUserWriter::new(),
                MockUserCache::new(),
                Leases::default(),
            );
            expect_lease(&mut cache, applied.user.id, &leases, &mut order);
            let outcome = Ok(told((*first).clone()));
            way.expect(&mut writer, applied.user.id, outcome.clone(), &mut order);
            expect_notice(&mut cache, &first);
            let users = writing(writer, cache);
            assert_eq!(way.write(&users, &applied).await, outcome, "{way:?}");
            assert_eq!(leases.returned(), 1);
        }
    }
}

#[tokio::test]
async fn a_refused_write_touches_nothing_and_gives_its_lease_back() {
    for way in WAYS {
        for error in refusals() {
            let (applied, mut order) = (registered_user("alice"), Sequence::new());
            let (mut writer, mut cache, leases) = (
                MockUserWriter::new(),
                MockUserCache::new(),
                Leases::default(),
            );
            expect_lease(&mut cache, applied.user.id, &leases, &mut order);
            way.expect(&mut writer, applied.user.id, Err(error.clone()), &mut order);
            let users = writing(writer, cache);
            assert_eq!(way.write(&users, &applied).await, Err(error));
            assert_eq!(leases.returned(), 1);
        }
    }
}

#[tokio::test]
async fn after_a_write_of_unknown_outcome_the_user_is_forgotten() {
    for way in WAYS {
        let (applied, mut order) = (registered_user("alice"), Sequence::new());
        let (mut writer, mut cache, leases) = (
            MockUserWriter::new(),
            MockUserCache::new(),
            Leases::default(),
        );
        let id = applied.user.id;
        expect_lease(&mut cache, id, &leases, &mut order);
        way.expect(&mut writer, id, Err(unknown_outcome()), &mut order);
        cache
            .expect_forget()
            .withf(move |forgotten| *forgotten == id)
            .times(1)
            .in_sequence(&mut order)
            .return_const(());
        let users = writing(writer, cache);
        assert_eq!(way.write(&users, &applied).await, Err(unknown_outcome()));
        assert_eq!(leases.returned(), 1);
    }
}

#[tokio::test]
async fn an_erased_user_is_forgotten_and_so_is_one_that_may_have_been() {
    for outcome in [
        Ok(Erased::Applied),
        Ok(Erased::Replayed),
        Err(unknown_outcome()),
    ] {
        let (id, mut order) = (user_id(), Sequence::new());
        let (mut writer, mut cache) = (MockUserWriter::new(), MockUserCache::new());
        let told = outcome.clone();
        writer
            .expect_erase()
            .withf(move |erased, _| *erased == id)
            .times(1)
            .in_sequence(&mut order)
            .return_once(|_, _| told);
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
async fn a_refused_erasure_touches_nothing() {
    for error in refusals() {
        let mut writer = MockUserWriter::new();
        let told = error.clone();
        writer.expect_erase().return_once(|_, _| Err(told));
        let users = writing(writer, MockUserCache::new());
        assert_eq!(users.erase(user_id(), &context()).await, Err(error));
    }
}
