//! Filters and counts.

use std::time::Duration;

use super::{StoreUnderTest, assert_matches, users_of_any_status};
use crate::directory::{DirectoryFilter, DirectoryQuery};
use crate::test_support::samples::{
    context_at, email, external_id, new_user, roles, seconds, set_name,
};
use crate::user::{Change, Edit, NewUser, ProfileEdits, Status, UserEdits};
use crate::values::{EmailKey, Role};

/// The filter of a caller's query, extended to every status.
fn query(query: DirectoryQuery) -> DirectoryFilter {
    let status = Some(Status::ALL.map(|status| status.as_str().to_owned()).into());
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

/// A status filter matches users with one of the given statuses.
pub async fn a_status_filter_matches_exactly_those_statuses(store: &StoreUnderTest) {
    for (name, changes) in [
        ("active", vec![]),
        ("suspended", vec![Change::suspend()]),
        ("deleted", vec![Change::Delete]),
        ("suspended.deleted", vec![Change::suspend(), Change::Delete]),
        ("restored", vec![Change::Delete, Change::Restore]),
    ] {
        let user = store.added(&new_user(&format!("x.{name}"))).await;
        for change in changes {
            store.changed(user.id, &change).await;
        }
    }
    let of = |statuses: &[Status]| DirectoryFilter {
        statuses: statuses.iter().copied().collect(),
        ..users_of_any_status()
    };
    assert_matches(store, of(&[Status::Active]), &["x.active", "x.restored"]).await;
    assert_matches(store, of(&[Status::Suspended]), &["x.suspended"]).await;
    assert_matches(
        store,
        of(&[Status::Deleted]),
        &["x.deleted", "x.suspended.deleted"],
    )
    .await;
    assert_matches(
        store,
        of(&[Status::Suspended, Status::Deleted]),
        &["x.deleted", "x.suspended", "x.suspended.deleted"],
    )
    .await;
    assert_matches(
        store,
        DirectoryFilter::default(),
        &["x.active", "x.restored", "x.suspended"],
    )
    .await;
}

/// A role filter compares whole role names and matches users with any of the roles.
pub async fn a_role_filter_matches_whole_role_names(store: &StoreUnderTest) {
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
        roles: [Role::parse(role).expect("a role")].into(),
        ..users_of_any_status()
    };
    assert_matches(store, holding("admin"), &["one", "three"]).await;
    assert_matches(store, holding("a"), &["two"]).await;
    assert_matches(store, holding("a_min"), &[]).await;
    assert_matches(store, holding("nobody"), &[]).await;
    let any_of = |roles: &[&str]| DirectoryFilter {
        roles: roles
            .iter()
            .map(|role| Role::parse(role).expect("a role"))
            .collect(),
        ..users_of_any_status()
    };
    assert_matches(
        store,
        any_of(&["a", "admin", "nobody"]),
        &["one", "three", "two"],
    )
    .await;
    assert_matches(store, any_of(&["nobody", "else"]), &[]).await;
}

/// A role filter sees granted and removed roles.
pub async fn a_role_filter_sees_changes(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let editors = DirectoryFilter {
        roles: [Role::parse("editor").expect("a role")].into(),
        ..users_of_any_status()
    };
    store
        .changed(
            user.id,
            &Change::GrantRole(Role::parse("editor").expect("a role")),
        )
        .await;
    assert_matches(store, editors.clone(), &["alice"]).await;
    let none = UserEdits {
        roles: Some(roles(&[])),
        ..UserEdits::default()
    };
    store.changed(user.id, &Change::Edit(Box::new(none))).await;
    assert_matches(store, editors, &[]).await;
}

