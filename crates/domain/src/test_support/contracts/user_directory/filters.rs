//! Filters and counts.

use std::time::Duration;

use super::{StoreUnderTest, everybody, names, walk};
use crate::directory::{DirectoryFilter, DirectoryQuery, Sort};
use crate::test_support::samples::{
    call, context_at, email, external_id, new_user, roles, seconds,
};
use crate::user::{Change, Edit, NewUser, ProfileEdits, Status, UserEdits};
use crate::values::{EmailKey, Role};

/// Asserts that a filter lets exactly these pass, page by page and in the count.
async fn assert_passing(store: &StoreUnderTest, filter: DirectoryFilter, expected: &[&str]) {
    assert_eq!(
        store.directory.count(&filter).await,
        Ok(expected.len() as u64),
        "{filter:?}"
    );
    let walked = walk(store, &filter, Sort::Username, 2).await;
    assert_eq!(names(&walked), expected, "{filter:?}");
}

/// The filter of a query as callers word it, over everybody.
fn query(query: DirectoryQuery) -> DirectoryFilter {
    let status = Some("active,suspended,deleted".to_owned());
    DirectoryQuery { status, ..query }
        .check()
        .expect("a valid query")
        .filter
}

fn containing(text: &str) -> DirectoryFilter {
    query(DirectoryQuery {
        q: Some(text.to_owned()),
        ..DirectoryQuery::default()
    })
}

fn beginning_with(text: &str) -> DirectoryFilter {
    query(DirectoryQuery {
        username_prefix: Some(text.to_owned()),
        ..DirectoryQuery::default()
    })
}

fn named(username: &str, name: &str) -> NewUser {
    let mut new = new_user(username);
    new.rest.profile = ProfileEdits {
        name: Edit::Set(crate::test_support::samples::line(name)),
        ..ProfileEdits::default()
    };
    new
}

/// A filter by status lets those of the given statuses pass.
pub async fn a_filter_by_status_lets_exactly_those_pass(store: &StoreUnderTest) {
    for (name, changes) in [
        ("active", vec![]),
        ("suspended", vec![Change::Suspend]),
        ("deleted", vec![Change::Delete]),
        ("suspended.deleted", vec![Change::Suspend, Change::Delete]),
        ("restored", vec![Change::Delete, Change::Restore]),
    ] {
        let user = store.added(&new_user(&format!("x.{name}"))).await;
        for change in changes {
            store.changed(user.id, &change).await;
        }
    }
    let of = |statuses: &[Status]| DirectoryFilter {
        statuses: statuses.to_vec(),
        ..everybody()
    };
    assert_passing(store, of(&[Status::Active]), &["x.active", "x.restored"]).await;
    assert_passing(store, of(&[Status::Suspended]), &["x.suspended"]).await;
    assert_passing(
        store,
        of(&[Status::Deleted]),
        &["x.deleted", "x.suspended.deleted"],
    )
    .await;
    assert_passing(
        store,
        of(&[Status::Suspended, Status::Deleted]),
        &["x.deleted", "x.suspended", "x.suspended.deleted"],
    )
    .await;
    assert_passing(
        store,
        DirectoryFilter::default(),
        &["x.active", "x.restored", "x.suspended"],
    )
    .await;
}

/// A filter by role looks at whole names of roles.
pub async fn a_filter_by_role_looks_at_whole_names(store: &StoreUnderTest) {
    for (name, held) in [
        ("one", &["admin"][..]),
        ("two", &["a", "b:admin", "admin2"]),
        ("three", &["b", "admin"]),
        ("four", &[]),
    ] {
        let mut new = new_user(name);
        new.rest.roles = Some(roles(held));
        store.added(&new).await;
    }
    let holding = |role: &str| DirectoryFilter {
        role: Some(Role::parse(role).expect("a role")),
        ..everybody()
    };
    assert_passing(store, holding("admin"), &["one", "three"]).await;
    assert_passing(store, holding("a"), &["two"]).await;
    assert_passing(store, holding("a_min"), &[]).await;
    assert_passing(store, holding("nobody"), &[]).await;
}

