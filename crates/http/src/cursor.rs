//! Cursors: sealed places in a walk.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use user_domain::directory::{CheckedQuery, DirectoryFilter, Position};
use user_domain::relationship::{RelatedList, RelatedPosition};
use user_domain::values::{Timestamp, UserId};
use uuid::Uuid;

use crate::seal::{Seal, TAG_LENGTH};

const FORM: u8 = 1;
const BY_TIME: u8 = b't';
const BY_USERNAME: u8 = b'u';
const BY_RELATION: u8 = b'r';

/// Writes a place as a text that clients can only hand back.
///
/// It is bound to the filter and the order of its walk, but to no page size.
pub(crate) fn write(seal: &Seal, query: &CheckedQuery, position: &Position) -> String {
    let mut bytes = vec![FORM];
    match position {
        Position::Time(moment, id) => {
            bytes.push(BY_TIME);
            push_place(&mut bytes, *moment, *id);
        }
        Position::Username(key) => {
            bytes.push(BY_USERNAME);
            bytes.extend(key.as_bytes());
        }
    }
    sealed(seal, bytes, &canonical(query))
}

/// Writes a place in a list of those who have to do with a user; it is bound to the list and to the user.
pub(crate) fn write_related(
    seal: &Seal,
    (user, list): (UserId, RelatedList),
    position: &RelatedPosition,
) -> String {
    let mut bytes = vec![FORM, BY_RELATION];
    push_place(&mut bytes, position.since, position.id);
    sealed(seal, bytes, &canonical_list(user, list))
}

/// Reads a place that [`write`] wrote for the same filter and order; none for any other text.
pub(crate) fn read(seal: &Seal, query: &CheckedQuery, text: &str) -> Option<Position> {
    match opened(seal, text, &canonical(query))?.as_slice() {
        [FORM, BY_TIME, rest @ ..] => {
            let (moment, id) = place(rest)?;
            Some(Position::Time(moment, id))
        }
        [FORM, BY_USERNAME, key @ ..] => Some(Position::Username(
            std::str::from_utf8(key).ok()?.to_owned(),
        )),
        _ => None,
    }
}

/// Reads a place that [`write_related`] wrote for the same list of the same user; none for any other text.
pub(crate) fn read_related(
    seal: &Seal,
    (user, list): (UserId, RelatedList),
    text: &str,
) -> Option<RelatedPosition> {
    match opened(seal, text, &canonical_list(user, list))?.as_slice() {
        [FORM, BY_RELATION, rest @ ..] => {
            let (since, id) = place(rest)?;
            Some(RelatedPosition { since, id })
        }
        _ => None,
    }
}

fn sealed(seal: &Seal, mut place: Vec<u8>, bound_to: &[u8]) -> String {
    let tag = seal.cursor_tag(&place, bound_to);
    place.extend(tag);
    URL_SAFE_NO_PAD.encode(place)
}

fn opened(seal: &Seal, text: &str, bound_to: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let tag = bytes.split_off(bytes.len().checked_sub(TAG_LENGTH)?);
    seal.is_cursor_tag(&bytes, bound_to, &tag).then_some(bytes)
}

fn push_place(bytes: &mut Vec<u8>, moment: Timestamp, id: UserId) {
    bytes.extend(moment.as_utc().timestamp_micros().to_be_bytes());
    bytes.extend(id.as_uuid().as_bytes());
}

fn place(bytes: &[u8]) -> Option<(Timestamp, UserId)> {
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let moment = chrono::DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    let id = Uuid::from_slice(id).ok()?;
    Some((Timestamp::from_utc(moment), UserId::from_uuid(id)))
}

/// Writes down what a list is, as no query of the directory is written.
fn canonical_list(user: UserId, list: RelatedList) -> Vec<u8> {
    let mut bytes = vec![BY_RELATION];
    bytes.extend(user.as_uuid().as_bytes());
    bytes.extend(list.as_str().as_bytes());
    bytes
}

