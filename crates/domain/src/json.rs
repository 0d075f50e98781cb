//! JSON as this service accepts it: stricter than `serde_json`, alike for every body and token.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::error::Category;

/// The most levels of arrays and objects within each other that [`parse_strict`] accepts.
pub const MAX_DEPTH: usize = 32;

/// The member names by which `serde_json` passes numbers and raw text through its own data model.
///
/// An object with such a name would be read as something else than what was written.
const RESERVED_NAMES: [&str; 2] = [
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
];

/// Why a text is not accepted as JSON; holds neither places nor values, so it may stand in an
/// answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The text is not one JSON text in UTF-8 (RFC 8259); says what is wrong.
    #[error("The text is not JSON: {0}.")]
    Malformed(String),
    /// Arrays and objects stand within each other more than [`MAX_DEPTH`] levels deep.
    #[error("The text has more than {MAX_DEPTH} levels of arrays and objects.")]
    TooDeep,
    /// An object has two members of one name, on whichever level.
    #[error("The text has an object with two members of one name.")]
    DuplicateName,
}

/// Reads one JSON text (RFC 8259, and its advice in RFC 7493): UTF-8 without a byte order mark, at
/// most [`MAX_DEPTH`] levels, no member name twice in an object, nothing behind the text.
///
/// Numbers keep every digit (an exponent gains its sign: `1e3` is kept as `1e+3`) and members their
/// order. Names are compared after their escapes are resolved.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, JsonFault> {
    check_depth(bytes)?;
    let value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    check_names(bytes)?;
    Ok(value)
}

/// Says whether a member name is one `serde_json` keeps for itself.
pub(crate) fn is_reserved_name(name: &str) -> bool {
    RESERVED_NAMES.contains(&name)
}

fn check_depth(bytes: &[u8]) -> Result<(), JsonFault> {
    let mut depth = 0_usize;
    for mark in Marks(bytes) {
        match mark {
            Mark::OpenObject | Mark::OpenArray => depth += 1,
            Mark::Close => depth = depth.saturating_sub(1),
            Mark::Comma | Mark::Text(_) => {}
        }
        if depth > MAX_DEPTH {
            return Err(JsonFault::TooDeep);
        }
    }
    Ok(())
}

/// Checks the member names of a text that is known to be JSON.
fn check_names(bytes: &[u8]) -> Result<(), JsonFault> {
    let mut open: Vec<Option<BTreeSet<Cow<'_, str>>>> = Vec::new();
    let mut name_is_next = false;
    for mark in Marks(bytes) {
        match mark {
            Mark::OpenObject => {
                open.push(Some(BTreeSet::new()));
                name_is_next = true;
            }
            Mark::OpenArray => {
                open.push(None);
                name_is_next = false;
            }
            Mark::Close => {
                open.pop();
                name_is_next = false;
            }
            Mark::Comma => name_is_next = matches!(open.last(), Some(Some(_))),
            Mark::Text(quoted) => {
                if let (true, Some(Some(names))) = (name_is_next, open.last_mut()) {
                    let name = unquote(quoted)?;
                    if is_reserved_name(&name) {
                        return Err(reserved_name());
                    }
                    if !names.insert(name) {
                        return Err(JsonFault::DuplicateName);
                    }
                }
                name_is_next = false;
            }
        }
    }
    Ok(())
}

fn unquote(quoted: &[u8]) -> Result<Cow<'_, str>, JsonFault> {
    if quoted.contains(&b'\\') {
        return serde_json::from_slice(quoted)
            .map(Cow::Owned)
            .map_err(|error| malformed(&error));
    }
    serde_json::from_slice(quoted)
        .map(Cow::Borrowed)
        .map_err(|error| malformed(&error))
}

fn reserved_name() -> JsonFault {
    JsonFault::Malformed("an object has a member name that is reserved".to_owned())
}

fn malformed(error: &serde_json::Error) -> JsonFault {
    // Only the parser's own messages are fixed sentences; the others may hold a piece of the text.
    if matches!(error.classify(), Category::Data | Category::Io) {
        return reserved_name();
    }
    let sentence = error.to_string();
    let sentence = sentence
        .rsplit_once(" at line ")
        .map_or(sentence.as_str(), |(what, _)| what);
    JsonFault::Malformed(sentence.to_owned())
}

/// What gives a JSON text its structure.
enum Mark<'a> {
    OpenObject,
    OpenArray,
    Close,
    Comma,
    /// A string with its quotes.
    Text(&'a [u8]),
}

/// The marks of a text in their order; total on any bytes, exact on JSON.
struct Marks<'a>(&'a [u8]);

impl<'a> Iterator for Marks<'a> {
    type Item = Mark<'a>;

    fn next(&mut self) -> Option<Mark<'a>> {
        let at = self
            .0
            .iter()
            .position(|byte| matches!(byte, b'{' | b'[' | b'}' | b']' | b',' | b'"'))?;
        let found = self.0.get(at..)?;
        let mark = match found.first()? {
            b'{' => Mark::OpenObject,
            b'[' => Mark::OpenArray,
            b'}' | b']' => Mark::Close,
            b',' => Mark::Comma,
            _ => Mark::Text(leading_string(found)),
        };
        let length = if let Mark::Text(quoted) = &mark {
            quoted.len()
        } else {
            1
        };
        self.0 = found.get(length..).unwrap_or_default();
        Some(mark)
    }
}

/// The string at the start of a text, to its closing quote or to the end.
fn leading_string(text: &[u8]) -> &[u8] {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.get(..=at).unwrap_or(text),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests;
