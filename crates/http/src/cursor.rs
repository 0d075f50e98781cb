//! Cursors: signed positions in a list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use user_domain::directory::{CheckedQuery, DirectoryFilter, MetadataValue, Position};
use user_domain::ports::{EventPosition, FeedPosition};
use user_domain::relationship::{RelatedList, RelatedPosition};
use user_domain::service_token::TokenPosition;
use user_domain::values::{Role, ServiceTokenId, Timestamp, UserId};
use uuid::Uuid;

use crate::signing::{SigningKeys, TAG_LENGTH};

const FORMAT_VERSION: u8 = 1;
const KIND_TIME: u8 = b't';
const KIND_USERNAME: u8 = b'u';
const KIND_RELATION: u8 = b'r';
const KIND_EVENT: u8 = b'e';
const KIND_FEED: u8 = b'f';
const KIND_ERASURE: u8 = b'x';
const KIND_TOKEN: u8 = b'k';

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

/// Encodes a position in the event feed. It is bound to the store, but not to a filter.
pub(crate) fn encode_feed(keys: &SigningKeys, position: &FeedPosition) -> String {
    let mut bytes = vec![FORMAT_VERSION, KIND_FEED];
    bytes.extend(position.store.as_bytes());
    bytes.extend(position.at.get().to_be_bytes());
    bytes.extend(position.tag);
    sign(keys, bytes, &[KIND_FEED])
}

/// Decodes a position that [`encode_feed`] encoded; `None` for any other text.
pub(crate) fn decode_feed(keys: &SigningKeys, text: &str) -> Option<FeedPosition> {
    let bytes = verify(keys, text, &[KIND_FEED])?;
    let rest = bytes.strip_prefix(&[FORMAT_VERSION, KIND_FEED])?;
    let (store, rest) = rest.split_first_chunk::<16>()?;
    let (at, tag) = rest.split_first_chunk::<8>()?;
    Some(FeedPosition {
        store: Uuid::from_bytes(*store),
        at: EventPosition::from_store(i64::from_be_bytes(*at)),
        tag: tag.try_into().ok()?,
    })
}

/// Encodes a position in the pending erasures of a consumer. It is bound to the consumer.
pub(crate) fn encode_erasures(
    keys: &SigningKeys,
    consumer: &str,
    position: EventPosition,
) -> String {
    let mut bytes = vec![FORMAT_VERSION, KIND_ERASURE];
    bytes.extend(position.get().to_be_bytes());
    sign(keys, bytes, &bound_erasures(consumer))
}

/// Decodes a position that [`encode_erasures`] encoded for the same consumer; `None` for any other text.
pub(crate) fn decode_erasures(
    keys: &SigningKeys,
    consumer: &str,
    text: &str,
) -> Option<EventPosition> {
    let bytes = verify(keys, text, &bound_erasures(consumer))?;
    let rest = bytes.strip_prefix(&[FORMAT_VERSION, KIND_ERASURE])?;
    let number = i64::from_be_bytes(rest.try_into().ok()?);
    Some(EventPosition::from_store(number))
}

/// Encodes a position in the list of tokens.
pub(crate) fn encode_tokens(keys: &SigningKeys, position: TokenPosition) -> String {
    let mut bytes = vec![FORMAT_VERSION, KIND_TOKEN];
    push_time(&mut bytes, position.created_at);
    bytes.extend(position.id.as_uuid().as_bytes());
    sign(keys, bytes, &[KIND_TOKEN])
}

/// Decodes a position that [`encode_tokens`] encoded; `None` for any other text.
pub(crate) fn decode_tokens(keys: &SigningKeys, text: &str) -> Option<TokenPosition> {
    let bytes = verify(keys, text, &[KIND_TOKEN])?;
    let (created_at, id) = time_and_id(bytes.strip_prefix(&[FORMAT_VERSION, KIND_TOKEN])?)?;
    Some(TokenPosition {
        created_at,
        id: ServiceTokenId::from_uuid(id),
    })
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
    push_time(bytes, moment);
    bytes.extend(id.as_uuid().as_bytes());
}

fn push_time(bytes: &mut Vec<u8>, moment: Timestamp) {
    bytes.extend(moment.as_utc().timestamp_micros().to_be_bytes());
}

fn time_position(bytes: &[u8]) -> Option<(Timestamp, UserId)> {
    let (moment, id) = time_and_id(bytes)?;
    Some((moment, UserId::from_uuid(id)))
}

fn time_and_id(bytes: &[u8]) -> Option<(Timestamp, Uuid)> {
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let moment = chrono::DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    Some((Timestamp::from_utc(moment), Uuid::from_slice(id).ok()?))
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

/// Returns the bytes that a cursor of pending erasures is bound to. No other kind of list has the same bytes.
fn bound_erasures(consumer: &str) -> Vec<u8> {
    let mut bytes = vec![KIND_ERASURE];
    bytes.extend(consumer.as_bytes());
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
mod tests;
