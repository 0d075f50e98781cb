//! The format of a value in Redis: a header line, and the row of the user as JSON.
//!
//! The value is sealed: a client that can write into Redis cannot make a user an administrator.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, Iterable};
use sha2::{Digest, Sha256};
use user_domain::user::User;
use user_domain::values::UserId;

use crate::cache::invalidation::{ABSENT, revision_of};
use crate::cache::recent_changes::SealedHeader;
use crate::sea_orm::entities::users::{Entity, Model};
use crate::sea_orm::row;

/// The version of the format apart from the columns. A release that changes anything else in the format raises it.
const LAYOUT: &str = "5";
/// The length of a seal (HMAC-SHA-256, truncated).
const SEAL_BYTES: usize = 16;

/// The content of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodedValue {
    /// The user, or its absence.
    pub(super) user: Option<Arc<User>>,
    /// The revision of the value, and the start of the read that stored it.
    pub(super) header: SealedHeader,
}

/// Encodes and decodes values with one sealing key.
#[derive(Clone)]
pub(super) struct ValueCodec {
    seal: Hmac<Sha256>,
    /// The schema of the values of this release.
    schema: Arc<str>,
}

impl ValueCodec {
    /// Creates a codec with the sealing key, which all replicas share.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a shorter key with zeros.
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(key) {
            *place = *byte;
        }
        Self {
            seal: Hmac::<Sha256>::new(&block.into()),
            schema: schema_of::<Entity>().into(),
        }
    }

    /// Encodes a user or its absence as `schema origin id revision started.seal`, followed by the row if there is a
    /// user. `started` is the time at which the reader started.
    ///
    /// A script in Redis, the same for all releases, splits the line at its four spaces.
    pub(super) fn encode(
        &self,
        origin: &str,
        id: UserId,
        user: Option<&Arc<User>>,
        started: i64,
    ) -> Option<Vec<u8>> {
        let head = format!(
            "{} {origin} {id} {} {started}",
            self.schema,
            revision_of(user)
        );
        let row = match user {
            Some(user) => serde_json::to_vec(&row::to_row(user)).ok()?,
            None => Vec::new(),
        };
        let seal = seal_text(self.sealing(head.as_bytes(), &row))?;
        Some([head.as_bytes(), b".", seal.as_bytes(), b"\n", &row].concat())
    }

    /// Decodes a value. Returns `None` unless this release wrote it for this user and this origin.
    pub(super) fn decode(&self, value: &[u8], origin: &str, id: UserId) -> Option<DecodedValue> {
        let split = value.iter().position(|byte| *byte == b'\n')?;
        let (line, row) = value.split_at_checked(split)?;
        let row = row.get(1..).unwrap_or_default();
        let (head, seal) = std::str::from_utf8(line).ok()?.rsplit_once('.')?;
        self.sealing(head.as_bytes(), row)
            .verify_truncated_left(&seal_bytes(seal)?)
            .ok()?;
        let mut words = head.split(' ');
        if words.next() != Some(&*self.schema) || words.next() != Some(origin) {
            return None;
        }
        let named = words.next()?;
        let header = SealedHeader {
            revision: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
        };
        if named != id.to_string() || words.next().is_some() {
            return None;
        }
        if header.revision == ABSENT {
            return row
                .is_empty()
                .then_some(DecodedValue { user: None, header });
        }
        let row: Model = serde_json::from_slice(row).ok()?;
        let user = row::to_user(row).ok()?;
        (user.id == id && user.revision.get() == header.revision).then(|| DecodedValue {
            user: Some(Arc::new(user)),
            header,
        })
    }

    /// Returns the MAC of a header and a row. The line break separates the two unambiguously.
    fn sealing(&self, head: &[u8], row: &[u8]) -> Hmac<Sha256> {
        let mut seal = self.seal.clone();
        for part in [head, b"\n", row] {
            seal.update(part);
        }
        seal
    }
}

/// Returns the schema of values with rows of an entity: the layout, and a digest of the columns' names and types.
///
/// JSON without an optional member decodes as if the member were null. A release with a new column must not read a
/// value from a release without it, so the schema is derived from the columns.
fn schema_of<E: EntityTrait>() -> String {
    let mut digest = Sha256::new();
    for column in E::Column::iter() {
        let definition = column.def();
        let (kind, is_null) = (definition.get_column_type(), definition.is_null());
        // The name in the row and the name in the database differ if a field was renamed.
        digest.update(format!(
            "{column:?} {} {kind:?} {is_null}\n",
            column.as_str()
        ));
    }
    let digest = URL_SAFE_NO_PAD.encode(digest.finalize());
    format!("{LAYOUT}-{}", digest.get(..16).unwrap_or_default())
}

