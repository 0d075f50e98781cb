//! Reads, parses and validates lines on a separate thread, while the previous batch is written.

use std::io::BufRead;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use user_domain::caller::Caller;
use user_domain::import::{Import, MAX_IMPORT_BATCH};
use user_domain::json;
use user_domain::use_cases::ImportUsers;
use user_domain::{Fault, Violation};
use user_http::{FaultBody, read_record, render_faults};

use super::lines::{Line, Lines, MAX_LINE_BYTES};

/// The maximum size of a batch, so that its statements complete within their timeout.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// The maximum number of batches that wait to be written.
const MAX_WAITING_BATCHES: usize = 2;

/// A line that is not blank.
pub(super) struct ParsedLine {
    /// Its number.
    pub(super) line: u64,
    /// Its digest.
    pub(super) digest: String,
    /// The offset of its end in the file.
    pub(super) end: u64,
    /// Its record, or why it is refused.
    pub(super) record: Result<Import, Vec<FaultBody>>,
}

/// Parsed lines, none at the end of the file; or why the file cannot be read.
pub(super) type Batch = Result<Vec<ParsedLine>, String>;

/// Starts the reading thread. It ends at the end of the file, or when the receiver is dropped.
pub(super) fn read_ahead<R: BufRead + Send + 'static>(
    mut lines: Lines<R>,
    use_case: ImportUsers,
) -> mpsc::Receiver<Batch> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING_BATCHES);
    std::thread::spawn(move || {
        loop {
            let batch = next_batch(&mut lines, &use_case);
            let is_last = batch.as_ref().map_or(true, Vec::is_empty);
            if sender.blocking_send(batch).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

fn next_batch<R: BufRead>(lines: &mut Lines<R>, use_case: &ImportUsers) -> Batch {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < MAX_IMPORT_BATCH && bytes < MAX_BATCH_BYTES {
        let line = lines
            .next()
            .map_err(|error| format!("cannot read the lines: {error}"))?;
        let Some(line) = line else { break };
        if line.is_blank() {
            continue;
        }
        bytes += line.bytes.len();
        batch.push(ParsedLine {
            line: line.number,
            digest: digest(&line),
            end: line.end,
            record: record(&line, use_case),
        });
    }
    Ok(batch)
}

/// Returns a 32-bit digest of a line. It detects accidental differences, not intentional collisions.
pub(super) fn digest(line: &Line) -> String {
    let digest = Sha256::digest(&line.bytes);
    let first = digest.iter().take(4);
    let number = first.fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
    format!("{number:08x}")
}

fn record(line: &Line, use_case: &ImportUsers) -> Result<Import, Vec<FaultBody>> {
    document(line)
        .and_then(|document| use_case.check(&Caller::Operator, read_record(document), line.number))
        .map_err(|faults| render_faults(&faults))
}

fn document(line: &Line) -> Result<Map<String, Value>, Vec<Fault>> {
    let refused = |code, detail: String| vec![Fault::new("", &Violation::new(code, detail))];
    if line.is_too_long {
        let rule = format!("The line must have at most {MAX_LINE_BYTES} bytes.");
        return Err(refused("too_long", rule));
    }
    if std::str::from_utf8(&line.bytes).is_err() {
        return Err(refused("invalid_utf8", "The line is not UTF-8.".to_owned()));
    }
    match json::parse_strict(&line.bytes) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(refused("type", "The line must be an object.".to_owned())),
        Err(fault) => Err(refused("malformed_json", fault.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Line {
        let mut lines = Lines::new(text);
        lines.next().unwrap().unwrap()
    }

    fn refusal(text: &[u8]) -> String {
        let faults = document(&line(text)).unwrap_err();
        assert!(faults[0].path().is_empty());
        faults[0].code().to_owned()
    }

    #[test]
    fn lines_that_are_not_json_objects_are_refused_with_a_reason() {
        for (text, code) in [
            (&b"[1]"[..], "type"),
            (b"null", "type"),
            (b"{\"username\":\"ann\"", "malformed_json"),
            (b"{} {}", "malformed_json"),
            (b"username,email", "malformed_json"),
            (b"{\"a\":1,\"a\":2}", "malformed_json"),
            (b"{\"username\":\"\xff\"}", "invalid_utf8"),
        ] {
            assert_eq!(refusal(text), code, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(refusal(&vec![b' '; MAX_LINE_BYTES + 1]), "too_long");
        assert!(document(&line(b"\xef\xbb\xbf {} \r\n")).unwrap().is_empty());
    }

    #[test]
    fn digests_depend_on_the_text_and_not_on_the_line_ending() {
        assert_ne!(digest(&line(b"{}")), digest(&line(b"{ }")));
        assert_eq!(digest(&line(b"{}\r\n")), digest(&line(b"{}")));
        assert_eq!(digest(&line(b"{}")).len(), 8);
    }
}
