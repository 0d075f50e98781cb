//! The fakes pass the contract suites.

use std::collections::{BTreeMap, BTreeSet};
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

/// Returns the public async functions of a contract module: of its own file and of the files in its folder.
fn contract_functions(contracts: &Path, module: &str) -> BTreeSet<String> {
    let mut files = vec![contracts.join(format!("{module}.rs"))];
    if let Ok(folder) = fs::read_dir(contracts.join(module)) {
        files.extend(folder.map(|entry| entry.unwrap().path()));
    }
    let mut functions = BTreeSet::new();
    for file in files {
        let source = fs::read_to_string(file).unwrap();
        let declarations = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "));
        functions.extend(declarations.filter_map(|line| Some(line.split_once('(')?.0.to_owned())));
    }
    functions
}

/// Returns the names that the macros list for each contract module.
fn listed_names(macros: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut lists: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut current = None;
    for line in macros.lines().map(str::trim) {
        if let Some(start) = line.strip_prefix("$crate::store_contract! { @module ") {
            let (module, _) = start.split_once(',').unwrap();
            current = Some(module);
        } else if line == "}" {
            current = None;
        } else if let Some(module) = current {
            lists.entry(module).or_default().insert(line);
        }
    }
    lists
}

#[test]
fn macros_list_every_contract_function() {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/test_support/contracts");
    let macros = fs::read_to_string(contracts.join("macros.rs")).unwrap();
    let lists = listed_names(&macros);
    let source = fs::read_to_string(contracts.with_extension("rs")).unwrap();
    let modules = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules {
        let functions = contract_functions(&contracts, module);
        let listed = lists.get(module).cloned().unwrap_or_default();
        let missing: Vec<&String> = functions
            .iter()
            .filter(|name| !listed.contains(name.as_str()))
            .collect();
        assert!(
            missing.is_empty(),
            "add these names to the list of {module} in contracts/macros.rs: {missing:#?}"
        );
    }
    let count: usize = lists.values().map(BTreeSet::len).sum();
    assert!(count > 220, "only {count} contract functions were found");
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
