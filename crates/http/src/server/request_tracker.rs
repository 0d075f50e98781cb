//! Tracks the requests in the bytes of a connection, and percent-encodes non-ASCII bytes in their request targets.
//!
//! Many clients, curl among them, send a path or query as it was typed. actix-http refuses bytes outside ASCII there.
//! By RFC 3986, such characters have one meaning in a URI: the percent-encoding of their UTF-8.

use memchr::{memchr, memchr_iter, memchr2};
use percent_encoding::{AsciiSet, percent_encode};

/// The maximum number of bytes of a request before its body, empty lines included.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The number of bytes of a method that are kept: one more than the length of CONNECT.
const MAX_METHOD_BYTES: usize = 8;

/// The parser state of the requests of one connection.
///
/// A change inside a body would move the start of the next request. The requests are therefore tracked exactly as
/// actix-http parses them. If that is not certain, nothing more is rewritten on the connection.
#[derive(Debug, Default)]
pub(super) struct RequestTracker {
    state: State,
    /// The number of bytes of the current request before its body.
    head_length: usize,
    /// The start of a method or header field that has not arrived completely.
    partial: Vec<u8>,
}

/// The result of tracking received bytes.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of bytes that belong to the current request.
    pub(super) taken: usize,
    /// Their replacement, if they were rewritten.
    pub(super) rewritten: Option<Vec<u8>>,
    /// Whether these bytes complete the header fields of the request.
    pub(super) is_head_complete: bool,
    /// Whether the request has too many bytes before its body.
    pub(super) is_too_large: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    /// Before a request; empty lines are skipped.
    #[default]
    BetweenRequests,
    Method,
    /// After the method, up to the end of the request line.
    Target {
        is_connect: bool,
    },
    Fields(Framing),
    Body {
        left: u64,
    },
    ChunkSize {
        size: Option<u64>,
    },
    /// After the size of a chunk, up to the end of the line.
    ChunkLine {
        size: u64,
    },
    ChunkData {
        left: u64,
    },
    /// After the data of a chunk, up to the end of the line.
    ChunkEnd,
    /// At the start of a line after the last chunk.
    TrailerStart,
    /// After the first byte of such a line, up to its carriage return.
    Trailer,
    TrailerEnd,
    /// After the carriage return of the empty line that ends the body.
    LastLineEnd,
    /// Requests are no longer tracked: the bytes are not HTTP/1.1, or belong to the last request.
    Untracked,
}

/// The framing of a request, according to the header fields so far.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Framing {
    body: BodyLength,
    is_websocket: bool,
    is_connect: bool,
}

/// The length of the body, according to the header fields so far.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum BodyLength {
    /// No field with a length, so that there is no body.
    #[default]
    Unset,
    Bytes(u64),
    Chunked,
    /// The fields are malformed or contradictory. actix-http refuses the request only after all header fields have
    /// arrived. Until then their deadline and their size limit apply.
    Invalid,
}

impl RequestTracker {
    /// Whether the next byte belongs to a new request.
    pub(super) fn is_between_requests(&self) -> bool {
        self.state == State::BetweenRequests
    }

