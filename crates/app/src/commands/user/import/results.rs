//! What became of each line, in a file: what an import goes on from.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use user_domain::import::Imported;
use user_domain::values::UserId;
use user_http::FaultBody;

use super::tally::{Kind, Tally};

/// What became of one line.
pub(super) type Settled<'a> = Result<Imported, &'a [FaultBody]>;

/// What every line begins with, and how a file that was torn in its first line is known.
const BEGINNING: &[u8] = br#"{"line":"#;

/// A file of results, open to go on.
pub(super) struct Results {
    out: BufWriter<File>,
    is_rehearsal: bool,
}

/// What earlier results tell of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Earlier {
    /// The last line that is done; 0 if none is.
    pub(super) line: u64,
    /// What tells that line from another.
    pub(super) digest: String,
    /// How many lines came to what.
    pub(super) tally: Tally,
}

#[derive(Serialize)]
struct Written<'a> {
    line: u64,
    digest: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FaultBody]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Read {
    line: u64,
    digest: String,
    outcome: String,
    #[serde(default)]
    dry_run: bool,
}

impl Results {
    /// Begins a file that is not there yet.
    ///
    /// It is for its owner only: it tells which line is which user.
    pub(super) fn begin(path: &Path, is_rehearsal: bool) -> Result<Self, String> {
        let created = for_owner().write(true).create_new(true).open(path);
        let file = created.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "{} is there already: go on from it by --resume, or name another file",
                path.display()
            ),
            _ => unusable(path, &error),
        })?;
        Ok(Self::on(file, is_rehearsal))
    }

    /// Goes on behind earlier results, if there are any. A last line without its end was torn by a kill, and is cut off,
    /// if it is a piece of what is written here. Any other file is refused and left as it is.
    pub(super) fn resume(path: &Path, is_rehearsal: bool) -> Result<(Self, Earlier), String> {
        let failed = |error: &io::Error| unusable(path, error);
        let file = for_owner()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| failed(&error))?;
        let (earlier, torn) = read(&file, is_rehearsal)
            .map_err(|error| failed(&error))?
            .map_err(|reason| format!("{} {reason}", path.display()))?;
        if let Some(sound) = torn {
            file.set_len(sound).map_err(|error| failed(&error))?;
        }
        Ok((Self::on(file, is_rehearsal), earlier))
    }

    fn on(file: File, is_rehearsal: bool) -> Self {
        Self {
            out: BufWriter::new(file),
            is_rehearsal,
        }
    }

    /// Writes what became of a line.
    pub(super) fn write(
        &mut self,
        line: u64,
        digest: &str,
        settled: Settled<'_>,
    ) -> io::Result<()> {
        let written = Written {
            line,
            digest,
            outcome: Kind::of(&settled).name(),
            id: settled.ok().map(|imported| match imported {
                Imported::Created(id) | Imported::Updated(id) | Imported::Unchanged(id) => id,
            }),
            errors: settled.err(),
            dry_run: self.is_rehearsal,
        };
        serde_json::to_writer(&mut self.out, &written)?;
        self.out.write_all(b"\n")
    }

    /// Makes what was written outlive the process.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn for_owner() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn unusable(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Tells whether a kill may have left this of a line.
fn is_torn(text: &[u8]) -> bool {
    text.starts_with(BEGINNING) || BEGINNING.starts_with(text)
}

/// Reads results to their last whole line, and tells where that ends if something torn is behind it.
fn read(
    file: &File,
    is_rehearsal: bool,
) -> io::Result<Result<(Earlier, Option<u64>), &'static str>> {
    const OTHER: &str = "does not hold the results of an import, and was left as it is";
    let mut reader = BufReader::new(file);
    let (mut earlier, mut sound) = (Earlier::default(), 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(Ok((earlier, None)));
        }
        if text.last() != Some(&b'\n') {
            return Ok(if is_torn(&text) {
                Ok((earlier, Some(sound)))
            } else {
                Err(OTHER)
            });
        }
        let Ok(result) = serde_json::from_slice::<Read>(&text) else {
            return Ok(Err(OTHER));
        };
        let kind = Kind::from_name(&result.outcome);
        let (Some(kind), true) = (kind, result.line > earlier.line) else {
            return Ok(Err(OTHER));
        };
        if result.dry_run != is_rehearsal {
            return Ok(Err(if result.dry_run {
                "holds the results of a dry run, which wrote nothing"
            } else {
                "holds the results of an import that was no dry run"
            }));
        }
        earlier.tally.count(kind);
        earlier.line = result.line;
        earlier.digest = result.digest;
        sound += length as u64;
    }
}

#[cfg(test)]
mod tests;