/// Returns the origin that values are sealed for: the epoch, the store, and the history of its database. A value of
/// another store, or of a state that a restored database has lost, is therefore a miss.
pub(super) fn origin(epoch: &str, store: &str, history: &str) -> String {
    let digest = Sha256::digest(format!("{store} {history}"));
    let digest = URL_SAFE_NO_PAD.encode(digest);
    format!("{epoch}.{}", digest.get(..16).unwrap_or_default())
}

/// Encodes a seal.
fn seal_text(seal: Hmac<Sha256>) -> Option<String> {
    let bytes = seal.finalize().into_bytes();
    bytes
        .get(..SEAL_BYTES)
        .map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Decodes a seal of exactly the right length.
fn seal_bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() == SEAL_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::samples;

    use super::*;

    fn values() -> ValueCodec {
        ValueCodec::new(&[7; 32])
    }

    /// The time at which the readers of these tests started.
    const STARTED: i64 = 1_795_000_000_000_000;

    fn decoded(user: Option<Arc<User>>) -> DecodedValue {
        let header = SealedHeader {
            revision: revision_of(user.as_ref()),
            started: STARTED,
        };
        DecodedValue { user, header }
    }

    fn written() -> (Arc<User>, Vec<u8>) {
        let user = samples::registered(&samples::awkward_user("alice"), &samples::context()).user;
        let user = Arc::new(user);
        let value = values()
            .encode("e/1", user.id, Some(&user), STARTED)
            .unwrap();
        (user, value)
    }

    /// Seals a header and a row that a test has built.
    fn sealed(head: &str, row: &str) -> String {
        let head = head.replacen("SCHEMA", &values().schema, 1);
        let seal = seal_text(values().sealing(head.as_bytes(), row.as_bytes())).unwrap();
        format!("{head}.{seal}\n{row}")
    }

    #[test]
    fn a_user_decodes_to_exactly_what_was_encoded() {
        let (user, value) = written();
        let result = values().decode(&value, "e/1", user.id);
        assert_eq!(result, Some(decoded(Some(user))));
    }

    #[test]
    fn an_absence_decodes_to_an_absence() {
        let id = samples::user_id();
        let value = values().encode("e/1", id, None, STARTED).unwrap();
        assert_eq!(values().decode(&value, "e/1", id), Some(decoded(None)));
        let with_more = sealed(&format!("SCHEMA e/1 {id} 0 9"), "{}");
        assert_eq!(values().decode(with_more.as_bytes(), "e/1", id), None);
    }

    #[test]
    fn a_value_with_an_invalid_seal_is_a_miss() {
        let (user, value) = written();
        for place in 0..value.len() {
            let mut spoilt = value.clone();
            spoilt[place] ^= 1;
            assert_eq!(
                values().decode(&spoilt, "e/1", user.id),
                None,
                "byte {place}"
            );
            assert_eq!(
                values().decode(&value[..place], "e/1", user.id),
                None,
                "to {place}"
            );
        }
        let other = ValueCodec::new(&[8; 32]);
        assert_eq!(other.decode(&value, "e/1", user.id), None, "another key");
        for text in ["", "\n", "garbage", "5 e/1 x 1 9\n{}", "2 e/1 x 1 9. \n{}"] {
            assert_eq!(
                values().decode(text.as_bytes(), "e/1", user.id),
                None,
                "{text}"
            );
        }
        assert_eq!(values().decode(&[0xff, 0xfe, b'\n'], "e/1", user.id), None);
    }

    #[test]
    fn a_sealed_value_with_other_content_is_a_miss() {
        let (user, value) = written();
        assert_eq!(
            values().decode(&value, "e/2", user.id),
            None,
            "another epoch"
        );
        let other = UserId::from_uuid(uuid::Uuid::nil());
        assert_eq!(values().decode(&value, "e/1", other), None, "another user");
        let text = String::from_utf8(value).unwrap();
        let row = text.split_once('\n').unwrap().1;
        let id = user.id;
        let later_row = row.replacen("{\"id\"", "{\"new_in_the_next_release\":1,\"id\"", 1);
        let others_row = row.replacen(&id.to_string(), &other.to_string(), 1);
        let broken_row = row.replacen("\"standing\":\"suspended\"", "\"standing\":\"wobbly\"", 1);
        for (head, row) in [
            (format!("1 e/1 {id} 1 9"), row),
            (format!("SCHEMA e/1 {id} 2 9"), row),
            (format!("SCHEMA e/1 {id} 0 9"), row),
            (format!("SCHEMA e/1 {id} x 9"), row),
            (format!("SCHEMA e/1 {id} 1 9 9"), row),
            (format!("SCHEMA e/1 {id} 1"), row),
            (format!("SCHEMA e/1 {id} 1 x"), row),
            (format!("SCHEMA e/1 {id} 1 9"), ""),
            (format!("SCHEMA e/1 {id} 1 9"), "[]"),
            (format!("SCHEMA e/1 {id} 1 9"), &later_row),
            (format!("SCHEMA e/1 {id} 1 9"), &others_row),
            (format!("SCHEMA e/1 {id} 1 9"), &broken_row),
        ] {
            let value = sealed(&head, row);
            assert_ne!(value, text, "the value must differ from the original");
            assert_eq!(
                values().decode(value.as_bytes(), "e/1", id),
                None,
                "{value}"
            );
        }
        let same = sealed(&format!("SCHEMA e/1 {id} 1 9"), row);
        assert!(values().decode(same.as_bytes(), "e/1", id).is_some());
    }

    #[test]
    fn the_seal_covers_the_start_time_of_the_reader() {
        let (user, value) = written();
        let text = String::from_utf8(value).unwrap();
        let later = text.replacen(&STARTED.to_string(), &(STARTED + 1).to_string(), 1);
        assert_ne!(later, text);
        assert_eq!(values().decode(later.as_bytes(), "e/1", user.id), None);
    }

    #[test]
    fn the_origin_differs_by_epoch_store_and_history() {
        let origins = [
            origin("e/1", "user-service:a", "1-2"),
            origin("e/2", "user-service:a", "1-2"),
            origin("e/1", "user-service:b", "1-2"),
            origin("e/1", "user-service:a", "1-3"),
            origin("e/1", "user-service:a", ""),
        ];
        let distinct: std::collections::HashSet<&String> = origins.iter().collect();
        assert_eq!(distinct.len(), origins.len(), "{origins:?}");
        assert!(origins.iter().all(|origin| !origin.contains(' ')));
    }

    #[test]
    fn a_header_is_short_enough_for_the_script() {
        let epoch = format!("{0}-{0}/{0}{0}", "e".repeat(16));
        let user = Arc::new(samples::user("alice"));
        let origin = origin(&epoch, "user-service:a", "1-2");
        let value = values().encode(&origin, user.id, Some(&user), i64::MIN);
        let value = value.unwrap();
        let line = value.iter().position(|byte| *byte == b'\n').unwrap();
        // A revision has at most 19 digits.
        assert!(line + 20 < 256, "{line}");
    }

    /// An entity as different releases could define it.
    macro_rules! entity {
        ($release:ident, $($column:tt)*) => {
            mod $release {
                use sea_orm::entity::prelude::*;

                #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
                #[sea_orm(table_name = "users")]
                pub(super) struct Model {
                    #[sea_orm(primary_key, auto_increment = false)]
                    pub(super) id: Uuid,
                    pub(super) name: Option<String>,
                    $($column)*
                }

                #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
                pub(super) enum Relation {}

                impl ActiveModelBehavior for ActiveModel {}
            }
        };
    }

    entity!(before,);
    entity!(same,);
    entity!(wider, pub(super) pronouns: Option<String>,);
    entity!(required, pub(super) pronouns: String,);
    entity!(retyped, pub(super) pronouns: Option<i64>,);
    entity!(renamed, #[sea_orm(column_name = "pronouns")] pub(super) forms: Option<String>,);

    #[test]
    fn an_additional_or_retyped_column_changes_the_schema() {
        let schemas = [
            schema_of::<before::Entity>(),
            schema_of::<wider::Entity>(),
            schema_of::<required::Entity>(),
            schema_of::<retyped::Entity>(),
            schema_of::<renamed::Entity>(),
        ];
        let distinct: std::collections::HashSet<&String> = schemas.iter().collect();
        assert_eq!(distinct.len(), schemas.len(), "{schemas:?}");
        assert_eq!(schema_of::<same::Entity>(), schemas[0]);
        // A script in Redis splits the header at its spaces.
        assert!(schemas.iter().all(|schema| !schema.contains(' ')));
    }

    #[test]
    fn a_value_of_a_release_with_other_columns_is_a_miss() {
        let (user, value) = written();
        let other_release = ValueCodec {
            schema: schema_of::<wider::Entity>().into(),
            ..values()
        };
        assert_eq!(other_release.decode(&value, "e/1", user.id), None);
        let theirs = other_release
            .encode("e/1", user.id, Some(&user), STARTED)
            .unwrap();
        assert_eq!(values().decode(&theirs, "e/1", user.id), None);
        let absence = other_release.encode("e/1", user.id, None, STARTED).unwrap();
        assert_eq!(values().decode(&absence, "e/1", user.id), None);
    }
}
