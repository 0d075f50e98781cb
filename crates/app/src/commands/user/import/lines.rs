//! Reads the lines of an import one at a time, with bounded memory.

use std::io::{self, BufRead};

/// The maximum length of a line, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A line without its line ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, starting at 1.
    pub(super) number: u64,
    /// Its content, truncated if it is too long.
    pub(super) bytes: Vec<u8>,
    /// Whether it is longer than the maximum.
    pub(super) is_too_long: bool,
    /// The offset of its end in the file.
    pub(super) end: u64,
}

impl Line {
    /// Whether it has nothing to import.
    pub(super) fn is_blank(&self) -> bool {
        !self.is_too_long && self.bytes.trim_ascii().is_empty()
    }
}

/// Reads lines that end with LF or CR LF. The last line may have no line ending. A byte order mark at the start of the
/// file is skipped.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    end: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            number: 0,
            end: 0,
        }
    }

    /// Reads the next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        // Two more bytes for the line ending.
        let capacity = MAX_LINE_BYTES + BYTE_ORDER_MARK.len() + 2;
        let started = self.end;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            let ends_at = available.iter().position(|byte| *byte == b'\n');
            let taken = ends_at.map_or(available.len(), |at| at + 1);
            let kept = taken.min(capacity - bytes.len());
            bytes.extend(available.iter().take(kept));
            self.reader.consume(taken);
            self.end += taken as u64;
            if ends_at.is_some() {
                break;
            }
        }
        if self.end == started {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(self.line(&bytes)))
    }

    fn line(&self, read: &[u8]) -> Line {
        let mut text = read.strip_suffix(b"\n").unwrap_or(read);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if self.number == 1 {
            text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        }
        Line {
            number: self.number,
            bytes: text.iter().copied().take(MAX_LINE_BYTES).collect(),
            is_too_long: text.len() > MAX_LINE_BYTES,
            end: self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &[u8]) -> Vec<Line> {
        // A buffer so small that lines and line endings span several reads.
        let mut lines = Lines::new(BufReader::with_capacity(3, text));
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    fn texts(text: &[u8]) -> Vec<String> {
        read(text)
            .into_iter()
            .map(|line| String::from_utf8(line.bytes).unwrap())
            .collect()
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_end_of_the_file() {
        assert_eq!(texts(b"one\r\ntwo\n\nfour"), ["one", "two", "", "four"]);
        assert_eq!(texts(b"one\n"), ["one"]);
        assert!(texts(b"").is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_skipped_only_at_the_start() {
        assert_eq!(
            texts("\u{feff}one\n\u{feff}two\n".as_bytes()),
            ["one", "\u{feff}two"]
        );
    }

    #[test]
    fn lines_have_numbers_and_offsets() {
        let places: Vec<(u64, u64)> = read(b"one\r\n\nthree")
            .iter()
            .map(|line| (line.number, line.end))
            .collect();
        assert_eq!(places, [(1, 5), (2, 6), (3, 11)]);
    }

    #[test]
    fn only_lines_over_the_maximum_length_are_truncated() {
        let longest = vec![b'x'; MAX_LINE_BYTES];
        let text = [&longest[..], b"\r\n", &longest[..], b"y\r\nnext\n"].concat();
        let mut lines = Lines::new(BufReader::new(&text[..]));
        let first = lines.next().unwrap().unwrap();
        assert!(!first.is_too_long && first.bytes == longest);
        let second = lines.next().unwrap().unwrap();
        assert!(second.is_too_long && second.bytes.len() == MAX_LINE_BYTES);
        let third = lines.next().unwrap().unwrap();
        assert_eq!((third.number, third.bytes.as_slice()), (3, &b"next"[..]));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_too_long_line_of_spaces_is_not_blank() {
        assert!(read(b" \t\r\n").iter().all(Line::is_blank));
        assert!(!read(b"{}\n").iter().any(Line::is_blank));
        let long = vec![b' '; MAX_LINE_BYTES + 1];
        assert!(!read(&long).iter().any(Line::is_blank));
    }
}
