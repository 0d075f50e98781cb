//! `user import`: writes the lines in batches, and records the results of a batch after it is committed.

mod adaptive_batch;
mod lines;
mod parsing;
mod progress;
mod results;
mod summary;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::Path;
use std::time::Instant;

use tokio::sync::mpsc;
use user_domain::import::{Import, ImportLedger, ImportOutcome, Imported, MatchBy};
use user_domain::use_cases::{ImportMode, ImportUsers};
use user_domain::values::UserId;
use user_http::{FaultBody, render_faults};

use self::adaptive_batch::{AdaptiveBatchWriter, BatchPolicy};
use self::lines::Lines;
use self::parsing::{Batch, ParsedLine};
use self::progress::Progress;
use self::results::{LineResult, PreviousResults, Results};
use self::summary::{LineOutcome, Summary};
use super::with_use_cases;
use crate::cli::{CommandOutcome, ImportArguments};
use crate::commands::{fail, print_message, print_result};

/// The size of the input buffer.
const BUFFER_BYTES: usize = 256 * 1024;

pub(crate) async fn run(arguments: &ImportArguments) -> CommandOutcome {
    let input = match Input::open(&arguments.file) {
        Ok(input) => input,
        Err(reason) => return usage_error(&reason),
    };
    with_use_cases(async |settings, use_cases| {
        let policy = BatchPolicy::of(&settings.database.target);
        import(arguments, input, use_cases.import_users, policy).await
    })
    .await
}

async fn import(
    arguments: &ImportArguments,
    input: Input,
    use_case: ImportUsers,
    policy: BatchPolicy,
) -> CommandOutcome {
    let (results, previous) = match open_results(arguments) {
        Ok(opened) => opened,
        Err(reason) => return usage_error(&reason),
    };
    let mut lines = Lines::new(input.reader);
    if let Err(reason) = skip(&mut lines, &previous) {
        return usage_error(&reason);
    }
    let mode = if arguments.dry_run {
        ImportMode::DryRun
    } else {
        ImportMode::Write
    };
    let before = previous.summary.lines();
    let match_by = arguments.match_by.map(MatchBy::from);
    let ledger = ImportLedger::new(match_by, previous.users);
    let import = ImportRunner {
        writer: AdaptiveBatchWriter::new(use_case.clone(), ledger, mode, policy),
        results,
        progress: Progress::new(input.bytes),
        summary: previous.summary,
        mode,
    };
    import
        .finish(parsing::read_ahead(lines, use_case), before)
        .await
}

/// The input, and its size if that is known.
struct Input {
    reader: Box<dyn BufRead + Send>,
    bytes: Option<u64>,
}

impl Input {
    fn open(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            if io::stdin().is_terminal() {
                print_message("reading lines from the terminal; press Ctrl-D to end");
            }
            return Ok(Self {
                reader: Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin())),
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
            // A named pipe has no length.
            bytes: metadata.is_file().then_some(metadata.len()),
            reader: Box::new(BufReader::with_capacity(BUFFER_BYTES, file)),
        })
    }
}

fn open_results(arguments: &ImportArguments) -> Result<(Option<Results>, PreviousResults), String> {
    let Some(path) = &arguments.results else {
        return Ok((None, PreviousResults::default()));
    };
    if arguments.resume {
        let (results, previous) = Results::resume(path)?;
        return Ok((Some(results), previous));
    }
    let results = Results::create(path, arguments.dry_run)?;
    Ok((Some(results), PreviousResults::default()))
}

/// Skips the lines that have results. Fails if the results are those of another file.
fn skip<R: BufRead>(lines: &mut Lines<R>, previous: &PreviousResults) -> Result<(), String> {
    const OTHERS: &str = "the results belong to other lines: import without --resume";
    if previous.line == 0 {
        return Ok(());
    }
    loop {
        let line = lines
            .next()
            .map_err(|error| format!("cannot read the lines: {error}"))?;
        let line = line.ok_or(OTHERS)?;
        if line.number < previous.line {
            continue;
        }
        if parsing::digest(&line) != previous.digest {
            return Err(OTHERS.to_owned());
        }
        print_message(format_args!("resuming after line {}", previous.line));
        return Ok(());
    }
}

struct ImportRunner {
    writer: AdaptiveBatchWriter,
    results: Option<Results>,
    progress: Progress,
    summary: Summary,
    mode: ImportMode,
}

