//! Entity tags and the conditions that use them (RFC 9110, sections 8.8.3 and 13.1).
//!
//! A tag is `"<version>-<view>-<identity><schema>"`. `identity` is an HMAC of the user's id and creation time, so that
//! no two users share a tag. `schema` is an HMAC of the view's member names, so that tags change with a release that
//! adds a member. `If-None-Match` compares the whole tag; `If-Match` compares version and identity.

mod schema_digest;

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use hmac::Hmac;
use sha2::Sha256;
use user_domain::values::{Timestamp, UserId};
use user_domain::view::UserView;
use user_domain::write::{ExpectedState, Precondition, Validator};

use crate::keyed_digest::digest;
use crate::problem::Problem;
use schema_digest::SchemaDigests;

/// The number of hexadecimal digits of the identity.
const IDENTITY_DIGITS: usize = 16;
/// The number of hexadecimal digits of the schema.
const SCHEMA_DIGITS: usize = 8;

/// Creates and parses entity tags under one key; cheap to clone.
#[derive(Clone)]
pub(crate) struct EntityTags {
    keys: Arc<Keys>,
}

struct Keys {
    digests: Hmac<Sha256>,
    schemas: SchemaDigests,
}

/// The identity in an entity tag from a client.
#[derive(Clone)]
struct Identity {
    tags: EntityTags,
    digits: String,
}

/// One entity tag of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityTag {
    weak: bool,
    opaque: Vec<u8>,
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagCondition {
    /// `*`.
    Any,
    /// At least one tag.
    Tags(Vec<EntityTag>),
}

impl EntityTags {
    /// Creates a generator of tags under this key, which is the same on all replicas.
    pub(crate) fn new(digests: Hmac<Sha256>) -> Self {
        let schemas = SchemaDigests::default();
        Self {
            keys: Arc::new(Keys { digests, schemas }),
        }
    }

    /// Returns the strong entity tag of a representation, with its quotes.
    pub(crate) fn of(&self, view: &UserView) -> Result<HeaderValue, Problem> {
        let public = view.public();
        let tag = format!(
            "\"{}-{}-{}{}\"",
            public.version,
            view.access().as_str(),
            self.identity(public.id, public.created_at),
            self.keys.schemas.of(&self.keys.digests, view)?,
        );
        HeaderValue::try_from(tag).map_err(|error| Problem::internal(error.to_string()))
    }

    fn identity(&self, id: UserId, created_at: Timestamp) -> String {
        let created_at = created_at.as_utc().timestamp_micros().to_be_bytes();
        let id = id.as_uuid();
        let parts = [b"user".as_slice(), id.as_bytes(), &created_at];
        hexadecimal(&digest(self.keys.digests.clone(), parts), IDENTITY_DIGITS)
    }
}

impl Validator for Identity {
    fn is_of(&self, id: UserId, created_at: Timestamp) -> bool {
        self.digits == self.tags.identity(id, created_at)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.digits)
    }
}

/// Returns the first hexadecimal digits of a digest.
fn hexadecimal(digest: &[u8], digits: usize) -> String {
    let bytes = digest.iter().take(digits / 2);
    bytes.fold(String::with_capacity(digits), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl TagCondition {
    /// Parses the lines of a field, joined by commas; `None` if they are not a list of entity tags.
    pub(crate) fn parse(mut field: &[u8]) -> Option<Self> {
        if field.trim_ascii() == b"*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        loop {
            field = field.trim_ascii_start();
            match field {
                [] => break,
                [b',', rest @ ..] => field = rest,
                _ => {
                    let (tag, rest) = EntityTag::parse_first(field)?;
                    tags.push(tag);
                    field = rest.trim_ascii_start();
                    if !matches!(field, [] | [b',', ..]) {
                        return None;
                    }
                }
            }
        }
        (!tags.is_empty()).then_some(Self::Tags(tags))
    }

    /// Whether the condition matches this representation, by the weak comparison.
    pub(crate) fn matches(&self, entity_tag: &HeaderValue) -> bool {
        let quoted = entity_tag.as_bytes().strip_prefix(b"\"");
        let opaque = quoted.and_then(|tag| tag.strip_suffix(b"\""));
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| Some(&*tag.opaque) == opaque),
        }
    }

    /// Returns the states that satisfy the condition, by the strong comparison.
    ///
    /// The view and the schema of a tag are ignored: a client that read any view has seen that version. A malformed tag
    /// matches no state.
    pub(crate) fn precondition(&self, entity_tags: &EntityTags) -> Precondition {
        match self {
            Self::Any => Precondition::Exists,
            Self::Tags(tags) => {
                let states = tags
                    .iter()
                    .filter_map(|tag| tag.expected_state(entity_tags));
                Precondition::AnyOf(states.collect())
            }
        }
    }
}

