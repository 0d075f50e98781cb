//! The fakes pass the contract suites.

use std::future::ready;
use std::time::Duration;

use uuid::{Uuid, Variant};

use super::contracts::{
    CacheUnderTest, CredentialsUnderTest, ImportUnderTest, RelationshipsUnderTest, StoreUnderTest,
};
use super::fakes::{FakeStore, FixedClock, SequentialIds, SteppingClock};
use super::samples;
use crate::ports::{ChangeLog as _, Changes, Clock as _, IdGenerator as _, UserWriter as _};

crate::store_contract!(ready(StoreUnderTest::default()));
crate::import_contract!(ready(ImportUnderTest::default()));
crate::credentials_contract!(ready(CredentialsUnderTest::default()));
crate::relationships_contract!(ready(RelationshipsUnderTest::default()));
crate::cache_contract!(ready(CacheUnderTest::default()));

#[test]
fn every_contract_module_belongs_to_a_suite() {
    let declarations = include_str!("contracts.rs").lines();
    let modules = declarations.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let suites = include_str!("contracts/macros.rs").split_whitespace();
    for module in modules {
        assert!(
            suites.clone().any(|word| word == module),
            "add {module} to a suite in contracts/macros.rs"
        );
    }
}

#[test]
fn sequential_ids_are_increasing_uuid_v7() {
    let ids = SequentialIds::new();
    let made: Vec<Uuid> = (0..5).map(|_| ids.event_id()).collect();
    assert!(
        made.iter()
            .all(|id| id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122)
    );
    assert!(made.is_sorted() && made.first() != made.last());
}

#[test]
fn a_stepping_clock_never_returns_the_same_time_twice() {
    let clock = SteppingClock::from(samples::start());
    assert_eq!(clock.now(), samples::start());
    assert_eq!(clock.now(), samples::seconds(1));
    clock.advance(Duration::from_secs(10));
    assert_eq!(clock.now(), samples::seconds(12));
}

#[test]
fn a_fixed_clock_returns_the_same_time_until_it_is_set() {
    let clock = FixedClock::from(samples::start());
    assert_eq!(
        (clock.now(), clock.now()),
        (samples::start(), samples::start())
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(clock.now(), samples::seconds(1));
    clock.set(samples::start());
    assert_eq!(clock.now(), samples::start());
}

/// Not a contract test, because ten thousand writes take too long on a database.
#[tokio::test]
async fn more_changes_than_one_result_holds_are_reported_as_incomplete() {
    let store = FakeStore::default();
    let alice = samples::registered(&samples::new_user("alice"), &samples::context());
    let start = store.position().await.unwrap();
    store.put(&alice);
    let change = async |number: usize| {
        let (change, context) = (samples::set_name(&number.to_string()), samples::context());
        let changed = store.change(alice.user.id, &change, &context).await;
        changed.unwrap();
    };
    for number in 1..Changes::MAX_CHANGES {
        change(number).await;
    }
    let all = store.since(&start).await.unwrap();
    assert_eq!(
        (all.changed.len(), all.complete),
        (Changes::MAX_CHANGES, true)
    );
    change(Changes::MAX_CHANGES).await;
    let most = store.since(&start).await.unwrap();
    assert!(most.changed.len() <= Changes::MAX_CHANGES && !most.complete);
    let rest = store.since(&most.position).await.unwrap();
    assert_eq!((rest.changed.len(), rest.complete), (0, true));
}
