//! Where settings come from, and which source goes before which.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, Environment, FileFormat, Source as _, ValueKind};

use super::faults::Fault;
use super::variables::{variable_named, variables};

type Layer = BTreeMap<String, String>;

/// Where settings are read from; `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Sources {
    /// The environment's variables, ours and others'.
    pub environment: BTreeMap<String, String>,
    /// The environment's variables whose values are not UTF-8: a fault where they are ours.
    pub not_unicode: BTreeSet<String>,
    /// A file of `NAME=value` lines; other programs' names in it are left alone.
    pub dot_env: Option<PathBuf>,
    /// A TOML or YAML file; without it the one `CONFIG_FILE` names in the environment or in `.env`, if any.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// The environment of this process, and `.env` of its working directory if there is one.
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

    /// The values of our variables by name, never blank, and what could not be read.
    pub(super) fn layered(&self) -> (Layer, Vec<Fault>) {
        let mut faults = Vec::new();
        let environment = self.environment_layer(&mut faults);
        let dot_env = match &self.dot_env {
            Some(path) => dot_env_layer(path, &mut faults),
            None => Layer::new(),
        };
        let named = environment
            .get("CONFIG_FILE")
            .or_else(|| dot_env.get("CONFIG_FILE"))
            .map(|name| PathBuf::from(name.trim()));
        let file = match self.file.as_ref().or(named.as_ref()) {
            Some(path) => file_layer(path, &mut faults),
            None => Layer::new(),
        };
        if let Ok(values) = merged([file, dot_env, environment]) {
            (values, faults)
        } else {
            faults.push(fault("CONFIG_FILE", "cannot be laid over the defaults"));
            (Layer::new(), faults)
        }
    }

    fn environment_layer(&self, faults: &mut Vec<Fault>) -> Layer {
        for name in &self.not_unicode {
            if is_ours(name) {
                faults.push(fault(name, "is not valid UTF-8"));
            }
        }
        let ours = self.environment.iter().filter(|(name, _)| is_ours(name));
        ours.map(|(name, value)| (name.clone(), value.clone()))
            .filter(|(_, value)| !is_blank(value))
            .collect()
    }
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

/// Lays the layers over the defaults, the last on top.
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

/// Reads our lines of a `.env` file.
///
/// A `$` outside single quotes is refused: programs disagree on whether it begins another variable's name, and a
/// signing key must not differ between two services that read the same line.
fn dot_env_layer(path: &Path, faults: &mut Vec<Fault>) -> Layer {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            faults.push(fault(".env", &unreadable(&error)));
            return Layer::new();
        }
    };
    let mut layer = Layer::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let assignment = line.trim_start();
        let assignment = assignment.strip_prefix("export ").unwrap_or(assignment);
        let Some((name, value)) = assignment.split_once('=') else {
            continue;
        };
        let name = name.trim();
        if !is_ours(name) {
            continue;
        }
        match dot_env_value(assignment, value) {
            // As with other readers of such files, the last of two lines counts.
            Ok(value) if is_blank(&value) => drop(layer.remove(name)),
            Ok(value) => drop(layer.insert(name.to_owned(), value)),
            Err(reason) => faults.push(fault(name, reason)),
        }
    }
    layer
}

fn dot_env_value(assignment: &str, value: &str) -> Result<String, &'static str> {
    let value = value.trim_start();
    if value.replace("\\$", "").contains('$') && !value.starts_with('\'') {
        return Err("has a `$` in .env: write the value in single quotes");
    }
    match dotenvy::from_read_iter(assignment.as_bytes()).next() {
        Some(Ok((_, value))) => Ok(value),
        // A list with spaces after its commas, as python-dotenv reads it.
        _ if !value.contains(['#', '"', '\'', '\\']) => Ok(value.trim_end().to_owned()),
        _ => Err("cannot be read from .env: write the value in single quotes"),
    }
}

/// Reads a file whose keys are our variables' names, in either case.
///
/// Unknown keys are faults, as the file is for this service alone. A parser's own words are not repeated: they quote
/// the file.
fn file_layer(path: &Path, faults: &mut Vec<Fault>) -> Layer {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        _ => {
            let reason = "must name a file that ends with .toml, .yaml or .yml";
            faults.push(fault("CONFIG_FILE", reason));
            return Layer::new();
        }
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            faults.push(fault("CONFIG_FILE", &unreadable(&error)));
            return Layer::new();
        }
    };
    let Ok(values) = config::File::from_str(&text, format).collect() else {
        faults.push(fault("CONFIG_FILE", "is not valid TOML or YAML"));
        return Layer::new();
    };
    let mut layer = Layer::new();
    for (key, value) in values {
        let Some(variable) = variable_named(&key).filter(|known| known.name != "CONFIG_FILE")
        else {
            faults.push(fault("CONFIG_FILE", &format!("has an unknown key `{key}`")));
            continue;
        };
        match file_value(value) {
            Some(text) if is_blank(&text) => {}
            Some(text) => {
                if layer.insert(variable.name.to_owned(), text).is_some() {
                    faults.push(fault(variable.name, "is in the file twice"));
                }
            }
            None => faults.push(fault(
                variable.name,
                "must be text, a number, a switch or a list of text in the file",
            )),
        }
    }
    layer
}

/// A file's value as the environment would have it: a list is a comma list, null is unset.
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

fn is_ours(name: &str) -> bool {
    variables().iter().any(|variable| variable.name == name)
}

fn is_blank(value: &str) -> bool {
    value.trim().is_empty()
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read: {}", error.kind())
}

fn fault(variable: &str, reason: &str) -> Fault {
    Fault {
        variable: variable.to_owned(),
        reason: reason.to_owned(),
    }
}