    /// Whether a part of the header fields of a request has arrived.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(
            self.state,
            State::Method | State::Target { .. } | State::Fields(_)
        )
    }

    /// Tracks received bytes, at most up to the end of the current request.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Progress {
        if self.state == State::BetweenRequests && is_simple_get(bytes) {
            self.head_length = 0;
            return Progress {
                taken: bytes.len(),
                is_head_complete: true,
                ..Progress::default()
            };
        }
        let mut progress = Progress::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let was_between = self.is_between_requests();
            let is_target = matches!(self.state, State::Target { .. });
            let is_head = was_between || self.is_in_head();
            let (taken, left) = rest.split_at(self.advance(rest).min(rest.len()));
            let is_encoded = is_target && !taken.is_ascii();
            if is_encoded && progress.rewritten.is_none() {
                let mut copy = Vec::with_capacity(bytes.len() * 2);
                copy.extend_from_slice(bytes.get(..progress.taken).unwrap_or_default());
                progress.rewritten = Some(copy);
            }
            if let Some(rewritten) = &mut progress.rewritten {
                if is_encoded {
                    let encoded = percent_encode(taken, &AsciiSet::EMPTY);
                    rewritten.extend(encoded.flat_map(str::bytes));
                } else {
                    rewritten.extend_from_slice(taken);
                }
            }
            progress.taken += taken.len();
            rest = left;
            if is_head {
                self.head_length += taken.len();
                progress.is_head_complete |= !was_between && !self.is_in_head();
            }
            if !is_head || progress.is_head_complete {
                self.head_length = 0;
            }
            if self.head_length > MAX_HEAD_BYTES {
                progress.is_too_large = true;
                return progress;
            }
            if self.is_between_requests() && !was_between {
                break;
            }
        }
        progress
    }

    /// Advances at most to the next change of state. Returns the number of consumed bytes, at least one.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            State::BetweenRequests => {
                // The first byte of the method is read again by the next state.
                if !matches!(bytes.first(), Some(b'\r' | b'\n')) {
                    self.state = State::Method;
                    return self.advance(bytes);
                }
                1
            }
            State::Method => {
                let end = memchr2(b' ', b'\n', bytes);
                let word = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                let capacity = MAX_METHOD_BYTES.saturating_sub(self.partial.len());
                self.partial.extend(word.iter().take(capacity));
                self.state = match end.and_then(|end| bytes.get(end)) {
                    Some(b' ') => State::Target {
                        is_connect: self.partial == b"CONNECT",
                    },
                    Some(_) => State::Untracked,
                    None => State::Method,
                };
                if end.is_some() {
                    self.partial.clear();
                }
                up_to(end, bytes)
            }
            State::Target { is_connect } => {
                let end = memchr(b'\n', bytes);
                if end.is_some() {
                    self.state = State::Fields(Framing {
                        is_connect,
                        ..Framing::default()
                    });
                }
                up_to(end, bytes)
            }
            State::Fields(framing) => {
                let end = memchr(b'\n', bytes);
                let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                if end.is_none() || !self.partial.is_empty() {
                    self.partial.extend_from_slice(line);
                }
                if end.is_some() {
                    // Taken, so that the connection does not keep the memory of a long field.
                    let partial = std::mem::take(&mut self.partial);
                    let line = if partial.is_empty() { line } else { &partial };
                    self.state = after_field(line.strip_suffix(b"\r").unwrap_or(line), framing);
                }
                up_to(end, bytes)
            }
            State::Body { left } => {
                let taken = take(left, bytes);
                self.state = match left - taken as u64 {
                    0 => State::BetweenRequests,
                    left => State::Body { left },
                };
                taken
            }
            State::Untracked => bytes.len(),
            _ => self.advance_chunks(bytes),
        }
    }

    /// Advances in a chunked body.
    fn advance_chunks(&mut self, bytes: &[u8]) -> usize {
        let first = bytes.first().copied().unwrap_or_default();
        let line_end = memchr(b'\n', bytes);
        let (state, taken) = match self.state {
            State::ChunkSize { size } => (after_digit(first, size), 1),
            State::ChunkLine { size } => match line_end {
                None => (self.state, bytes.len()),
                Some(_) if size == 0 => (State::TrailerStart, up_to(line_end, bytes)),
                Some(_) => (State::ChunkData { left: size }, up_to(line_end, bytes)),
            },
            State::ChunkData { left } => {
                let taken = take(left, bytes);
                match left - taken as u64 {
                    0 => (State::ChunkEnd, taken),
                    left => (State::ChunkData { left }, taken),
                }
            }
            State::ChunkEnd => match line_end {
                None => (State::ChunkEnd, bytes.len()),
                Some(_) => (State::ChunkSize { size: None }, up_to(line_end, bytes)),
            },
            State::TrailerStart if first == b'\r' => (State::LastLineEnd, 1),
            State::TrailerStart => (State::Trailer, 1),
            State::Trailer => match memchr(b'\r', bytes) {
                None => (State::Trailer, bytes.len()),
                end => (State::TrailerEnd, up_to(end, bytes)),
            },
            State::TrailerEnd if first == b'\n' => (State::TrailerStart, 1),
            State::LastLineEnd if first == b'\n' => (State::BetweenRequests, 1),
            _ => (State::Untracked, bytes.len()),
        };
        self.state = state;
        taken
    }
}

