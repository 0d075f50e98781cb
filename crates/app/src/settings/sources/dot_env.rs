//! The `.env` file.

use std::path::Path;

use super::{
    Layer, Layered, is_blank, is_ours, not_a_setting, secret_files, setting_error, unreadable,
};
use crate::settings::suggestions::{is_plain_name, suggested_setting};

/// The maximum number of ignored names or lines in a warning.
const MAX_SHOWN: usize = 20;

/// Reads the settings in a `.env` file.
///
/// A `$` outside single quotes is an error. Programs disagree on whether it refers to another variable, and a signing
/// key must not differ between two services that read the same line.
pub(super) fn layer(path: &Path, found: &mut Layered) -> Layer {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            found
                .errors
                .push(setting_error(".env", &unreadable(&error)));
            return Layer::new();
        }
    };
    let mut layer = Layer::new();
    let mut ignored = Ignored::default();
    let lines = text.trim_start_matches('\u{feff}').lines();
    for (number, line) in (1_usize..).zip(lines) {
        let assignment = line.trim();
        if assignment.is_empty() || assignment.starts_with('#') {
            continue;
        }
        let assignment = assignment.strip_prefix("export ").unwrap_or(assignment);
        let Some((name, value)) = assignment.split_once('=') else {
            ignored.lines.push(number.to_string());
            continue;
        };
        let name = name.trim();
        if !is_ours(name) {
            if !is_blank(value) {
                ignored.note(name, value, number, &mut found.warnings);
            }
            continue;
        }
        match self::value(assignment, value) {
            // As in other parsers of such files, the last of two lines takes effect.
            Ok(value) if is_blank(&value) => drop(layer.remove(name)),
            Ok(value) => drop(layer.insert(name.to_owned(), value)),
            Err(reason) => found.errors.push(setting_error(name, reason)),
        }
    }
    ignored.warn(&mut found.warnings);
    secret_files::read_into(&mut layer, &mut found.errors);
    layer
}

/// The content of a file that is not a setting.
#[derive(Default)]
struct Ignored {
    names: Vec<String>,
    /// The numbers of lines that must not be shown: they can be part of a value.
    lines: Vec<String>,
}

impl Ignored {
    fn note(&mut self, name: &str, value: &str, line: usize, warnings: &mut Vec<String>) {
        // The last line of a base64 key can end with several padding characters.
        if !is_plain_name(name) || value.starts_with('=') {
            self.lines.push(line.to_string());
        } else if let Some(meant) = suggested_setting(name) {
            warnings.push(not_a_setting(name, meant));
        } else if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    fn warn(self, warnings: &mut Vec<String>) {
        if !self.names.is_empty() {
            warnings.push(format!(
                ".env: has names that are not settings of this service and are ignored: {}",
                shortened(&self.names)
            ));
        }
        if !self.lines.is_empty() {
            warnings.push(format!(
                ".env: has lines that are not NAME=value and are ignored: {}",
                shortened(&self.lines)
            ));
        }
    }
}

/// Lists the first entries, and the number of further entries.
fn shortened(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(MAX_SHOWN).map(String::as_str).collect();
    let shown = shown.join(", ");
    match all.len().saturating_sub(MAX_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn value(assignment: &str, value: &str) -> Result<String, &'static str> {
    let value = value.trim_start();
    if value.replace("\\$", "").contains('$') && !value.starts_with('\'') {
        return Err("has a `$` in .env: write the value in single quotes");
    }
    match dotenvy::from_read_iter(assignment.as_bytes()).next() {
        Some(Ok((_, value))) => Ok(value),
        // A list with spaces after its commas, which python-dotenv accepts without quotes.
        _ if !value.contains(['#', '"', '\'', '\\']) => Ok(value.trim_end().to_owned()),
        _ => Err("cannot be read from .env: write the value in single quotes"),
    }
}
