//! The lines of an import, one at a time, however long they and their file are.

use std::io::{self, BufRead};

/// The longest line that is looked at.
pub(super) const LONGEST_LINE: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1 on, as an editor counts.
    pub(super) number: u64,
    /// What stands in it, or as much of it as is looked at.
    pub(super) bytes: Vec<u8>,
    /// Whether there is more of it than is looked at.
    pub(super) is_too_long: bool,
    /// How many bytes of the file end with it.
    pub(super) end: u64,
}

impl Line {
    /// Tells whether there is nothing to import in it.
    pub(super) fn is_blank(&self) -> bool {
        !self.is_too_long && self.bytes.trim_ascii().is_empty()
    }
}

/// Reads lines. They end with LF or CR LF, the last perhaps with neither; a byte order mark at the beginning is left out.
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

    /// Reads the next line; nothing at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        // Two more for the line's end.
        let room = LONGEST_LINE + BYTE_ORDER_MARK.len() + 2;
        let begun = self.end;
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
            let kept = taken.min(room - bytes.len());
            bytes.extend(available.iter().take(kept));
            self.reader.consume(taken);
            self.end += taken as u64;
            if ends_at.is_some() {
                break;
            }
        }
        if self.end == begun {
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
            bytes: text.iter().copied().take(LONGEST_LINE).collect(),
            is_too_long: text.len() > LONGEST_LINE,
            end: self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &[u8]) -> Vec<Line> {
        // A buffer that cuts lines and their ends apart.
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
    fn lines_end_with_either_end_or_with_the_file() {
        assert_eq!(texts(b"one\r\ntwo\n\nfour"), ["one", "two", "", "four"]);
        assert_eq!(texts(b"one\n"), ["one"]);
        assert!(texts(b"").is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_left_out_at_the_beginning_only() {
        assert_eq!(
            texts("\u{feff}one\n\u{feff}two\n".as_bytes()),
            ["one", "\u{feff}two"]
        );
    }

    #[test]
    fn lines_are_counted_and_measured() {
        let places: Vec<(u64, u64)> = read(b"one\r\n\nthree")
            .iter()
            .map(|line| (line.number, line.end))
            .collect();
        assert_eq!(places, [(1, 5), (2, 6), (3, 11)]);
    }

    #[test]
    fn a_line_of_the_greatest_length_is_whole_and_a_longer_one_is_cut_and_the_next_one_is_not() {
        let longest = vec![b'x'; LONGEST_LINE];
        let text = [&longest[..], b"\r\n", &longest[..], b"y\r\nnext\n"].concat();
        let mut lines = Lines::new(BufReader::new(&text[..]));
        let first = lines.next().unwrap().unwrap();
        assert!(!first.is_too_long && first.bytes == longest);
        let second = lines.next().unwrap().unwrap();
        assert!(second.is_too_long && second.bytes.len() == LONGEST_LINE);
        let third = lines.next().unwrap().unwrap();
        assert_eq!((third.number, third.bytes.as_slice()), (3, &b"next"[..]));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn blank_lines_are_told_from_long_ones() {
        assert!(read(b" \t\r\n").iter().all(Line::is_blank));
        assert!(!read(b"{}\n").iter().any(Line::is_blank));
        let long = vec![b' '; LONGEST_LINE + 1];
        assert!(!read(&long).iter().any(Line::is_blank));
    }
}
