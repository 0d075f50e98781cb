//! Filters by metadata.

use super::{StoreUnderTest, assert_matches, users_of_any_status};
use crate::directory::{DirectoryFilter, MetadataKey, MetadataValue};
use crate::test_support::samples::{merge_public, metadata, new_user};
use crate::user::{MetadataEdit, MetadataEdits, NewUser, Status};

/// A filter by values of one metadata key, for every status.
fn having(key: &str, values: &[&str]) -> DirectoryFilter {
    let value = |text: &&str| MetadataValue::parse(text).expect("a value");
    let key = MetadataKey::parse(key).expect("a key");
    DirectoryFilter {
        metadata: [(key, values.iter().map(value).collect())].into(),
        ..users_of_any_status()
    }
}

fn with_metadata(username: &str, public: &str, private: &str) -> NewUser {
    let mut new = new_user(username);
    new.rest.metadata = MetadataEdits {
        public: MetadataEdit::Set(metadata(public)),
        private: MetadataEdit::Set(metadata(private)),
        ..MetadataEdits::default()
    };
    new
}

/// A metadata filter compares a string by its text and any other value by its compact JSON, digit for digit.
/// `null` matches nothing. Several values of one key are alternatives. Conditions on several keys must all hold.
pub async fn a_metadata_filter_compares_strings_by_text_and_others_by_json(store: &StoreUnderTest) {
    for (name, public, private) in [
        ("text", r#"{"a":"1.10"}"#, r#"{"a":"x"}"#),
        ("number", r#"{"a":1.10}"#, "{}"),
        ("other.number", r#"{"a":1.1,"b":null}"#, "{}"),
        ("exponent", r#"{"a":1e3}"#, "{}"),
        ("large", r#"{"a":12345678901234567000}"#, "{}"),
        ("truth", r#"{"a":true}"#, "{}"),
        ("quoted", r#"{"a":"\"tr'ue\\"}"#, "{}"),
        ("nothing", r#"{"a":null}"#, "{}"),
        ("empty", r#"{"a":""}"#, r#"{"a":"x","b":"ü"}"#),
        ("list", r#"{"a":[1.0,"b",{"c":null}]}"#, "{}"),
        ("without", "{}", "{}"),
        ("inside", r#"{"x":{"a":"1.10"}}"#, "{}"),
    ] {
        store.added(&with_metadata(name, public, private)).await;
    }
    for (value, expected) in [
        ("1.10", &["number", "text"][..]),
        ("1.1", &["other.number"]),
        ("1e+3", &["exponent"]),
        ("1000", &[]),
        ("12345678901234567000", &["large"]),
        ("true", &["truth"]),
        ("True", &[]),
        ("\"true\"", &[]),
        ("\"tr'ue\\", &["quoted"]),
        ("null", &[]),
        ("", &["empty"]),
        (r#"[1.0,"b",{"c":null}]"#, &["list"]),
        ("%", &[]),
    ] {
        assert_matches(store, having("public.a", &[value]), expected).await;
    }
    let alternatives = having("public.a", &["true", "", "nobody"]);
    assert_matches(store, alternatives, &["empty", "truth"]).await;
    assert_matches(store, having("private.a", &["x"]), &["empty", "text"]).await;
    assert_matches(store, having("private.b", &["ü"]), &["empty"]).await;
    let mut both = having("public.a", &["1.10", ""]);
    both.metadata.extend(having("private.a", &["x"]).metadata);
    assert_matches(store, both.clone(), &["empty", "text"]).await;
    both.username_prefix = crate::values::UsernamePrefix::parse("te").ok();
    assert_matches(store, both, &["text"]).await;
}

/// A key is a literal member name, even if it has a meaning in SQL or in JSON paths.
pub async fn a_metadata_filter_takes_keys_literally(store: &StoreUnderTest) {
    let names = [
        "a'b", "a''b", "$1", "?", "$.a", "[0]", "0", "-1", "a.b", "a b", "größe", "*", "--", "%",
        "${a}",
    ];
    for (number, name) in names.iter().enumerate() {
        let public = format!("{{\"{name}\":\"{number}\"}}");
        let user = with_metadata(&format!("user.{number:02}"), &public, "{}");
        store.added(&user).await;
    }
    for (number, name) in names.iter().enumerate() {
        let key = format!("public.{name}");
        let expected = format!("user.{number:02}");
        assert_matches(store, having(&key, &[&number.to_string()]), &[&expected]).await;
    }
}

/// A metadata filter sees the current values. A value longer than the longest filter value is stored and never matches.
pub async fn a_metadata_filter_sees_changes_and_values_of_any_length(store: &StoreUnderTest) {
    let longest = "ü".repeat(MetadataValue::MAX_CHARS);
    let user = store
        .added(&with_metadata("alice", r#"{"a":"1"}"#, "{}"))
        .await;
    let edit = |value: &str| merge_public(&format!("{{\"a\":\"{value}\"}}"));
    store.changed(user.id, &edit(&longest)).await;
    assert_matches(store, having("public.a", &["1"]), &[]).await;
    assert_matches(store, having("public.a", &[&longest]), &["alice"]).await;
    for longer in [format!("{longest}x"), "ü".repeat(8000)] {
        store.changed(user.id, &edit(&longer)).await;
        assert_matches(store, having("public.a", &[&longest]), &[]).await;
    }
    store.changed(user.id, &edit("1")).await;
    let mut filter = having("public.a", &["1"]);
    assert_matches(store, filter.clone(), &["alice"]).await;
    filter.statuses = [Status::Deleted].into();
    assert_matches(store, filter, &[]).await;
}
