//! `dev`: the service on this machine with nothing configured, and something to try.

mod keys;
mod sample;

use std::collections::BTreeMap;
use std::path::Path;

use super::{failed, result, say};
use crate::cli::Outcome;
use crate::serve::Service;
use crate::settings::{Settings, Sources};
use crate::signals::Signals;
use crate::telemetry;
use keys::Keys;
use sample::Samples;

/// Where the store and the key are kept.
const FOLDER: &str = "data";

pub(crate) async fn run() -> Outcome {
    let keys = match Keys::kept_in(Path::new(FOLDER)) {
        Ok(keys) => keys,
        Err(error) => {
            say(format_args!("user-service: {error}"));
            return Outcome::Failed;
        }
    };
    let settings = match Settings::load(&sources(&keys)) {
        Ok(settings) => settings,
        Err(faults) => {
            say(faults);
            return Outcome::Misused;
        }
    };
    let traces = match telemetry::start(&settings) {
        Ok(traces) => traces,
        Err(error) => return failed(&error),
    };
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let service = match Service::start(&settings).await {
        Ok(service) => service,
        Err(error) => return failed(&error),
    };
    match Samples::ensure(&service.composition).await {
        Ok(samples) => greet(&service, &settings, &keys, &samples),
        Err(error) => {
            say(format_args!(
                "user-service: the sample users cannot be made: {error}; remove ./data to start anew"
            ));
            service.stop().await;
            return Outcome::Failed;
        }
    }
    let outcome = service.run_until_signalled(signals).await;
    traces.stop().await;
    outcome
}

/// The environment's settings, but for those that would lead away from this machine.
fn sources(keys: &Keys) -> Sources {
    const OWN: [&str; 14] = [
        "DATABASE_URI",
        "DATABASE_SCHEMA",
        "REDIS_URL",
        "JWT_SECRET_KEY",
        "JWT_SECRET_KEY_PREVIOUS",
        "JWT_JWKS_URL",
        "JWT_JWKS_CA_FILE",
        "JWT_JWKS_FILE",
        "JWT_JWKS_REFRESH_SECONDS",
        "JWT_SUBJECT",
        "JWT_ISSUER",
        "JWT_AUDIENCE",
        "SEALING_KEY",
        "CONFIG_FILE",
    ];
    let mut environment: BTreeMap<String, String> = Sources::from_process().environment;
    environment.retain(|name, _| !OWN.contains(&name.as_str()));
    environment
        .entry("LOG_FORMAT".to_owned())
        .or_insert_with(|| "pretty".to_owned());
    environment.extend(
        [
            ("HOST", "127.0.0.1".to_owned()),
            ("DATABASE_URI", format!("sqlite:///{FOLDER}/users.db")),
            ("JWT_SECRET_KEY", keys.signing_key().to_owned()),
            ("ALLOWED_API_TOKENS", keys.service_token().to_owned()),
            ("MIGRATE_ON_START", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Sources {
        environment,
        ..Sources::default()
    }
}

fn greet(service: &Service, settings: &Settings, keys: &Keys, samples: &Samples) {
    let base = format!("http://{}{}", service.address(), settings.server.base_path);
    let (user, admin) = (
        keys.token_of(&samples.user, &[]),
        keys.token_of(&samples.admin, &["admin"]),
    );
    let service_token = keys.service_token();
    let id = samples.user.id;
    result(format_args!("user token:           {user}"));
    result(format_args!("administrator token:  {admin}"));
    result(format_args!("service token:        {service_token}"));
    result("");
    result("# who am I");
    result(format_args!(
        "curl -s {base}/v1/users/me -H 'Authorization: Bearer {user}'"
    ));
    result("# change my profile");
    result(format_args!(
        "curl -s -X PATCH {base}/v1/users/me -H 'Authorization: Bearer {user}' -H 'Content-Type: application/json' \
         -d '{{\"profile\":{{\"bio\":\"I am new here.\"}}}}'"
    ));
    result("# as a service: see all of a user");
    result(format_args!(
        "curl -s {base}/v1/users/{id} -H 'X-API-Token: {service_token}'"
    ));
    result("# as a service: register somebody");
    result(format_args!(
        "curl -s {base}/v1/users -H 'X-API-Token: {service_token}' -H 'Content-Type: application/json' \
         -d '{{\"username\":\"newcomer\",\"email\":\"newcomer@example.org\"}}'"
    ));
    result("# as an administrator: list everybody");
    result(format_args!(
        "curl -s '{base}/v1/users?limit=10' -H 'Authorization: Bearer {admin}'"
    ));
    result("");
    result(format_args!("the API:   {base}/docs"));
    result(format_args!(
        "the data:  ./{FOLDER} (remove it to start anew)"
    ));
}