/// A time range includes its start and excludes its end, with microsecond precision.
pub async fn a_time_filter_includes_its_start_and_excludes_its_end(store: &StoreUnderTest) {
    let early = store
        .added_with(&new_user("early"), &context_at(seconds(10)))
        .await;
    store
        .added_with(&new_user("late"), &context_at(seconds(20)))
        .await;
    store
        .changed_with(early.id, &set_name("Early"), &context_at(seconds(30)))
        .await;
    let microsecond = Duration::from_micros(1);
    let created = |since| DirectoryFilter {
        created_since: Some(since),
        ..users_of_any_status()
    };
    let updated = |since| DirectoryFilter {
        updated_since: Some(since),
        ..users_of_any_status()
    };
    assert_matches(store, created(seconds(10)), &["early", "late"]).await;
    assert_matches(store, created(seconds(10).plus(microsecond)), &["late"]).await;
    assert_matches(store, created(seconds(20)), &["late"]).await;
    assert_matches(store, created(seconds(20).plus(microsecond)), &[]).await;
    assert_matches(store, updated(seconds(20)), &["early", "late"]).await;
    assert_matches(store, updated(seconds(20).plus(microsecond)), &["early"]).await;
    assert_matches(store, updated(seconds(30).plus(microsecond)), &[]).await;
    let created_before = |until| DirectoryFilter {
        created_until: Some(until),
        ..users_of_any_status()
    };
    let updated_before = |until| DirectoryFilter {
        updated_until: Some(until),
        ..users_of_any_status()
    };
    assert_matches(store, created_before(seconds(20)), &["early"]).await;
    assert_matches(
        store,
        created_before(seconds(20).plus(microsecond)),
        &["early", "late"],
    )
    .await;
    assert_matches(store, created_before(seconds(10)), &[]).await;
    assert_matches(store, updated_before(seconds(30)), &["late"]).await;
    assert_matches(
        store,
        updated_before(seconds(30).plus(microsecond)),
        &["early", "late"],
    )
    .await;
    let between = DirectoryFilter {
        created_since: Some(seconds(10)),
        ..created_before(seconds(20))
    };
    assert_matches(store, between, &["early"]).await;
}

/// A filter by email address or external id compares whole values.
pub async fn a_filter_by_email_or_external_id_finds_one_user(store: &StoreUnderTest) {
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
        ..users_of_any_status()
    };
    let by_id = |text| DirectoryFilter {
        external_id: Some(external_id(text)),
        ..users_of_any_status()
    };
    assert_matches(store, by_email("ALI_CE@example.com"), &["alice"]).await;
    assert_matches(store, by_email("ce@example.com"), &[]).await;
    assert_matches(store, by_id("A_1"), &["alice"]).await;
    assert_matches(store, by_id("a_1"), &[]).await;
    assert_matches(store, by_id("A"), &[]).await;
}

/// A username prefix is compared with the username key, independent of case.
pub async fn a_username_prefix_matches_in_any_case(store: &StoreUnderTest) {
    for name in ["Alice", "alIcia", "malice", "Ångström", "Straße"] {
        store.added(&new_user(name)).await;
    }
    assert_matches(store, beginning_with("ALI"), &["Alice", "alIcia"]).await;
    assert_matches(store, beginning_with("alice"), &["Alice"]).await;
    assert_matches(store, beginning_with("alicexx"), &[]).await;
    assert_matches(store, beginning_with("a\u{30a}NG"), &["Ångström"]).await;
    assert_matches(store, beginning_with("STRAß"), &["Straße"]).await;
}

/// A prefix that ends with a sigma matches names that end there (final sigma) and names that continue.
pub async fn a_prefix_ending_in_sigma_matches_inner_and_final_sigmas(store: &StoreUnderTest) {
    for name in ["ΟΔΟΣ", "ΟΔΟΣΤΡΩΤΗΡΑΣ", "ΟΔΟΤ", "οδος.α", "ＡＬＩＣＥ"]
    {
        store.added(&new_user(name)).await;
    }
    let roads = ["ΟΔΟΣ", "οδος.α", "ΟΔΟΣΤΡΩΤΗΡΑΣ"];
    for prefix in ["ΟΔΟΣ", "οδος", "οδοσ"] {
        assert_matches(store, beginning_with(prefix), &roads).await;
    }
    assert_matches(store, beginning_with("ΟΔΟΣ."), &["οδος.α"]).await;
    assert_matches(store, beginning_with("ＡＬＩ"), &["ALICE"]).await;
}

