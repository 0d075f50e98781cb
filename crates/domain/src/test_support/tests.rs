//! The fakes keep the contracts.

use std::collections::BTreeSet;
use std::fs;
use std::future::ready;
use std::path::Path;
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

/// Walks the sources, so that a promise in a new file counts too.
fn promises_of(folder: &Path) -> BTreeSet<String> {
    let mut promises = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            promises.extend(promises_of(&path));
        } else {
            let source = fs::read_to_string(&path).unwrap();
            let names = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "));
            promises
                .extend(names.map(|name| name.split('(').next().unwrap_or_default().to_owned()));
        }
    }
    promises
}

#[test]
fn every_promise_is_tried_by_the_macro() {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/test_support/contracts");
    let tried = fs::read_to_string(contracts.join("macros.rs")).unwrap();
    let tried: BTreeSet<&str> = tried.lines().map(str::trim).collect();
    let promises = promises_of(&contracts);
    assert!(promises.len() > 220);
    for promise in &promises {
        assert!(
            tried.contains(promise.as_str()),
            "{promise} is in none of the macros"
        );
    }
}

#[test]
fn ids_have_the_form_of_uuid_v7_and_grow() {
    let ids = SequentialIds::new();
    let made: Vec<Uuid> = (0..5).map(|_| ids.event_id()).collect();
    assert!(
        made.iter()
            .all(|id| id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122)
    );
    assert!(made.is_sorted() && made.first() != made.last());
}

#[test]
fn a_stepping_clock_never_tells_the_same_time_twice() {
    let clock = SteppingClock::from(samples::start());
    assert_eq!(clock.now(), samples::start());
    assert_eq!(clock.now(), samples::seconds(1));
    clock.advance(Duration::from_secs(10));
    assert_eq!(clock.now(), samples::seconds(12));
}

#[test]
fn a_fixed_clock_tells_the_same_time_until_it_is_set() {
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

/// Not among the promises that every store is tried for: ten thousand writes take a database long.
#[tokio::test]
async fn more_changes_than_one_answer_holds_are_told_as_incomplete() {
    let store = FakeStore::default();
    let alice = samples::registered(&samples::new_user("alice"), &samples::context());
    let start = store.position().await.unwrap();
    store.put(&alice);
    let change = async |number: usize| {
        let (change, context) = (samples::call(&number.to_string()), samples::context());
        let changed = store.change(alice.user.id, &change, &context).await;
        changed.unwrap();
    };
    for number in 1..Changes::MOST {
        change(number).await;
    }
    let all = store.since(&start).await.unwrap();
    assert_eq!((all.changed.len(), all.complete), (Changes::MOST, true));
    change(Changes::MOST).await;
    let most = store.since(&start).await.unwrap();
    assert!(most.changed.len() <= Changes::MOST && !most.complete);
    let rest = store.since(&most.position).await.unwrap();
    assert_eq!((rest.changed.len(), rest.complete), (0, true));
}