impl ImportRunner {
    async fn finish(mut self, mut batches: mpsc::Receiver<Batch>, before: u64) -> CommandOutcome {
        let started = Instant::now();
        let stopped = loop {
            match batches.recv().await {
                None => break Some("cannot read the lines".to_owned()),
                Some(Err(reason)) => break Some(reason),
                Some(Ok(batch)) if batch.is_empty() => break None,
                Some(Ok(batch)) => {
                    if let Err(reason) = self.write_batch(batch).await {
                        break Some(reason);
                    }
                }
            }
        };
        self.progress.end();
        match self.mode {
            ImportMode::Write => {
                print_result(format_args!(
                    "{} lines: {}",
                    self.summary.lines(),
                    self.summary
                ));
            }
            ImportMode::DryRun => print_result(format_args!(
                "{} lines: {} (dry run: nothing was written)",
                self.summary.lines(),
                self.summary
            )),
        }
        let seconds = started.elapsed().as_secs_f64();
        let lines = self.summary.lines() - before;
        #[expect(
            clippy::cast_precision_loss,
            reason = "an approximate rate, for people"
        )]
        let rate = lines as f64 / seconds.max(0.001);
        print_message(format_args!(
            "{lines} lines in {seconds:.1} s, {rate:.0} a second"
        ));
        match stopped {
            Some(reason) => {
                let remedy = if self.results.is_some() {
                    "continue with --resume"
                } else {
                    "run the import again: lines that were accepted change nothing"
                };
                fail(&format_args!("{reason}; {remedy}"))
            }
            None if self.summary.refused() > 0 => CommandOutcome::Failure,
            None => CommandOutcome::Success,
        }
    }

    /// Writes a batch, and then records the results of the lines that were written before the store failed, if it did.
    async fn write_batch(&mut self, batch: Vec<ParsedLine>) -> Result<(), String> {
        let (lines, mut records) = split(batch);
        let run = self.writer.write(&mut records).await;
        let mut outcomes = run.outcomes.into_iter();
        for line in lines {
            let outcome = match &line.record {
                Err(faults) => Err(faults.clone()),
                Ok(_) => match outcomes.next() {
                    Some(outcome) => shown(outcome),
                    // The lines after it are imported again too, so that the results have no gap.
                    None => break,
                },
            };
            let line_result = self.line_result(&line, &outcome, &run.changed);
            self.summary.count(LineOutcome::of(&line_result.outcome));
            self.progress.advance(line.end, self.summary.lines());
            match line_result.outcome {
                Ok(_) if self.mode == ImportMode::DryRun => {
                    self.print_planned_change(&line, line_result);
                }
                Ok(_) => {}
                Err(faults) => self.progress.refused(line.number, faults),
            }
            if let Some(results) = &mut self.results {
                results
                    .write(line.number, &line.digest, line_result)
                    .map_err(|error| results_write_error(&error))?;
            }
        }
        if let Some(results) = &mut self.results {
            results
                .flush()
                .map_err(|error| results_write_error(&error))?;
        }
        run.stopped.map_or(Ok(()), |error| Err(error.to_string()))
    }

    fn line_result<'a>(
        &self,
        line: &SourceLine,
        outcome: &'a Result<Imported, Vec<FaultBody>>,
        changed: &'a HashMap<UserId, Vec<String>>,
    ) -> LineResult<'a> {
        let changed = match outcome {
            Ok(Imported::Updated(id)) => changed.get(id),
            _ => None,
        };
        LineResult {
            outcome: outcome
                .as_ref()
                .map(|imported| *imported)
                .map_err(Vec::as_slice),
            changed: changed.map_or(&[], Vec::as_slice),
            // A user that a dry run would create gets a different id when it is created.
            has_id: self.mode == ImportMode::Write
                || line.record.as_ref().is_ok_and(|record| record.has_id)
                || !matches!(outcome, Ok(Imported::Created(_))),
        }
    }

    /// Prints what a line would change, if anything.
    fn print_planned_change(&self, line: &SourceLine, line_result: LineResult<'_>) {
        let Ok(record) = &line.record else {
            return;
        };
        let text = match line_result.outcome {
            Ok(Imported::Created(_)) => format!("creates {}", record.username),
            Ok(Imported::Updated(id)) => {
                format!("changes {id}: {}", line_result.changed.join(", "))
            }
            Ok(Imported::Unchanged(_)) | Err(_) => return,
        };
        self.progress
            .print(format_args!("line {}: {text}", line.number));
    }
}

/// A line of the file: its position, and its record or why it was refused.
struct SourceLine {
    number: u64,
    digest: String,
    end: u64,
    record: Result<UserNaming, Vec<FaultBody>>,
}

/// How a record names its user.
struct UserNaming {
    username: String,
    has_id: bool,
}

impl UserNaming {
    fn of(import: &Import) -> Self {
        Self {
            username: import.record.user.username.as_str().to_owned(),
            has_id: import.record.id.is_some(),
        }
    }
}

fn split(batch: Vec<ParsedLine>) -> (Vec<SourceLine>, Vec<Import>) {
    let mut records = Vec::with_capacity(batch.len());
    let lines = batch
        .into_iter()
        .map(|parsed| SourceLine {
            number: parsed.line,
            digest: parsed.digest,
            end: parsed.end,
            record: parsed.record.map(|import| {
                let named = UserNaming::of(&import);
                records.push(import);
                named
            }),
        })
        .collect();
    (lines, records)
}

fn shown(outcome: ImportOutcome) -> Result<Imported, Vec<FaultBody>> {
    outcome.map_err(|faults| render_faults(&faults))
}

fn results_write_error(error: &io::Error) -> String {
    format!("cannot write the results: {error}")
}

fn usage_error(reason: &str) -> CommandOutcome {
    print_message(format_args!("user-service: {reason}"));
    CommandOutcome::InvalidUsage
}
