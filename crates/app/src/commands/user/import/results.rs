//! The results file of an import, from which an interrupted import resumes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use user_domain::import::Imported;
use user_domain::values::UserId;
use user_http::FaultBody;

use super::summary::{LineOutcome, Summary};

/// The result of one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineResult<'a> {
    pub(super) outcome: Result<Imported, &'a [FaultBody]>,
    /// The changed fields of an existing user.
    pub(super) changed: &'a [String],
    /// Whether the id of the user is final. A dry run does not know the id of a user that it would create.
    pub(super) has_id: bool,
}

/// The start of every line. It identifies a results file that was truncated within its first line.
const LINE_PREFIX: &[u8] = br#"{"line":"#;

/// An open results file.
pub(super) struct Results {
    out: BufWriter<File>,
    is_dry_run: bool,
}

/// The content of an existing results file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PreviousResults {
    /// The number of the last line with a result; 0 if there is none.
    pub(super) line: u64,
    /// The digest of that line.
    pub(super) digest: String,
    /// The number of lines by outcome.
    pub(super) summary: Summary,
    /// The users of the lines, each with its line number.
    pub(super) users: Vec<(UserId, u64)>,
}

#[derive(Serialize)]
struct ResultRecord<'a> {
    line: u64,
    digest: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<UserId>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    changed: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FaultBody]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

#[derive(Deserialize)]
struct ParsedResult {
    line: u64,
    digest: String,
    outcome: String,
    #[serde(default)]
    id: Option<UserId>,
    #[serde(default)]
    dry_run: bool,
}

impl Results {
    /// Creates a results file.
    ///
    /// Only its owner can read it: it maps lines to users.
    pub(super) fn create(path: &Path, is_dry_run: bool) -> Result<Self, String> {
        let created = owner_only().write(true).create_new(true).open(path);
        let file = created.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "{} exists already: continue it with --resume, or name another file",
                path.display()
            ),
            _ => file_error(path, &error),
        })?;
        Ok(Self::with_file(file, is_dry_run))
    }

    /// Opens an existing results file, or creates it. An incomplete last line, which a killed process left, is removed.
    /// A file with other content is refused and not changed.
    pub(super) fn resume(path: &Path) -> Result<(Self, PreviousResults), String> {
        let fail = |error: &io::Error| file_error(path, error);
        let file = owner_only()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| fail(&error))?;
        let (previous, truncated) = read(&file)
            .map_err(|error| fail(&error))?
            .map_err(|reason| format!("{} {reason}", path.display()))?;
        if let Some(valid_length) = truncated {
            file.set_len(valid_length).map_err(|error| fail(&error))?;
        }
        Ok((Self::with_file(file, false), previous))
    }

    fn with_file(file: File, is_dry_run: bool) -> Self {
        Self {
            out: BufWriter::new(file),
            is_dry_run,
        }
    }

    /// Appends the result of a line.
    pub(super) fn write(
        &mut self,
        line: u64,
        digest: &str,
        line_result: LineResult<'_>,
    ) -> io::Result<()> {
        let written = ResultRecord {
            line,
            digest,
            outcome: LineOutcome::of(&line_result.outcome).name(),
            id: line_result
                .outcome
                .ok()
                .filter(|_| line_result.has_id)
                .map(Imported::id),
            changed: line_result.changed,
            errors: line_result.outcome.err(),
            dry_run: self.is_dry_run,
        };
        serde_json::to_writer(&mut self.out, &written)?;
        self.out.write_all(b"\n")
    }

    /// Passes buffered results to the operating system, so that they survive a crash of the process.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn file_error(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Whether the text can be the incomplete last line of a results file.
fn is_truncated_result(text: &[u8]) -> bool {
    text.starts_with(LINE_PREFIX) || LINE_PREFIX.starts_with(text)
}

/// Reads all complete results. Returns the length up to the last complete line too, if an incomplete line follows.
fn read(file: &File) -> io::Result<Result<(PreviousResults, Option<u64>), &'static str>> {
    const NOT_RESULTS: &str = "does not contain the results of an import, and was not changed";
    let mut reader = BufReader::new(file);
    let (mut previous, mut valid_length) = (PreviousResults::default(), 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(Ok((previous, None)));
        }
        if text.last() != Some(&b'\n') {
            return Ok(if is_truncated_result(&text) {
                Ok((previous, Some(valid_length)))
            } else {
                Err(NOT_RESULTS)
            });
        }
        let Ok(result) = serde_json::from_slice::<ParsedResult>(&text) else {
            return Ok(Err(NOT_RESULTS));
        };
        let kind = LineOutcome::from_name(&result.outcome);
        let (Some(kind), true) = (kind, result.line > previous.line) else {
            return Ok(Err(NOT_RESULTS));
        };
        if result.dry_run {
            return Ok(Err(
                "contains the results of a dry run, which wrote nothing",
            ));
        }
        previous.summary.count(kind);
        previous.users.extend(result.id.map(|id| (id, result.line)));
        previous.line = result.line;
        previous.digest = result.digest;
        valid_length += length as u64;
    }
}

#[cfg(test)]
mod tests;