/// A filter by role follows what becomes of the roles.
pub async fn a_filter_by_role_follows_changes(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let editors = DirectoryFilter {
        role: Some(Role::parse("editor").expect("a role")),
        ..everybody()
    };
    store
        .changed(
            user.id,
            &Change::GrantRole(Role::parse("editor").expect("a role")),
        )
        .await;
    assert_passing(store, editors.clone(), &["alice"]).await;
    let none = UserEdits {
        roles: Some(roles(&[])),
        ..UserEdits::default()
    };
    store.changed(user.id, &Change::Edit(Box::new(none))).await;
    assert_passing(store, editors, &[]).await;
}

/// The moments of a filter are its first, to the microsecond.
pub async fn a_filter_by_time_includes_its_moment(store: &StoreUnderTest) {
    let early = store
        .added_with(&new_user("early"), &context_at(seconds(10)))
        .await;
    store
        .added_with(&new_user("late"), &context_at(seconds(20)))
        .await;
    store
        .changed_with(early.id, &call("Early"), &context_at(seconds(30)))
        .await;
    let moment = Duration::from_micros(1);
    let created = |since| DirectoryFilter {
        created_since: Some(since),
        ..everybody()
    };
    let updated = |since| DirectoryFilter {
        updated_since: Some(since),
        ..everybody()
    };
    assert_passing(store, created(seconds(10)), &["early", "late"]).await;
    assert_passing(store, created(seconds(10).plus(moment)), &["late"]).await;
    assert_passing(store, created(seconds(20)), &["late"]).await;
    assert_passing(store, created(seconds(20).plus(moment)), &[]).await;
    assert_passing(store, updated(seconds(20)), &["early", "late"]).await;
    assert_passing(store, updated(seconds(20).plus(moment)), &["early"]).await;
    assert_passing(store, updated(seconds(30).plus(moment)), &[]).await;
}

/// A filter by address or older id finds its one user.
pub async fn a_filter_by_address_or_external_id_finds_its_one_user(store: &StoreUnderTest) {
    let mut new = NewUser {
        email: email("Ali_ce@Example.COM"),
        ..new_user("alice")
    };
    new.rest.external_id = Edit::Set(external_id("A_1"));
    store.added(&new).await;
    store
        .added(&NewUser {
            email: email("alixce@example.com"),
            ..new_user("bob")
        })
        .await;
    let key = |text: &str| Some(EmailKey::parse(text).expect("an address"));
    let by_email = |text| DirectoryFilter {
        email: key(text),
        ..everybody()
    };
    let by_id = |text| DirectoryFilter {
        external_id: Some(external_id(text)),
        ..everybody()
    };
    assert_passing(store, by_email("ALI_CE@example.com"), &["alice"]).await;
    assert_passing(store, by_email("ce@example.com"), &[]).await;
    assert_passing(store, by_id("A_1"), &["alice"]).await;
    assert_passing(store, by_id("a_1"), &[]).await;
    assert_passing(store, by_id("A"), &[]).await;
}

/// A prefix is one of the name's key, in any case.
pub async fn a_prefix_is_one_of_the_name_in_any_case(store: &StoreUnderTest) {
    for name in ["Alice", "alIcia", "malice", "Ångström", "Straße"] {
        store.added(&new_user(name)).await;
    }
    assert_passing(store, beginning_with("ALI"), &["Alice", "alIcia"]).await;
    assert_passing(store, beginning_with("alice"), &["Alice"]).await;
    assert_passing(store, beginning_with("alicexx"), &[]).await;
    assert_passing(store, beginning_with("a\u{30a}NG"), &["Ångström"]).await;
    assert_passing(store, beginning_with("STRAß"), &["Straße"]).await;
}

