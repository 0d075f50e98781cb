//! `check-settings`

use super::{load_settings, print_message, print_result};
use crate::cli::CommandOutcome;
use crate::settings::TokenSettings;

pub(crate) fn run() -> CommandOutcome {
    let settings = match load_settings() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    for warning in settings.warnings() {
        print_message(warning);
    }
    let server = &settings.server;
    print_result(format_args!(
        "listens on {}:{}{}",
        server.host, server.port, server.base_path
    ));
    if let Some(port) = server.management_port {
        print_result(format_args!(
            "serves health, metrics and the log level on {}:{port}",
            server.host
        ));
    }
    if !server.cors_allowed_origins.is_empty() {
        let origins = server.cors_allowed_origins.join(", ");
        print_result(format_args!("allows requests from web pages of {origins}"));
    }
    if !server.cors_allowed_headers.is_empty() {
        let headers = server.cors_allowed_headers.join(", ");
        print_result(format_args!(
            "allows these pages to send the additional headers {headers}"
        ));
    }
    print_result(format_args!("stores users in {}", settings.database.target));
    print_result(format_args!(
        "caches users in {} MB of memory{}",
        settings.cache.memory / (1024 * 1024),
        settings
            .cache
            .redis
            .as_ref()
            .map_or("", |_| " and in Redis")
    ));
    if let Some(amqp) = &settings.broker.amqp {
        print_result(format_args!(
            "relays events to the exchange {} of RabbitMQ at {}:{}{}",
            amqp.exchange,
            amqp.host,
            amqp.port,
            if amqp.has_tls { " with TLS" } else { "" }
        ));
    }
    for keys in user_token_keys(&settings.tokens) {
        print_result(format_args!("accepts user tokens signed with {keys}"));
    }
    print_result(format_args!(
        "accepts {} service tokens of ALLOWED_API_TOKENS",
        settings.tokens.allowed_api_tokens.len()
    ));
    let passwords = &settings.passwords;
    print_result(format_args!(
        "hashes passwords with Argon2id: {} KiB of memory, iterations: {}, lanes: {}",
        passwords.memory_kib, passwords.iterations, passwords.parallelism
    ));
    print_result(format_args!("logs at {} and above", settings.log.level));
    if let Some(endpoint) = &settings.traces.endpoint {
        print_result(format_args!("sends traces to {endpoint}"));
    }
    print_result("the settings are valid");
    CommandOutcome::Success
}

/// The keys with which tokens of users can be signed, for people.
fn user_token_keys(tokens: &TokenSettings) -> Vec<String> {
    let mut user_token_keys = Vec::new();
    if tokens.jwt_secret_key.is_some() {
        user_token_keys.push("JWT_SECRET_KEY".to_owned());
    }
    if tokens.jwt_secret_key_previous.is_some() {
        user_token_keys.push("JWT_SECRET_KEY_PREVIOUS".to_owned());
    }
    if let Some(jwks) = &tokens.jwks {
        let seconds = jwks.refresh.as_secs();
        let sources = [
            jwks.shown_url(),
            jwks.file.as_ref().map(|file| file.display().to_string()),
        ];
        for source in sources.into_iter().flatten() {
            user_token_keys.push(format!("the keys at {source}, read every {seconds} s"));
        }
    }
    user_token_keys
}
