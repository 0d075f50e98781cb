//! `check-settings`

use super::{result, say, settings};
use crate::cli::Outcome;
use crate::settings::TokenSettings;

pub(crate) fn run() -> Outcome {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    for warning in settings.warnings() {
        say(warning);
    }
    let server = &settings.server;
    result(format_args!(
        "listens on {}:{}{}",
        server.host, server.port, server.base_path
    ));
    if let Some(port) = server.management_port {
        result(format_args!(
            "shows health, metrics and the log's level on {}:{port}",
            server.host
        ));
    }
    result(format_args!("keeps users in {}", settings.database.target));
    result(format_args!(
        "remembers users in {} MB of memory{}",
        settings.cache.memory / (1024 * 1024),
        settings
            .cache
            .redis_url
            .as_ref()
            .map_or("", |_| " and in Redis")
    ));
    for keys in believed(&settings.tokens) {
        result(format_args!("believes tokens of users signed with {keys}"));
    }
    result(format_args!(
        "believes {} service tokens",
        settings.tokens.allowed_api_tokens.len()
    ));
    let passwords = &settings.passwords;
    result(format_args!(
        "hashes passwords by Argon2id in {} KiB, passes: {}, lanes: {}",
        passwords.memory_kib, passwords.iterations, passwords.parallelism
    ));
    result(format_args!("logs at {} and above", settings.log.level));
    if let Some(endpoint) = &settings.traces.endpoint {
        result(format_args!("sends traces to {endpoint}"));
    }
    result("the settings are valid");
    Outcome::Done
}

/// What users' tokens may be signed with.
fn believed(tokens: &TokenSettings) -> Vec<String> {
    let mut believed = Vec::new();
    if tokens.jwt_secret_key.is_some() {
        believed.push("JWT_SECRET_KEY".to_owned());
    }
    if tokens.jwt_secret_key_previous.is_some() {
        believed.push("JWT_SECRET_KEY_PREVIOUS".to_owned());
    }
    if let Some(jwks) = &tokens.jwks {
        let seconds = jwks.refresh.as_secs();
        let sources = [
            jwks.shown_url(),
            jwks.file.as_ref().map(|file| file.display().to_string()),
        ];
        for source in sources.into_iter().flatten() {
            believed.push(format!("the keys at {source}, read every {seconds} s"));
        }
    }
    believed
}