/// Wildcards of databases are ordinary characters of a prefix.
pub async fn wildcards_in_a_prefix_stand_for_themselves(store: &StoreUnderTest) {
    for name in ["a_b", "axb", "a.b", "a-b"] {
        store.added(&new_user(name)).await;
    }
    assert_passing(store, beginning_with("a_"), &["a_b"]).await;
    assert_passing(store, beginning_with("a."), &["a.b"]).await;
    for nobody in ["%", "a%", "_", "a?", "a*", "[a]", "\\", "a\\", "'", "a'--"] {
        assert_passing(store, beginning_with(nobody), &[]).await;
    }
}

/// A search looks for a part of the name one is known by or of the name one has, in any case and language.
pub async fn a_search_looks_through_usernames_and_names_without_case(store: &StoreUnderTest) {
    store.added(&named("alice", "Zoë Müller")).await;
    store.added(&named("bob.muller", "BOB")).await;
    store.added(&named("Straße", "ΑΛΈΞΑΝΔΡΟΣ")).await;
    store.added(&new_user("Яна")).await;
    assert_passing(store, containing("LIC"), &["alice"]).await;
    assert_passing(store, containing("zoë m"), &["alice"]).await;
    assert_passing(store, containing("ZOE\u{308} MÜLL"), &["alice"]).await;
    assert_passing(store, containing("mull"), &["bob.muller"]).await;
    assert_passing(store, containing("ob"), &["bob.muller"]).await;
    assert_passing(store, containing("STRASSE"), &["Straße"]).await;
    assert_passing(store, containing("αλέξανδρος"), &["Straße"]).await;
    assert_passing(store, containing("ЯН"), &["Яна"]).await;
    assert_passing(store, containing("nobody"), &[]).await;
}

/// A search does not find what stands across the end of one name and the beginning of the other.
pub async fn a_search_does_not_run_from_one_name_into_the_other(store: &StoreUnderTest) {
    store.added(&named("alice", "smith")).await;
    for text in ["alicesmith", "cesm", "ce sm", "alice smith"] {
        assert_passing(store, containing(text), &[]).await;
    }
}

/// A search looks at names as they are now.
pub async fn a_search_follows_changes(store: &StoreUnderTest) {
    let user = store.added(&named("alice", "First")).await;
    store.changed(user.id, &call("Second")).await;
    store
        .changed(user.id, &crate::test_support::samples::rename("renamed"))
        .await;
    assert_passing(store, containing("first"), &[]).await;
    assert_passing(store, containing("alice"), &[]).await;
    assert_passing(store, containing("second"), &["renamed"]).await;
}

/// Wildcards of databases are ordinary characters of a search.
pub async fn wildcards_in_a_search_stand_for_themselves(store: &StoreUnderTest) {
    store.added(&named("plain", "100 percent")).await;
    store.added(&named("wild", "100% [sure]_\\ 'x' *?")).await;
    for text in [
        "100%", "0%", "% ", "]_", "_\\", "\\ ", "'x", " *", "*?", "[s",
    ] {
        assert_passing(store, containing(text), &["wild"]).await;
    }
    for text in ["1__", "%%", "__", "1%t", "p*t", "[1]", "\\%"] {
        assert_passing(store, containing(text), &[]).await;
    }
}

/// All conditions of a filter hold at once.
pub async fn all_conditions_of_a_filter_hold_at_once(store: &StoreUnderTest) {
    for (name, role, at) in [
        ("alice", "editor", 1),
        ("alina", "reader", 2),
        ("albert", "editor", 3),
        ("bob", "editor", 4),
    ] {
        let mut new = new_user(name);
        new.rest.roles = Some(roles(&[role]));
        store.added_with(&new, &context_at(seconds(at))).await;
    }
    let filter = DirectoryFilter {
        role: Some(Role::parse("editor").expect("a role")),
        created_since: Some(seconds(2)),
        ..beginning_with("al")
    };
    assert_passing(store, filter, &["albert"]).await;
}