impl EntityTag {
    fn parse_first(field: &[u8]) -> Option<(Self, &[u8])> {
        let (weak, field) = match field {
            [b'W', b'/', rest @ ..] => (true, rest),
            _ => (false, field),
        };
        let field = field.strip_prefix(b"\"")?;
        let end = field.iter().position(|byte| *byte == b'"')?;
        let (opaque, rest) = (field.get(..end)?, field.get(end + 1..)?);
        let is_allowed = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..=0xFF);
        opaque.iter().all(is_allowed).then(|| {
            (
                Self {
                    weak,
                    opaque: opaque.to_vec(),
                },
                rest,
            )
        })
    }

    /// Returns the state in a strong tag: `<version>-<view>-<identity><schema>`, or `<version>` alone.
    fn expected_state(&self, entity_tags: &EntityTags) -> Option<ExpectedState> {
        let text = std::str::from_utf8(&self.opaque).ok();
        let text = text.filter(|_| !self.weak)?;
        let (version, rest) = match text.split_once('-') {
            Some((version, rest)) => (version, Some(rest)),
            None => (text, None),
        };
        let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
        let version = version.parse().ok();
        let version = version.filter(|_| is_number && !text.starts_with('0'))?;
        let Some(rest) = rest else {
            return Some(ExpectedState::from(version));
        };
        let (view, tag) = rest.split_once('-')?;
        let is_ours = matches!(view, "public" | "own" | "full")
            && tag.len() == IDENTITY_DIGITS + SCHEMA_DIGITS
            && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = tag.get(..IDENTITY_DIGITS).filter(|_| is_ours)?.to_owned();
        let tags = entity_tags.clone();
        Some(ExpectedState {
            version,
            validator: Some(Arc::new(Identity { tags, digits })),
        })
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit as _;
    use user_domain::caller::Caller;
    use user_domain::test_support::samples;
    use user_domain::user::{User, UserState};
    use user_domain::view::{public_view, view};

    use super::*;

    fn tags() -> EntityTags {
        EntityTags::new(Hmac::new(&[7; 64].into()))
    }

    fn parse(field: &str) -> Option<TagCondition> {
        TagCondition::parse(field.as_bytes())
    }

    #[test]
    fn lists_stars_and_weak_tags_are_parsed() {
        assert_eq!(parse(" * "), Some(TagCondition::Any));
        for field in [
            r#""3-own""#,
            r#" "a" , W/"b","#,
            r#",, "a,b" ,"c""#,
            r#""""#,
        ] {
            assert!(
                matches!(parse(field), Some(TagCondition::Tags(_))),
                "{field}"
            );
        }
        assert!(TagCondition::parse(b"\"\xff\"").is_some());
    }

    #[test]
    fn a_malformed_list_of_tags_is_refused() {
        for field in [
            "",
            " ",
            ",",
            "3",
            "3-own",
            r#""3-own"#,
            r#""a" "b""#,
            r#""a b""#,
            r#"*, "a""#,
            r#"w/"a""#,
            "**",
        ] {
            assert_eq!(parse(field), None, "{field}");
        }
    }

    #[test]
    fn a_condition_matches_only_the_version_of_its_user() {
        let tags = tags();
        let (ann, bob) = (samples::user("ann"), samples::user("bob"));
        for caller in [
            Caller::Operator,
            samples::person(ann.id),
            samples::person(bob.id),
        ] {
            let tag = tags.of(&view(ann.clone(), &caller)).unwrap();
            let condition = TagCondition::parse(tag.as_bytes()).unwrap();
            let precondition = condition.precondition(&tags);
            assert!(precondition.admits(&ann));
            assert!(!precondition.admits(&bob));
            let other_key = condition.precondition(&EntityTags::new(Hmac::new(&[8; 64].into())));
            assert!(!other_key.admits(&ann));
        }
    }

    #[test]
    fn a_user_created_again_with_an_old_id_has_another_tag() {
        let tags = tags();
        let ann = samples::user("ann");
        let tag = tags.of(&public_view(ann.clone())).unwrap();
        let recreated = User::from_store(UserState {
            created_at: samples::seconds(1),
            ..UserState::clone(&ann)
        });
        assert_ne!(tags.of(&public_view(recreated.clone())).unwrap(), tag);
        let condition = TagCondition::parse(tag.as_bytes()).unwrap();
        assert!(!condition.precondition(&tags).admits(&recreated));
    }

    #[test]
    fn a_version_alone_matches_that_version_of_any_user() {
        for condition in [r#""1""#, r#""9", "1""#] {
            let precondition = parse(condition).unwrap().precondition(&tags());
            assert!(precondition.admits(&samples::user("ann")), "{condition}");
        }
    }

    #[test]
    fn a_malformed_tag_matches_no_state() {
        assert_eq!(
            parse("*").unwrap().precondition(&tags()),
            Precondition::Exists
        );
        let identity = "0123456789abcdef01234567";
        for condition in [
            r#"W/"3-own", W/"1", "x-own", "01", "+1", "-1", "", "99999999999999999999", "1-own", "1-full", "1-public", "1-""#,
            &format!(
                r#""1-all-{identity}", "01-own-{identity}", "1-own-{identity}0", "1-own-x{}", "1--{identity}""#,
                &identity[1..]
            ),
        ] {
            let precondition = parse(condition).unwrap().precondition(&tags());
            assert_eq!(precondition, Precondition::AnyOf(vec![]), "{condition}");
        }
    }

    #[test]
    fn the_weak_comparison_includes_view_and_user() {
        let tags = tags();
        let (ann, bob) = (samples::user("ann"), samples::user("bob"));
        let own = tags
            .of(&view(ann.clone(), &samples::person(ann.id)))
            .unwrap();
        let text = own.to_str().unwrap();
        let condition = parse(&format!("\"1\", W/{text}")).unwrap();
        assert!(condition.matches(&own));
        for other in [
            tags.of(&view(ann, &Caller::Operator)).unwrap(),
            tags.of(&view(bob.clone(), &samples::person(bob.id)))
                .unwrap(),
        ] {
            assert!(!condition.matches(&other));
            assert!(parse("*").unwrap().matches(&other));
        }
        assert!(
            text.starts_with("\"1-own-") && text.len() == "\"1-own-\"".len() + 24,
            "{text}"
        );
    }
}
