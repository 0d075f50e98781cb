//! Entity tags and the conditions made of them (RFC 9110, sections 8.8.3 and 13.1).

use actix_web::http::header::HeaderValue;
use user_domain::view::UserView;
use user_domain::write::Precondition;

use crate::problem::Problem;

/// One entity tag of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityTag {
    weak: bool,
    opaque: Vec<u8>,
}

/// What `If-Match` or `If-None-Match` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagCondition {
    /// `*`.
    Any,
    /// At least one tag.
    Tags(Vec<EntityTag>),
}

/// Gives the strong entity tag of a representation, quotes included.
pub(crate) fn entity_tag(view: &UserView) -> Result<HeaderValue, Problem> {
    let tag = format!("\"{}-{}\"", view.public().version, view.access().as_str());
    HeaderValue::try_from(tag).map_err(|error| Problem::internal(error.to_string()))
}

impl TagCondition {
    /// Reads the lines of a field, joined by commas; none if they are not a list of entity tags.
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
                    let (tag, rest) = EntityTag::read(field)?;
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

    /// Tells whether the condition names this representation, by the weak comparison.
    pub(crate) fn names(&self, entity_tag: &HeaderValue) -> bool {
        let quoted = entity_tag.as_bytes().strip_prefix(b"\"");
        let opaque = quoted.and_then(|tag| tag.strip_suffix(b"\""));
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| Some(&*tag.opaque) == opaque),
        }
    }

    /// Gives the versions that the condition admits, by the strong comparison; which view a tag was of does not matter.
    pub(crate) fn precondition(&self) -> Precondition {
        match self {
            Self::Any => Precondition::Exists,
            Self::Tags(tags) => {
                Precondition::AnyOf(tags.iter().filter_map(EntityTag::version).collect())
            }
        }
    }
}

impl EntityTag {
    fn read(field: &[u8]) -> Option<(Self, &[u8])> {
        let (weak, field) = match field {
            [b'W', b'/', rest @ ..] => (true, rest),
            _ => (false, field),
        };
        let field = field.strip_prefix(b"\"")?;
        let end = field.iter().position(|byte| *byte == b'"')?;
        let (opaque, rest) = (field.get(..end)?, field.get(end + 1..)?);
        let admitted = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..=0xFF);
        opaque.iter().all(admitted).then(|| {
            (
                Self {
                    weak,
                    opaque: opaque.to_vec(),
                },
                rest,
            )
        })
    }

    /// The version in a strong tag of this service's own form.
    fn version(&self) -> Option<i64> {
        let text = std::str::from_utf8(&self.opaque)
            .ok()
            .filter(|_| !self.weak)?;
        let (digits, access) = text.split_once('-')?;
        let own = matches!(access, "public" | "own" | "full")
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .parse()
            .ok()
            .filter(|_| own && !digits.starts_with('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(field: &str) -> Option<TagCondition> {
        TagCondition::parse(field.as_bytes())
    }

    #[test]
    fn lists_stars_and_weak_tags_are_read() {
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
    fn what_is_no_list_of_tags_is_refused() {
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
    fn a_precondition_holds_the_versions_of_strong_tags_of_any_view() {
        let versions = |field| parse(field).unwrap().precondition();
        assert_eq!(versions("*"), Precondition::Exists);
        assert_eq!(
            versions(r#""3-own", "12-full", "7-public""#),
            Precondition::AnyOf(vec![3, 12, 7])
        );
        assert_eq!(
            versions(
                r#"W/"3-own", "3", "x-own", "03-own", "+3-own", "-3-own", "3-all", "99999999999999999999-own""#
            ),
            Precondition::AnyOf(vec![])
        );
    }

    #[test]
    fn the_weak_comparison_ignores_weakness_but_not_the_view() {
        let condition = parse(r#""1-own", W/"3-own""#).unwrap();
        let (own, full) = (
            HeaderValue::from_static("\"3-own\""),
            HeaderValue::from_static("\"3-full\""),
        );
        assert!(condition.names(&own));
        assert!(!condition.names(&full));
        assert!(parse("*").unwrap().names(&full));
    }
}
