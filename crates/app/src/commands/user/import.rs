//! `user import`: batch after batch, each recorded once it is in the database.

mod entries;
mod lines;
mod pace;
mod progress;
mod results;
mod tally;

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::Path;
use std::time::Instant;

use tokio::sync::mpsc;
use user_domain::import::{Import, ImportOutcome};
use user_domain::use_cases::{ImportMode, ImportUsers};
use user_http::{FaultBody, show_faults};

use self::entries::{Batch, Entry};
use self::lines::Lines;
use self::pace::{Pace, Rhythm};
use self::progress::Progress;
use self::results::{Earlier, Results, Settled};
use self::tally::{Kind, Tally};
use super::on_users;
use crate::cli::{ImportArguments, Outcome};
use crate::commands::{failed, result, say};

/// How much of the file is read at a time.
const BUFFER: usize = 256 * 1024;

pub(crate) async fn run(arguments: &ImportArguments) -> Outcome {
    let input = match Input::open(&arguments.file) {
        Ok(input) => input,
        Err(reason) => return misused(&reason),
    };
    on_users(async |settings, use_cases| {
        let rhythm = Rhythm::of(&settings.database.target);
        import(arguments, input, use_cases.import_users, rhythm).await
    })
    .await
}

async fn import(
    arguments: &ImportArguments,
    input: Input,
    use_case: ImportUsers,
    rhythm: Rhythm,
) -> Outcome {
    let (results, earlier) = match open_results(arguments) {
        Ok(opened) => opened,
        Err(reason) => return misused(&reason),
    };
    let mut lines = Lines::new(input.reader);
    if let Err(reason) = skip(&mut lines, &earlier) {
        return misused(&reason);
    }
    let mode = if arguments.dry_run {
        ImportMode::Rehearse
    } else {
        ImportMode::Write
    };
    let import = Run {
        pace: Pace::new(use_case.clone(), mode, rhythm),
        results,
        progress: Progress::new(input.bytes),
        tally: earlier.tally,
    };
    let before = earlier.tally.lines();
    import
        .finish(entries::read_ahead(lines, use_case), before, mode)
        .await
}

/// What is imported, and how much of it there is, if that is known.
struct Input {
    reader: Box<dyn BufRead + Send>,
    bytes: Option<u64>,
}

impl Input {
    fn open(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            if io::stdin().is_terminal() {
                say("reading lines from the terminal; end with Ctrl-D");
            }
            return Ok(Self {
                reader: Box::new(BufReader::with_capacity(BUFFER, io::stdin())),
                bytes: None,
            });
        }
        let unreadable = |error: io::Error| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(format!("{} is a folder", path.display()));
        }
        Ok(Self {
            // A pipe has a name but no length.
            bytes: metadata.is_file().then_some(metadata.len()),
            reader: Box::new(BufReader::with_capacity(BUFFER, file)),
        })
    }
}

fn open_results(arguments: &ImportArguments) -> Result<(Option<Results>, Earlier), String> {
    let Some(path) = &arguments.results else {
        return Ok((None, Earlier::default()));
    };
    if arguments.resume {
        let (results, earlier) = Results::resume(path, arguments.dry_run)?;
        return Ok((Some(results), earlier));
    }
    let results = Results::begin(path, arguments.dry_run)?;
    Ok((Some(results), Earlier::default()))
}

/// Leaves out the lines that earlier results tell of, after a look at whether they are of these lines.
fn skip<R: BufRead>(lines: &mut Lines<R>, earlier: &Earlier) -> Result<(), String> {
    const OTHERS: &str = "the results are those of other lines: import without --resume";
    if earlier.line == 0 {
        return Ok(());
    }
    loop {
        let line = lines
            .next()
            .map_err(|error| format!("the lines cannot be read: {error}"))?;
        let line = line.ok_or(OTHERS)?;
        if line.number < earlier.line {
            continue;
        }
        if entries::digest(&line) != earlier.digest {
            return Err(OTHERS.to_owned());
        }
        say(format_args!("going on behind line {}", earlier.line));
        return Ok(());
    }
}

