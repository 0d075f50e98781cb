//! Strict JSON parsing, the same for every body and token.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::{fmt, mem};

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

/// The reason why a text is not accepted as JSON, and where.
///
/// It contains no values, so a response may include it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not one JSON text in UTF-8 (RFC 8259). Contains the parser's message.
    #[error("The text is not JSON: {0} at {1}.")]
    Malformed(String, TextPosition),
    /// Arrays and objects are nested more than [`MAX_DEPTH`] levels deep.
    #[error("The text has more than {MAX_DEPTH} levels of arrays and objects at {0}.")]
    TooDeep(TextPosition),
    /// There are more than [`MAX_VALUES`] members and elements.
    #[error("The text has more than {MAX_VALUES} members and elements at {0}.")]
    TooMany(TextPosition),
    /// An object on any level has two members of one name. Contains the position of the second.
    #[error("The text has an object with two members of one name; the second is at {0}.")]
    DuplicateName(TextPosition),
}

/// A position in a text. Lines and columns are counted from 1, and columns in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The column. It is 0 for the end of a text that ends with a line break.
    pub column: usize,
}

/// Why a member name is not accepted.
enum NameError {
    Malformed(String),
    Duplicate,
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
    for (at, token) in Tokens::of(bytes) {
        if matches!(token, Token::OpenObject | Token::OpenArray | Token::Comma) {
            values += 1;
        }
        let advanced = open.advance(&token);
        // The first error is kept. Its position is found only once, as that takes a pass over the text.
        if names.is_ok()
            && let Err(error) = advanced
        {
            let position = TextPosition::of(bytes, at);
            names = Err(match error {
                NameError::Malformed(reason) => JsonError::Malformed(reason, position),
                NameError::Duplicate => JsonError::DuplicateName(position),
            });
        }
        if open.levels.len() > MAX_DEPTH {
            return Err(JsonError::TooDeep(TextPosition::of(bytes, at)));
        }
        if values > MAX_VALUES {
            return Err(JsonError::TooMany(TextPosition::of(bytes, at)));
        }
    }
    Ok(names)
}

impl TextPosition {
    /// Returns the position of the byte at an offset.
    fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let is_break = |byte: &u8| *byte == b'\n';
        let last_line = before.rsplit(is_break).next().unwrap_or_default();
        Self {
            line: before.split(is_break).count(),
            column: last_line.len() + 1,
        }
    }
}

impl fmt::Display for TextPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The open arrays and objects at a position in a text, and the names in each object so far.
#[derive(Default)]
struct OpenContainers<'a> {
    levels: Vec<Option<BTreeSet<Cow<'a, str>>>>,
    name_is_next: bool,
}

impl<'a> OpenContainers<'a> {
    /// Processes a token. Fails on a reserved or repeated member name.
    fn advance(&mut self, token: &Token<'a>) -> Result<(), NameError> {
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
                        return Err(NameError::Malformed(RESERVED_NAME.to_owned()));
                    }
                    if !names.insert(name) {
                        return Err(NameError::Duplicate);
                    }
                }
            }
        }
        Ok(())
    }
}

fn unquote(quoted: &[u8]) -> Result<Cow<'_, str>, NameError> {
    let failed = |error: serde_json::Error| NameError::Malformed(reason(&error));
    if quoted.contains(&b'\\') {
        return serde_json::from_slice(quoted)
            .map(Cow::Owned)
            .map_err(failed);
    }
    serde_json::from_slice(quoted)
        .map(Cow::Borrowed)
        .map_err(failed)
}

const RESERVED_NAME: &str = "an object has a member name that is reserved";

fn malformed(error: &serde_json::Error) -> JsonError {
    let position = TextPosition {
        line: error.line(),
        column: error.column(),
    };
    JsonError::Malformed(reason(error), position)
}

/// Returns the message of the parser without the position.
fn reason(error: &serde_json::Error) -> String {
    // Only syntax messages are fixed sentences. Others may contain parts of the text.
    if matches!(error.classify(), Category::Data | Category::Io) {
        return RESERVED_NAME.to_owned();
    }
    let sentence = error.to_string();
    let sentence = sentence
        .rsplit_once(" at line ")
        .map_or(sentence.as_str(), |(what, _)| what);
    sentence.to_owned()
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

/// An iterator over the tokens of a text, each with its offset. It accepts any bytes and is exact on valid JSON.
struct Tokens<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            offset: 0,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let skipped = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b'{' | b'[' | b'}' | b']' | b',' | b'"'))?;
        let found = self.rest.get(skipped..)?;
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
        let at = self.offset + skipped;
        self.rest = found.get(length..).unwrap_or_default();
        self.offset = at + length;
        Some((at, token))
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
