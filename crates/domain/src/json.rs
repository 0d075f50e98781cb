//! Strict JSON parsing, the same for every body and token.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::mem;

use serde_json::Value;
use serde_json::error::Category;

/// The maximum nesting depth of arrays and objects that [`parse_strict`] accepts.
pub const MAX_DEPTH: usize = 32;

/// The maximum number of members and elements in one text that [`parse_strict`] accepts.
///
/// An empty array or object counts twice. The limit exceeds the size of a user with the largest possible metadata.
pub const MAX_VALUES: usize = 40_000;

/// The member names that `serde_json` uses internally for numbers and raw text.
///
/// An object with such a name would be parsed as a different value.
const RESERVED_NAMES: [&str; 2] = [
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
];

/// The reason why a text is not accepted as JSON.
///
/// It contains neither positions nor values, so a response may include it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not one JSON text in UTF-8 (RFC 8259). Contains the parser's message.
    #[error("The text is not JSON: {0}.")]
    Malformed(String),
    /// Arrays and objects are nested more than [`MAX_DEPTH`] levels deep.
    #[error("The text has more than {MAX_DEPTH} levels of arrays and objects.")]
    TooDeep,
    /// There are more than [`MAX_VALUES`] members and elements.
    #[error("The text has more than {MAX_VALUES} members and elements.")]
    TooMany,
    /// An object on any level has two members of one name.
    #[error("The text has an object with two members of one name.")]
    DuplicateName,
}

/// Parses one JSON text (RFC 8259, with the restrictions of RFC 7493).
///
/// The text is UTF-8 without a byte order mark and without trailing data. It has at most [`MAX_DEPTH`] levels and at
/// most [`MAX_VALUES`] members and elements. No object has two members of one name; names are compared after
/// unescaping.
///
/// Numbers keep every digit, and members keep their order. An exponent gains its sign: `1e3` becomes `1e+3`.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, JsonError> {
    let names = check(bytes)?;
    let value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    names?;
    Ok(value)
}

/// Whether `serde_json` reserves a member name for internal use.
pub(crate) fn is_reserved_name(name: &str) -> bool {
    RESERVED_NAMES.contains(&name)
}

/// Checks the limits of a text before it is parsed.
///
/// The inner result is the check of the member names. It applies only if the text is valid JSON.
fn check(bytes: &[u8]) -> Result<Result<(), JsonError>, JsonError> {
    let mut open = OpenContainers::default();
    let mut names = Ok(());
    let mut values = 0_usize;
    for token in Tokens(bytes) {
        if matches!(token, Token::OpenObject | Token::OpenArray | Token::Comma) {
            values += 1;
        }
        // Keep the first error.
        names = names.and(open.advance(&token));
        if open.levels.len() > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        if values > MAX_VALUES {
            return Err(JsonError::TooMany);
        }
    }
    Ok(names)
}

/// The open arrays and objects at a position in a text, and the names in each object so far.
#[derive(Default)]
struct OpenContainers<'a> {
    levels: Vec<Option<BTreeSet<Cow<'a, str>>>>,
    name_is_next: bool,
}

impl<'a> OpenContainers<'a> {
    /// Processes a token. Fails on a reserved or repeated member name.
    fn advance(&mut self, token: &Token<'a>) -> Result<(), JsonError> {
        let is_name = mem::take(&mut self.name_is_next);
        match token {
            Token::OpenObject => {
                self.levels.push(Some(BTreeSet::new()));
                self.name_is_next = true;
            }
            Token::OpenArray => self.levels.push(None),
            Token::Close => {
                self.levels.pop();
            }
            Token::Comma => self.name_is_next = matches!(self.levels.last(), Some(Some(_))),
            Token::String(quoted) => {
                if let (true, Some(Some(names))) = (is_name, self.levels.last_mut()) {
                    let name = unquote(quoted)?;
                    if is_reserved_name(&name) {
                        return Err(reserved_name());
                    }
                    if !names.insert(name) {
                        return Err(JsonError::DuplicateName);
                    }
                }
            }
        }
        Ok(())
    }
}

fn unquote(quoted: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    if quoted.contains(&b'\\') {
        return serde_json::from_slice(quoted)
            .map(Cow::Owned)
            .map_err(|error| malformed(&error));
    }
    serde_json::from_slice(quoted)
        .map(Cow::Borrowed)
        .map_err(|error| malformed(&error))
}

fn reserved_name() -> JsonError {
    JsonError::Malformed("an object has a member name that is reserved".to_owned())
}

fn malformed(error: &serde_json::Error) -> JsonError {
    // Only syntax messages are fixed sentences. Others may contain parts of the text.
    if matches!(error.classify(), Category::Data | Category::Io) {
        return reserved_name();
    }
    let sentence = error.to_string();
    let sentence = sentence
        .rsplit_once(" at line ")
        .map_or(sentence.as_str(), |(what, _)| what);
    JsonError::Malformed(sentence.to_owned())
}

/// A structural token of a JSON text.
enum Token<'a> {
    OpenObject,
    OpenArray,
    Close,
    Comma,
    /// A string with its quotes.
    String(&'a [u8]),
}

/// An iterator over the tokens of a text. It accepts any bytes and is exact on valid JSON.
struct Tokens<'a>(&'a [u8]);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let at = self
            .0
            .iter()
            .position(|byte| matches!(byte, b'{' | b'[' | b'}' | b']' | b',' | b'"'))?;
        let found = self.0.get(at..)?;
        let token = match found.first()? {
            b'{' => Token::OpenObject,
            b'[' => Token::OpenArray,
            b'}' | b']' => Token::Close,
            b',' => Token::Comma,
            _ => Token::String(leading_string(found)),
        };
        let length = if let Token::String(quoted) = &token {
            quoted.len()
        } else {
            1
        };
        self.0 = found.get(length..).unwrap_or_default();
        Some(token)
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
