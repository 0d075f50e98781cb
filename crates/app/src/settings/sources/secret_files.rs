//! Secrets in files: `DATABASE_URI_FILE` names a file that contains the value of `DATABASE_URI`.

use std::fs::File;
use std::io::Read as _;

use super::{Layer, is_blank, setting_error, unreadable};
use crate::settings::errors::SettingError;
use crate::settings::variables::variables;

/// The maximum length of a secret in a file.
const MAX_BYTES: u64 = 64 * 1024;

/// Replaces the names of files in a layer by the secrets that the files contain.
pub(super) fn read_into(layer: &mut Layer, errors: &mut Vec<SettingError>) {
    for variable in variables() {
        let Some(name) = variable.file_name() else {
            continue;
        };
        let Some(path) = layer.remove(&name) else {
            continue;
        };
        if layer.contains_key(variable.name) {
            let reason = format!("is set, and so is {}: set one of them", variable.name);
            errors.push(setting_error(&name, &reason));
            continue;
        }
        match secret(path.trim()) {
            Ok(value) => drop(layer.insert(variable.name.to_owned(), value)),
            Err(reason) => errors.push(setting_error(&name, &reason)),
        }
    }
}

/// Returns the content of a file without the end of its last line, which most programs add.
fn secret(path: &str) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| unreadable(&error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("must name a file of at most {MAX_BYTES} bytes"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if is_blank(line) {
        return Err("names an empty file".to_owned());
    }
    Ok(line.to_owned())
}
