//! The fakes keep the contracts.

use std::collections::BTreeSet;
use std::fs;
use std::future::ready;
use std::path::Path;
use std::time::Duration;

use uuid::{Uuid, Variant};

use super::contracts::StoreUnderTest;
use super::fakes::{FixedClock, SequentialIds, SteppingClock};
use super::samples;
use crate::ports::{Clock as _, IdGenerator as _};

crate::store_contract!(ready(StoreUnderTest::default()));

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
    assert!(promises.len() > 100);
    for promise in &promises {
        assert!(
            tried.contains(promise.as_str()),
            "{promise} is not in store_contract!"
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
