//! What a person sees of an import while it runs; on a terminal, a bar.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use user_http::FaultBody;

use crate::commands::say;

/// How many refused lines are told; the results tell all of them.
const MOST_TOLD: usize = 20;

/// How far an import has come, for a person.
pub(super) struct Progress {
    bar: ProgressBar,
    told: usize,
}

impl Progress {
    /// Begins with so many bytes ahead, if that is known.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(bytes, target());
        let template = match bytes {
            Some(_) => "{percent:>3}% {wide_bar} {msg}, {elapsed} gone, {eta} left",
            None => "{spinner} {msg}, {elapsed} gone",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, told: 0 }
    }

    /// Takes note of how much is done.
    pub(super) fn advance(&self, bytes: u64, lines: u64) {
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{lines} lines"));
    }

    /// Tells of a refused line, unless there have been too many.
    pub(super) fn refused(&mut self, line: u64, faults: &[FaultBody]) {
        self.told += 1;
        if self.told <= MOST_TOLD {
            let reasons: Vec<String> = faults.iter().map(reason).collect();
            let reasons = reasons.join(" ");
            self.bar
                .suspend(|| say(format_args!("line {line}: {reasons}")));
        } else if self.told == MOST_TOLD + 1 {
            self.bar
                .suspend(|| say("more lines are refused; --results FILE tells all of them"));
        }
    }

    /// Takes the bar away.
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
