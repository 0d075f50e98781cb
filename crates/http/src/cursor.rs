//! Cursors: signed positions in a list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use user_domain::directory::{CheckedQuery, DirectoryFilter, MetadataValue, Position};
use user_domain::ports::EventPosition;
use user_domain::relationship::{RelatedList, RelatedPosition};
use user_domain::values::{Role, Timestamp, UserId};
use uuid::Uuid;

use crate::signing::{SigningKeys, TAG_LENGTH};

const FORMAT_VERSION: u8 = 1;
const KIND_TIME: u8 = b't';
const KIND_USERNAME: u8 = b'u';
const KIND_RELATION: u8 = b'r';
const KIND_EVENT: u8 = b'e';

/// Encodes a position as an opaque, signed text.
///
/// It is bound to the filter and the order of its query, but not to the page size.
pub(crate) fn encode(keys: &SigningKeys, query: &CheckedQuery, position: &Position) -> String {
    let mut bytes = vec![FORMAT_VERSION];
    match position {
        Position::Time(moment, id) => {
            bytes.push(KIND_TIME);
            push_position(&mut bytes, *moment, *id);
        }
        Position::Username(key) => {
            bytes.push(KIND_USERNAME);
            bytes.extend(key.as_bytes());
        }
    }
    sign(keys, bytes, &bound_query(query))
}

/// Encodes a position in a list of related users. It is bound to the list and to the user.
pub(crate) fn encode_related(
    keys: &SigningKeys,
    (user, list): (UserId, RelatedList),
    position: &RelatedPosition,
) -> String {
    let mut bytes = vec![FORMAT_VERSION, KIND_RELATION];
    push_position(&mut bytes, position.since, position.id);
    sign(keys, bytes, &bound_list(user, list))
}

/// Encodes a position in the events about a user. It is bound to the user.
pub(crate) fn encode_events(keys: &SigningKeys, user: UserId, position: EventPosition) -> String {
    let mut bytes = vec![FORMAT_VERSION, KIND_EVENT];
    bytes.extend(position.get().to_be_bytes());
    sign(keys, bytes, &bound_events(user))
}

/// Decodes a position that [`encode_events`] encoded for the same user; `None` for any other text.
pub(crate) fn decode_events(keys: &SigningKeys, user: UserId, text: &str) -> Option<EventPosition> {
    match verify(keys, text, &bound_events(user))?.as_slice() {
        [FORMAT_VERSION, KIND_EVENT, rest @ ..] => {
            let number = i64::from_be_bytes(rest.try_into().ok()?);
            Some(EventPosition::from_store(number))
        }
        _ => None,
    }
}

/// Decodes a position that [`encode`] encoded for the same filter and order; `None` for any other text.
pub(crate) fn decode(keys: &SigningKeys, query: &CheckedQuery, text: &str) -> Option<Position> {
    match verify(keys, text, &bound_query(query))?.as_slice() {
        [FORMAT_VERSION, KIND_TIME, rest @ ..] => {
            let (moment, id) = time_position(rest)?;
            Some(Position::Time(moment, id))
        }
        [FORMAT_VERSION, KIND_USERNAME, key @ ..] => Some(Position::Username(
            std::str::from_utf8(key).ok()?.to_owned(),
        )),
        _ => None,
    }
}

/// Decodes a position that [`encode_related`] encoded for the same list of the same user; `None` for any other text.
pub(crate) fn decode_related(
    keys: &SigningKeys,
    (user, list): (UserId, RelatedList),
    text: &str,
) -> Option<RelatedPosition> {
    match verify(keys, text, &bound_list(user, list))?.as_slice() {
        [FORMAT_VERSION, KIND_RELATION, rest @ ..] => {
            let (since, id) = time_position(rest)?;
            Some(RelatedPosition { since, id })
        }
        _ => None,
    }
}

/// Encodes and signs bytes.
pub(crate) fn sign(keys: &SigningKeys, mut position: Vec<u8>, bound_to: &[u8]) -> String {
    let tag = keys.cursor_tag(&position, bound_to);
    position.extend(tag);
    URL_SAFE_NO_PAD.encode(position)
}

/// Returns the bytes that [`sign`] encoded; `None` for any other text.
pub(crate) fn verify(keys: &SigningKeys, text: &str, bound_to: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let tag = bytes.split_off(bytes.len().checked_sub(TAG_LENGTH)?);
    keys.verify_cursor_tag(&bytes, bound_to, &tag)
        .then_some(bytes)
}

fn push_position(bytes: &mut Vec<u8>, moment: Timestamp, id: UserId) {
    bytes.extend(moment.as_utc().timestamp_micros().to_be_bytes());
    bytes.extend(id.as_uuid().as_bytes());
}

fn time_position(bytes: &[u8]) -> Option<(Timestamp, UserId)> {
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let moment = chrono::DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    let id = Uuid::from_slice(id).ok()?;
    Some((Timestamp::from_utc(moment), UserId::from_uuid(id)))
}

/// Returns the bytes that a cursor of a related list is bound to. No other kind of list has the same bytes.
fn bound_list(user: UserId, list: RelatedList) -> Vec<u8> {
    let mut bytes = vec![KIND_RELATION];
    bytes.extend(user.as_uuid().as_bytes());
    bytes.extend(list.as_str().as_bytes());
    bytes
}

/// Returns the bytes that a cursor of events is bound to. No other kind of list has the same bytes.
fn bound_events(user: UserId) -> Vec<u8> {
    let mut bytes = vec![KIND_EVENT];
    bytes.extend(user.as_uuid().as_bytes());
    bytes
}

/// Returns the bytes that a cursor of a directory query is bound to. Equivalent queries have the same bytes.
fn bound_query(query: &CheckedQuery) -> Vec<u8> {
    let DirectoryFilter {
        statuses,
        roles,
        created_since,
        created_until,
        updated_since,
        updated_until,
        email,
        external_id,
        username_prefix,
        search,
        metadata,
    } = &query.filter;
    let mut statuses: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    // Sorted by name, as in the cursors of earlier releases.
    statuses.sort_unstable();
    let roles: Vec<&str> = roles.iter().map(Role::as_str).collect();
    let moment = |moment: &Option<Timestamp>| moment.map(|moment| moment.to_string());
    let forms = |forms: &[String]| forms.join("\0");
    let mut parts = vec![
        Some(query.sort.as_str().to_owned()),
        Some(statuses.join(",")),
        (!roles.is_empty()).then(|| roles.join(",")),
        moment(created_since),
        moment(updated_since),
        email.as_ref().map(|email| email.as_str().to_owned()),
        external_id.as_ref().map(|id| id.as_str().to_owned()),
        username_prefix.as_ref().map(|prefix| forms(prefix.forms())),
        search.as_ref().map(|term| forms(term.forms())),
    ];
    // Added only if they are used, so that cursors of earlier releases, which do not have them, stay valid.
    if created_until.is_some() || updated_until.is_some() {
        parts.extend([moment(created_until), moment(updated_until)]);
    }
    for (key, values) in metadata {
        // Neither keys nor values contain control characters.
        let values: Vec<&str> = values.iter().map(MetadataValue::as_str).collect();
        parts.push(Some(format!("{key}\0{}", values.join("\0"))));
    }
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            None => bytes.push(0),
            Some(text) => {
                bytes.push(1);
                bytes.extend((text.len() as u64).to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
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
}