/// Returns the state after a byte of the size of a chunk.
fn after_digit(byte: u8, size: Option<u64>) -> State {
    match (char::from(byte).to_digit(16), size, byte) {
        (Some(digit), size, _) => {
            let size = size.unwrap_or_default().checked_mul(16);
            size.map_or(State::Untracked, |size| State::ChunkSize {
                size: Some(size + u64::from(digit)),
            })
        }
        (None, Some(size), b' ' | b'\t' | b';' | b'\r') => State::ChunkLine { size },
        _ => State::Untracked,
    }
}

/// Returns how many of these bytes belong to an element with `left` remaining bytes.
fn take(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

/// Whether these bytes are one complete ASCII request without a body, as most reads are. Tracking it line by line has
/// the same result, with four times the instructions.
fn is_simple_get(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GET ")
        && bytes.ends_with(b"\r\n\r\n")
        && bytes.is_ascii()
        && bytes.len() <= MAX_HEAD_BYTES
        && !memchr_iter(b'\n', bytes)
            .any(|end| may_be_framing(bytes.get(end + 1..).unwrap_or_default()))
}

/// Whether a line may be Content-Length, Transfer-Encoding or Upgrade, or end the request before the last line. It
/// compares two bytes: a line that only looks like such a field costs nothing but time.
fn may_be_framing(line: &[u8]) -> bool {
    let lower = |index: usize| line.get(index).map(u8::to_ascii_lowercase);
    match lower(0) {
        Some(b'c') => lower(8) == Some(b'l'),
        Some(b't') => lower(8) == Some(b'-'),
        Some(b'u') => lower(1) == Some(b'p'),
        Some(b'\r') => line.len() > 2,
        Some(b'\n') => true,
        _ => false,
    }
}

/// Returns the number of bytes up to and including this end of a line or word.
fn up_to(end: Option<usize>, bytes: &[u8]) -> usize {
    end.map_or(bytes.len(), |end| end + 1)
}

/// Returns the state after a header field, or after the empty line that ends the fields.
fn after_field(line: &[u8], framing: Framing) -> State {
    let Some(first) = line.first() else {
        return match framing.body {
            BodyLength::Invalid => State::Untracked,
            BodyLength::Chunked => State::ChunkSize { size: None },
            // All further bytes belong to this request.
            _ if framing.is_websocket => State::Untracked,
            BodyLength::Unset | BodyLength::Bytes(0) if framing.is_connect => State::Untracked,
            BodyLength::Unset | BodyLength::Bytes(0) => State::BetweenRequests,
            BodyLength::Bytes(left) => State::Body { left },
        };
    };
    if !matches!(first.to_ascii_lowercase(), b'c' | b't' | b'u') {
        return State::Fields(framing);
    }
    let mut parts = line.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let value = parts.next().unwrap_or_default().trim_ascii();
    let is_named = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let declared = if is_named("content-length") {
        Some(length(value).map_or(BodyLength::Invalid, BodyLength::Bytes))
    } else if is_named("transfer-encoding") {
        let is_chunked = value.eq_ignore_ascii_case(b"chunked");
        Some(if is_chunked {
            BodyLength::Chunked
        } else {
            BodyLength::Invalid
        })
    } else {
        None
    };
    let body = match (framing.body, declared) {
        (body, None) => body,
        (BodyLength::Unset, Some(declared)) => declared,
        _ => BodyLength::Invalid,
    };
    let is_websocket = is_named("upgrade") && value.eq_ignore_ascii_case(b"websocket");
    State::Fields(Framing {
        body,
        is_websocket: framing.is_websocket || is_websocket,
        ..framing
    })
}

fn length(digits: &[u8]) -> Option<u64> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