/// Writes down what a walk is, alike for queries that mean the same.
fn canonical(query: &CheckedQuery) -> Vec<u8> {
    let DirectoryFilter {
        statuses,
        role,
        created_since,
        updated_since,
        email,
        external_id,
        username_prefix,
        search,
    } = &query.filter;
    let mut statuses: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let moment = |moment: &Option<Timestamp>| moment.map(|moment| moment.to_string());
    let parts = [
        Some(query.sort.as_str().to_owned()),
        Some(statuses.join(",")),
        role.as_ref().map(|role| role.as_str().to_owned()),
        moment(created_since),
        moment(updated_since),
        email.as_ref().map(|email| email.as_str().to_owned()),
        external_id.as_ref().map(|id| id.as_str().to_owned()),
        username_prefix.clone(),
        search.clone(),
    ];
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
    use user_domain::directory::DirectoryQuery;

    use super::*;

    fn query(change: impl FnOnce(&mut DirectoryQuery)) -> CheckedQuery {
        let mut query = DirectoryQuery::default();
        change(&mut query);
        query.check().unwrap()
    }

    fn places() -> [Position; 2] {
        let moment = Timestamp::parse("2026-11-23T00:45:12.123456Z").unwrap();
        let id = UserId::parse("0199b8f2-7c1e-7000-8000-000000000000").unwrap();
        [
            Position::Time(moment, id),
            Position::Username("ålice".to_owned()),
        ]
    }

    #[test]
    fn a_cursor_reads_back_under_the_same_walk_and_any_page_size() {
        let seal = Seal::new(&[1; 32]);
        for place in places() {
            let cursor = write(
                &seal,
                &query(|q| q.status = Some("deleted,active".to_owned())),
                &place,
            );
            let again = query(|q| {
                q.status = Some("active,deleted".to_owned());
                q.limit = Some("3".to_owned());
            });
            assert_eq!(read(&seal, &again, &cursor), Some(place));
        }
    }

    #[test]
    fn a_cursor_of_another_filter_order_or_key_is_refused() {
        let seal = Seal::new(&[1; 32]);
        let [place, _] = places();
        let cursor = write(&seal, &query(|_| ()), &place);
        assert_eq!(
            read(
                &seal,
                &query(|q| q.role = Some("admin".to_owned())),
                &cursor
            ),
            None
        );
        assert_eq!(
            read(
                &seal,
                &query(|q| q.sort = Some("created_at".to_owned())),
                &cursor
            ),
            None
        );
        assert_eq!(read(&Seal::new(&[2; 32]), &query(|_| ()), &cursor), None);
    }

    #[test]
    fn a_cursor_of_another_list_user_or_walk_is_refused() {
        let seal = Seal::new(&[1; 32]);
        let [Position::Time(since, id), _] = places() else {
            panic!("the first is a time");
        };
        let other = UserId::parse("0199b8f2-7c1e-7000-8000-000000000001").unwrap();
        let place = RelatedPosition { since, id };
        let cursor = write_related(&seal, (id, RelatedList::Followers), &place);
        let read_as = |user, list| read_related(&seal, (user, list), &cursor);
        assert_eq!(read_as(id, RelatedList::Followers), Some(place));
        assert_eq!(read_as(id, RelatedList::Following), None);
        assert_eq!(read_as(other, RelatedList::Followers), None);
        assert_eq!(read(&seal, &query(|_| ()), &cursor), None);
        let users = write(&seal, &query(|_| ()), &Position::Time(since, id));
        let list = (id, RelatedList::Followers);
        assert_eq!(read_related(&seal, list, &users), None);
        assert_eq!(read_related(&Seal::new(&[2; 32]), list, &cursor), None);
    }

    #[test]
    fn a_cursor_with_one_other_character_is_refused() {
        let seal = Seal::new(&[1; 32]);
        let [place, _] = places();
        let cursor = write(&seal, &query(|_| ()), &place);
        for at in 0..cursor.len() {
            let mut other = cursor.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(read(&seal, &query(|_| ()), &other), None, "{other}");
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
            assert_eq!(read(&seal, &query(|_| ()), other), None, "{other}");
        }
    }
}