struct Run {
    pace: Pace,
    results: Option<Results>,
    progress: Progress,
    tally: Tally,
}

impl Run {
    async fn finish(
        mut self,
        mut batches: mpsc::Receiver<Batch>,
        before: u64,
        mode: ImportMode,
    ) -> Outcome {
        let begun = Instant::now();
        let stopped = loop {
            match batches.recv().await {
                None => break Some("the lines cannot be read".to_owned()),
                Some(Err(reason)) => break Some(reason),
                Some(Ok(batch)) if batch.is_empty() => break None,
                Some(Ok(batch)) => {
                    if let Err(reason) = self.take(batch).await {
                        break Some(reason);
                    }
                }
            }
        };
        self.progress.end();
        match mode {
            ImportMode::Write => {
                result(format_args!("{} lines: {}", self.tally.lines(), self.tally));
            }
            ImportMode::Rehearse => result(format_args!(
                "{} lines: {} (dry run: nothing was written)",
                self.tally.lines(),
                self.tally
            )),
        }
        let seconds = begun.elapsed().as_secs_f64();
        let lines = self.tally.lines() - before;
        #[expect(clippy::cast_precision_loss, reason = "it is a rate, for a person")]
        let rate = lines as f64 / seconds.max(0.001);
        say(format_args!(
            "{lines} lines in {seconds:.1} s, {rate:.0} a second"
        ));
        match stopped {
            Some(reason) => {
                let way_on = if self.results.is_some() {
                    "--resume goes on from here"
                } else {
                    "run it again: what was taken is left as it is"
                };
                failed(&format_args!("{reason}; {way_on}"))
            }
            None if self.tally.refused() > 0 => Outcome::Failed,
            None => Outcome::Done,
        }
    }

    /// Writes a batch, and then records what became of its lines, as far as the store let it come.
    async fn take(&mut self, batch: Vec<Entry>) -> Result<(), String> {
        let (places, mut records) = split(batch);
        let (outcomes, stopped) = self.pace.write(&mut records).await;
        let mut outcomes = outcomes.into_iter();
        for place in places {
            let settled = match place.faults {
                Some(faults) => Err(faults),
                None => match outcomes.next() {
                    Some(outcome) => shown(outcome),
                    // Those behind it are done again too, so that the results have no gap.
                    None => break,
                },
            };
            let settled: Settled<'_> = match &settled {
                Ok(imported) => Ok(*imported),
                Err(faults) => {
                    self.progress.refused(place.line, faults);
                    Err(faults)
                }
            };
            self.tally.count(Kind::of(&settled));
            self.progress.advance(place.end, self.tally.lines());
            if let Some(results) = &mut self.results {
                results
                    .write(place.line, &place.digest, settled)
                    .map_err(|error| unrecorded(&error))?;
            }
        }
        if let Some(results) = &mut self.results {
            results.flush().map_err(|error| unrecorded(&error))?;
        }
        stopped.map_or(Ok(()), |error| Err(error.to_string()))
    }
}

/// Where a record stands, and why it is none.
struct Place {
    line: u64,
    digest: String,
    end: u64,
    faults: Option<Vec<FaultBody>>,
}

fn split(batch: Vec<Entry>) -> (Vec<Place>, Vec<Import>) {
    let mut records = Vec::with_capacity(batch.len());
    let places = batch
        .into_iter()
        .map(|entry| Place {
            line: entry.line,
            digest: entry.digest,
            end: entry.end,
            faults: entry.record.map(|record| records.push(record)).err(),
        })
        .collect();
    (places, records)
}

fn shown(outcome: ImportOutcome) -> Result<user_domain::import::Imported, Vec<FaultBody>> {
    outcome.map_err(|faults| show_faults(&faults))
}

fn unrecorded(error: &io::Error) -> String {
    format!("the results cannot be written: {error}")
}

fn misused(reason: &str) -> Outcome {
    say(format_args!("user-service: {reason}"));
    Outcome::Misused
}
