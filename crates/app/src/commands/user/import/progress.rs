//! Displays the progress of an import. On a terminal, it is a progress bar.

use std::fmt::Display;
use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use user_http::FaultBody;

use crate::commands::{print_message, print_result};

/// The maximum number of refused lines that are printed. The results file has all of them.
const MAX_PRINTED: usize = 20;

/// The progress of an import.
pub(super) struct Progress {
    bar: ProgressBar,
    printed: usize,
}

impl Progress {
    /// Starts with the size of the input, if that is known.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(bytes, target());
        let template = match bytes {
            Some(_) => "{percent:>3}% {wide_bar} {msg}, {elapsed} elapsed, {eta} left",
            None => "{spinner} {msg}, {elapsed} elapsed",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, printed: 0 }
    }

    /// Updates the progress.
    pub(super) fn advance(&self, bytes: u64, lines: u64) {
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{lines} lines"));
    }

    /// Prints a refused line, unless the maximum is reached.
    pub(super) fn refused(&mut self, line: u64, faults: &[FaultBody]) {
        self.printed += 1;
        if self.printed <= MAX_PRINTED {
            let reasons: Vec<String> = faults.iter().map(reason).collect();
            let reasons = reasons.join(" ");
            self.bar
                .suspend(|| print_message(format_args!("line {line}: {reasons}")));
        } else if self.printed == MAX_PRINTED + 1 {
            self.bar.suspend(|| {
                print_message("more lines are refused; --results FILE records all of them");
            });
        }
    }

    /// Prints a line of the result without breaking the progress bar.
    pub(super) fn print(&self, line: impl Display) {
        self.bar.suspend(|| print_result(line));
    }

    /// Removes the progress bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    if stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(5)
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn reason(fault: &FaultBody) -> String {
    format!("{} {}", fault.pointer, fault.detail)
        .trim_start()
        .to_owned()
}
