//! Medians, ratios and the table.

use std::time::Duration;

/// The table that is printed at the end.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 5]>);

impl Table {
    /// Adds a row whose ratio should be at least the target.
    pub(crate) fn at_least(
        &mut self,
        what: &str,
        against: &str,
        ratio: f64,
        target: f64,
        medians: String,
    ) {
        self.add(
            what,
            against,
            ratio,
            &format!("≥ {target}"),
            ratio >= target,
            medians,
        );
    }

    /// Adds a row whose ratio should be at most the target.
    pub(crate) fn at_most(
        &mut self,
        what: &str,
        against: &str,
        ratio: f64,
        target: f64,
        medians: String,
    ) {
        self.add(
            what,
            against,
            ratio,
            &format!("≤ {target}"),
            ratio <= target,
            medians,
        );
    }

    /// Adds a row without a target.
    pub(crate) fn add_value(&mut self, what: &str, figure: String) {
        self.0.push([
            what.into(),
            String::new(),
            figure,
            String::new(),
            String::new(),
        ]);
    }

    fn add(
        &mut self,
        what: &str,
        against: &str,
        ratio: f64,
        target: &str,
        met: bool,
        medians: String,
    ) {
        let verdict = if met { "met" } else { "**missed**" };
        eprintln!("bench: {what}: {ratio:.2} ({target}, {verdict}) {medians}");
        self.0.push([
            what.into(),
            against.into(),
            format!("{ratio:.2}"),
            format!("{target}, {verdict}"),
            medians,
        ]);
    }

    pub(crate) fn print(&self) {
        println!("| what | against | ratio | target | medians |");
        println!("|---|---|---|---|---|");
        for row in &self.0 {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// Returns the median.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reads a number from an environment variable, with a default.
pub(crate) fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect(name))
}

/// The number of rounds in which each side of a row is measured.
pub(crate) fn rounds() -> u64 {
    number("BENCH_ROUNDS", 7)
}

/// The length of a round.
pub(crate) fn span() -> Duration {
    Duration::from_secs(number("BENCH_SECONDS", 4))
}
