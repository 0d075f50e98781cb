use user_domain::directory::{DirectoryQuery, MetadataKey};

use super::*;

fn query(change: impl FnOnce(&mut DirectoryQuery)) -> CheckedQuery {
    let mut query = DirectoryQuery::default();
    change(&mut query);
    query.check().unwrap()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the type of a parameter that is present"
)]
fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn positions() -> [Position; 2] {
    let moment = Timestamp::parse("2026-11-23T00:45:12.123456Z").unwrap();
    let id = UserId::parse("0199b8f2-7c1e-7000-8000-000000000000").unwrap();
    [
        Position::Time(moment, id),
        Position::Username("ålice".to_owned()),
    ]
}

#[test]
fn a_cursor_is_valid_for_the_same_query_and_any_page_size() {
    let keys = SigningKeys::new(&[1; 32]);
    for position in positions() {
        let cursor = encode(
            &keys,
            &query(|q| q.status = names(&["deleted", "active", "deleted"])),
            &position,
        );
        let again = query(|q| {
            q.status = names(&["active", "deleted"]);
            q.limit = Some("3".to_owned());
        });
        assert_eq!(decode(&keys, &again, &cursor), Some(position));
    }
}

#[test]
fn a_cursor_of_another_filter_order_or_key_is_invalid() {
    let keys = SigningKeys::new(&[1; 32]);
    let [position, _] = positions();
    let cursor = encode(&keys, &query(|_| ()), &position);
    assert_eq!(
        decode(&keys, &query(|q| q.role = names(&["admin"])), &cursor),
        None
    );
    assert_eq!(
        decode(
            &keys,
            &query(|q| q.sort = Some("created_at".to_owned())),
            &cursor
        ),
        None
    );
    assert_eq!(
        decode(&SigningKeys::new(&[2; 32]), &query(|_| ()), &cursor),
        None
    );
}

#[test]
fn a_cursor_is_bound_to_all_parts_of_the_filter() {
    let keys = SigningKeys::new(&[1; 32]);
    let [position, _] = positions();
    let at = |text: &str| Some(text.to_owned());
    let having = |members: &[(&str, &[&str])]| {
        let member = |(key, values): &(&str, &[&str])| {
            let values = values.iter().map(|value| (*value).to_owned());
            (MetadataKey::parse(key).unwrap(), values.collect())
        };
        query(|q| q.metadata = members.iter().map(member).collect())
    };
    let queries = [
        query(|_| ()),
        query(|q| q.status = names(&["active"])),
        query(|q| q.role = names(&["a"])),
        query(|q| q.role = names(&["a", "b"])),
        query(|q| q.created_since = at("2026-01-01")),
        query(|q| q.created_until = at("2026-01-01")),
        query(|q| q.updated_since = at("2026-01-01")),
        query(|q| q.updated_until = at("2026-01-01")),
        query(|q| q.email = at("a@b.example")),
        query(|q| q.external_id = at("7")),
        query(|q| q.username_prefix = at("ab")),
        query(|q| q.q = at("ab")),
        having(&[("public.a", &["b"])]),
        having(&[("public.a", &["b", "c"])]),
        having(&[("public.a", &["b,c"])]),
        having(&[("private.a", &["b"])]),
        having(&[("public.a", &["b"]), ("public.b", &["b"])]),
    ];
    for (encoded_for, one) in queries.iter().enumerate() {
        let cursor = encode(&keys, one, &position);
        for (decoded_for, other) in queries.iter().enumerate() {
            let is_valid = decode(&keys, other, &cursor).is_some();
            assert_eq!(
                is_valid,
                encoded_for == decoded_for,
                "{encoded_for} {decoded_for}"
            );
        }
    }
}

#[test]
fn a_cursor_of_another_list_user_or_query_is_invalid() {
    let keys = SigningKeys::new(&[1; 32]);
    let [Position::Time(since, id), _] = positions() else {
        panic!("the first is a time");
    };
    let other = UserId::parse("0199b8f2-7c1e-7000-8000-000000000001").unwrap();
    let position = RelatedPosition { since, id };
    let cursor = encode_related(&keys, (id, RelatedList::Followers), &position);
    let decode_as = |user, list| decode_related(&keys, (user, list), &cursor);
    assert_eq!(decode_as(id, RelatedList::Followers), Some(position));
    assert_eq!(decode_as(id, RelatedList::Following), None);
    assert_eq!(decode_as(other, RelatedList::Followers), None);
    assert_eq!(decode(&keys, &query(|_| ()), &cursor), None);
    let users = encode(&keys, &query(|_| ()), &Position::Time(since, id));
    let list = (id, RelatedList::Followers);
    assert_eq!(decode_related(&keys, list, &users), None);
    assert_eq!(
        decode_related(&SigningKeys::new(&[2; 32]), list, &cursor),
        None
    );
}

#[test]
fn a_cursor_of_events_is_bound_to_its_user_and_kind() {
    let keys = SigningKeys::new(&[1; 32]);
    let [Position::Time(since, id), _] = positions() else {
        panic!("the first is a time");
    };
    let other = UserId::parse("0199b8f2-7c1e-7000-8000-000000000001").unwrap();
    let position = EventPosition::from_store(i64::MAX);
    let cursor = encode_events(&keys, id, position);
    assert_eq!(decode_events(&keys, id, &cursor), Some(position));
    assert_eq!(decode_events(&keys, other, &cursor), None);
    assert_eq!(
        decode_events(&SigningKeys::new(&[2; 32]), id, &cursor),
        None
    );
    let list = (id, RelatedList::Followers);
    assert_eq!(decode_related(&keys, list, &cursor), None);
    let related = encode_related(&keys, list, &RelatedPosition { since, id });
    assert_eq!(decode_events(&keys, id, &related), None);
}

#[test]
fn a_cursor_of_the_feed_is_valid_only_for_the_feed() {
    let keys = SigningKeys::new(&[1; 32]);
    let event = Uuid::from_u128(u128::MAX / 3);
    let at = EventPosition::from_store(i64::MAX);
    let position = FeedPosition::after(Uuid::from_u128(7), at, Some(event));
    let cursor = encode_feed(&keys, &position);
    assert_eq!(decode_feed(&keys, &cursor), Some(position));
    assert_eq!(decode_feed(&SigningKeys::new(&[2; 32]), &cursor), None);
    assert_eq!(decode(&keys, &query(|_| ()), &cursor), None);
    let user = UserId::from_uuid(event);
    assert_eq!(decode_events(&keys, user, &cursor), None);
    assert_eq!(decode_feed(&keys, &encode_events(&keys, user, at)), None);
}

#[test]
fn a_cursor_with_one_changed_character_is_invalid() {
    let keys = SigningKeys::new(&[1; 32]);
    let [position, _] = positions();
    let cursor = encode(&keys, &query(|_| ()), &position);
    for at in 0..cursor.len() {
        let mut other = cursor.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert_eq!(decode(&keys, &query(|_| ()), &other), None, "{other}");
    }
    for other in [
        "",
        "=",
        "é",
        "AA",
        &cursor[1..],
        &format!("{cursor}A"),
        &format!("{cursor}="),
    ] {
        assert_eq!(decode(&keys, &query(|_| ()), other), None, "{other}");
    }
}