/// Database wildcards are ordinary characters in a prefix.
pub async fn wildcards_in_a_prefix_are_literal(store: &StoreUnderTest) {
    for name in ["a_b", "axb", "a.b", "a-b"] {
        store.added(&new_user(name)).await;
    }
    assert_matches(store, beginning_with("a_"), &["a_b"]).await;
    assert_matches(store, beginning_with("a."), &["a.b"]).await;
    for prefix in ["%", "a%", "_", "a?", "a*", "[a]", "\\", "a\\", "'", "a'--"] {
        assert_matches(store, beginning_with(prefix), &[]).await;
    }
}

/// A search matches a part of the username or of the name, independent of case and script.
pub async fn a_search_covers_usernames_and_names_in_any_case(store: &StoreUnderTest) {
    store.added(&named("alice", "Zoë Müller")).await;
    store.added(&named("bob.muller", "BOB")).await;
    store.added(&named("Straße", "ΑΛΈΞΑΝΔΡΟΣ")).await;
    store.added(&new_user("Яна")).await;
    assert_matches(store, containing("LIC"), &["alice"]).await;
    assert_matches(store, containing("zoë m"), &["alice"]).await;
    assert_matches(store, containing("ZOE\u{308} MÜLL"), &["alice"]).await;
    assert_matches(store, containing("mull"), &["bob.muller"]).await;
    assert_matches(store, containing("ob"), &["bob.muller"]).await;
    assert_matches(store, containing("STRASSE"), &["Straße"]).await;
    assert_matches(store, containing("αλέξανδρος"), &["Straße"]).await;
    assert_matches(store, containing("ЯН"), &["Яна"]).await;
    assert_matches(store, containing("nobody"), &[]).await;
}

/// A search finds full-width and half-width characters as typed, and in usernames also by their usual form.
/// A single character is enough for scripts whose characters are words.
pub async fn a_search_finds_wide_characters_and_single_ideographs(store: &StoreUnderTest) {
    store.added(&named("ＡＮＮＡ", "Ｂｏｂ")).await;
    store.added(&named("ヤマダ", "山田")).await;
    assert_matches(store, containing("ＮＮ"), &["ANNA"]).await;
    assert_matches(store, containing("ｂＯ"), &["ANNA"]).await;
    assert_matches(store, containing("bo"), &[]).await;
    assert_matches(store, containing("ﾏﾀﾞ"), &["ヤマダ"]).await;
    assert_matches(store, containing("山"), &["ヤマダ"]).await;
    assert_matches(store, containing("マ"), &["ヤマダ"]).await;
    assert_matches(store, containing("川"), &[]).await;
}

/// A search text does not match across the boundary of username and name.
pub async fn a_search_does_not_span_username_and_name(store: &StoreUnderTest) {
    store.added(&named("alice", "smith")).await;
    for text in ["alicesmith", "cesm", "ce sm", "alice smith"] {
        assert_matches(store, containing(text), &[]).await;
    }
}

/// A search sees the current names only.
pub async fn a_search_sees_changes(store: &StoreUnderTest) {
    let user = store.added(&named("alice", "First")).await;
    store.changed(user.id, &set_name("Second")).await;
    store
        .changed(user.id, &crate::test_support::samples::rename("renamed"))
        .await;
    assert_matches(store, containing("first"), &[]).await;
    assert_matches(store, containing("alice"), &[]).await;
    assert_matches(store, containing("second"), &["renamed"]).await;
}

/// Database wildcards are ordinary characters in a search.
pub async fn wildcards_in_a_search_are_literal(store: &StoreUnderTest) {
    store.added(&named("plain", "100 percent")).await;
    store.added(&named("wild", "100% [sure]_\\ 'x' *?")).await;
    for text in [
        "100%", "0%", "% ", "]_", "_\\", "\\ ", "'x", " *", "*?", "[s",
    ] {
        assert_matches(store, containing(text), &["wild"]).await;
    }
    for text in ["1__", "%%", "__", "1%t", "p*t", "[1]", "\\%"] {
        assert_matches(store, containing(text), &[]).await;
    }
}

/// A user matches only if all conditions of the filter hold.
pub async fn filter_conditions_are_combined_with_and(store: &StoreUnderTest) {
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
        roles: [Role::parse("editor").expect("a role")].into(),
        created_since: Some(seconds(2)),
        ..beginning_with("al")
    };
    assert_matches(store, filter, &["albert"]).await;
}
