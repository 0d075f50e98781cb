//! The sources of settings and their precedence.

mod dot_env;
mod secret_files;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, Environment, FileFormat, Source as _, ValueKind};

use super::errors::SettingError;
use super::suggestions::suggested_setting;
use super::variables::{Variable, variable_named, variable_of_file, variables};

type Layer = BTreeMap<String, String>;

/// The sources of settings. `Debug` shows only names.
#[derive(Clone, Default)]
pub struct Sources {
    /// The environment variables, including those that are not settings.
    pub environment: BTreeMap<String, String>,
    /// The environment variables with values that are not UTF-8, which is an error for settings.
    pub not_unicode: BTreeSet<String>,
    /// A file of `NAME=value` lines. Names that are not settings are ignored with a warning.
    pub dot_env: Option<PathBuf>,
    /// A TOML or YAML file. If unset, the file that `CONFIG_FILE` names in the environment or in `.env`.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// Returns the environment of this process, and `.env` in its working directory if it exists.
    pub fn from_process() -> Self {
        let mut sources = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    sources.environment.insert(name, value);
                }
                Err(_) => {
                    sources.not_unicode.insert(name);
                }
            }
        }
        let dot_env = Path::new(".env");
        sources.dot_env = dot_env.is_file().then(|| dot_env.to_owned());
        sources
    }

    /// Reads all sources and merges them.
    pub(super) fn layered(&self) -> Layered {
        let mut found = Layered::default();
        let environment = self.environment_layer(&mut found);
        let dot_env = match &self.dot_env {
            Some(path) => dot_env::layer(path, &mut found),
            None => Layer::new(),
        };
        let named = environment
            .get("CONFIG_FILE")
            .or_else(|| dot_env.get("CONFIG_FILE"))
            .map(|name| PathBuf::from(name.trim()));
        let file = match self.file.as_ref().or(named.as_ref()) {
            Some(path) => file_layer(path, &mut found.errors),
            None => Layer::new(),
        };
        match merged([file, dot_env, environment]) {
            Ok(values) => found.values = values,
            Err(_) => found.errors.push(setting_error(
                "CONFIG_FILE",
                "cannot be merged with the defaults",
            )),
        }
        found
    }

    fn environment_layer(&self, found: &mut Layered) -> Layer {
        for name in &self.not_unicode {
            if is_ours(name) {
                found.errors.push(setting_error(name, "is not valid UTF-8"));
            }
        }
        let mut layer = Layer::new();
        for (name, value) in &self.environment {
            if is_blank(value) {
                continue;
            }
            if is_ours(name) {
                layer.insert(name.clone(), value.clone());
            } else if let Some(meant) = suggested_setting(name) {
                found.warnings.push(not_a_setting(name, meant));
            }
        }
        secret_files::read_into(&mut layer, &mut found.errors);
        layer
    }
}

/// The merged sources.
#[derive(Default)]
pub(super) struct Layered {
    /// The values of settings by name, never blank.
    pub(super) values: Layer,
    /// What cannot be read.
    pub(super) errors: Vec<SettingError>,
    /// What is ignored, probably by mistake: a sentence each, which names it.
    pub(super) warnings: Vec<String>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.environment.keys().collect();
        formatter
            .debug_struct("Sources")
            .field("environment", &names)
            .field("not_unicode", &self.not_unicode)
            .field("dot_env", &self.dot_env)
            .field("file", &self.file)
            .finish()
    }
}

/// Merges the layers with the defaults. Later layers override earlier ones.
fn merged(layers: [Layer; 3]) -> Result<Layer, config::ConfigError> {
    let mut builder = Config::builder();
    for variable in variables() {
        if let Some(default) = variable.default {
            builder = builder.set_default(variable.name.to_ascii_lowercase(), default)?;
        }
    }
    for layer in layers {
        let layer = layer.into_iter().collect();
        builder = builder.add_source(Environment::default().source(Some(layer)));
    }
    let config = builder.build()?;
    let mut values = Layer::new();
    for variable in variables() {
        if let Ok(value) = config.get_string(&variable.name.to_ascii_lowercase()) {
            values.insert(variable.name.to_owned(), value);
        }
    }
    Ok(values)
}

/// Reads a file with the names of settings as keys, in upper or lower case.
///
/// Unknown keys are errors, since the file is only for this service. Messages of the parser are not shown: they quote
/// the file.
fn file_layer(path: &Path, errors: &mut Vec<SettingError>) -> Layer {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        _ => {
            let reason = "must name a file with the extension .toml, .yaml or .yml";
            errors.push(setting_error("CONFIG_FILE", reason));
            return Layer::new();
        }
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors.push(setting_error("CONFIG_FILE", &unreadable(&error)));
            return Layer::new();
        }
    };
    let Ok(values) = config::File::from_str(&text, format).collect() else {
        errors.push(setting_error("CONFIG_FILE", "is not valid TOML or YAML"));
        return Layer::new();
    };
    let mut layer = Layer::new();
    for (key, value) in values {
        let variable = variable_named(&key).filter(|known| known.name != "CONFIG_FILE");
        let name = match variable {
            Some(variable) => Some(variable.name.to_owned()),
            None => variable_of_file(&key).and_then(Variable::file_name),
        };
        let Some(name) = name else {
            let hint = suggested_setting(&key)
                .filter(|meant| *meant != "CONFIG_FILE")
                .map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
            let reason = format!("has an unknown key `{key}`{hint}");
            errors.push(setting_error("CONFIG_FILE", &reason));
            continue;
        };
        match file_value(value) {
            Some(text) if is_blank(&text) => {}
            Some(text) => {
                if layer.insert(name.clone(), text).is_some() {
                    errors.push(setting_error(&name, "is set twice in the file"));
                }
            }
            None => errors.push(setting_error(
                &name,
                "must be a string, a number, a boolean or a list of strings in the file",
            )),
        }
    }
    secret_files::read_into(&mut layer, errors);
    layer
}

/// Converts a value of a file to the form that it has in the environment: a list is comma-separated, null is unset.
fn file_value(value: config::Value) -> Option<String> {
    match value.kind {
        ValueKind::Nil => Some(String::new()),
        ValueKind::Array(entries) => {
            let entries: Result<Vec<String>, _> = entries
                .into_iter()
                .map(config::Value::into_string)
                .collect();
            entries.ok().map(|entries| entries.join(","))
        }
        _ => value.into_string().ok(),
    }
}

/// Returns the warning for a name that resembles a setting.
fn not_a_setting(name: &str, meant: &str) -> String {
    format!("{name}: is not a setting of this service and is ignored; did you mean {meant}?")
}

fn is_ours(name: &str) -> bool {
    let has_name = |variable: &Variable| {
        variable.name == name || variable.file_name().is_some_and(|file| file == name)
    };
    variables().iter().any(has_name)
}

fn is_blank(value: &str) -> bool {
    value.trim().is_empty()
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read: {}", error.kind())
}

fn setting_error(variable: &str, reason: &str) -> SettingError {
    SettingError {
        variable: variable.to_owned(),
        reason: reason.to_owned(),
    }
}
