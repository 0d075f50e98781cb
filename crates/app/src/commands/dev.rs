//! `dev`: the service on this machine without configuration, with sample users and example requests.

mod keys;
mod sample;

use std::collections::BTreeMap;
use std::path::Path;

use super::{fail, print_message, print_result};
use crate::cli::CommandOutcome;
use crate::serve::Service;
use crate::settings::{Settings, Sources};
use crate::signals::Signals;
use crate::telemetry;
use keys::Keys;
use sample::Samples;

/// The folder of the database and the keys.
const FOLDER: &str = "data";

pub(crate) async fn run() -> CommandOutcome {
    let keys = match Keys::load_or_create(Path::new(FOLDER)) {
        Ok(keys) => keys,
        Err(error) => {
            print_message(format_args!("user-service: {error}"));
            return CommandOutcome::Failure;
        }
    };
    let settings = match Settings::load(&sources(&keys)) {
        Ok(settings) => settings,
        Err(errors) => {
            print_message(errors);
            return CommandOutcome::InvalidUsage;
        }
    };
    let traces = match telemetry::start(&settings) {
        Ok(traces) => traces,
        Err(error) => return fail(&error),
    };
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    let service = match Service::start(&settings).await {
        Ok(service) => service,
        Err(error) => return fail(&error),
    };
    match Samples::ensure(&service.composition).await {
        Ok(samples) => print_examples(&service, &settings, &keys, &samples),
        Err(error) => {
            print_message(format_args!(
                "user-service: cannot create the sample users: {error}; remove ./data to start over"
            ));
            service.stop().await;
            return CommandOutcome::Failure;
        }
    }
    let outcome = service.run_until_signalled(signals).await;
    traces.stop().await;
    outcome
}

/// The settings of the environment, except those that refer to other machines or keys.
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

fn print_examples(service: &Service, settings: &Settings, keys: &Keys, samples: &Samples) {
    let base = format!("http://{}{}", service.address(), settings.server.base_path);
    let (user, admin) = (
        keys.token_of(&samples.user, &[]),
        keys.token_of(&samples.admin, &["admin"]),
    );
    let service_token = keys.service_token();
    let id = samples.user.id;
    print_result(format_args!("user token:           {user}"));
    print_result(format_args!("administrator token:  {admin}"));
    print_result(format_args!("service token:        {service_token}"));
    print_result("");
    print_result("# who am I");
    print_result(format_args!(
        "curl -s {base}/v1/users/me -H 'Authorization: Bearer {user}'"
    ));
    print_result("# change my profile");
    print_result(format_args!(
        "curl -s -X PATCH {base}/v1/users/me -H 'Authorization: Bearer {user}' -H 'Content-Type: application/json' \
         -d '{{\"profile\":{{\"bio\":\"I am new here.\"}}}}'"
    ));
    print_result("# as a service: read all fields of a user");
    print_result(format_args!(
        "curl -s {base}/v1/users/{id} -H 'X-API-Token: {service_token}'"
    ));
    print_result("# as a service: create a user");
    print_result(format_args!(
        "curl -s {base}/v1/users -H 'X-API-Token: {service_token}' -H 'Content-Type: application/json' \
         -d '{{\"username\":\"newcomer\",\"email\":\"newcomer@example.org\"}}'"
    ));
    print_result("# as an administrator: list users");
    print_result(format_args!(
        "curl -s '{base}/v1/users?limit=10' -H 'Authorization: Bearer {admin}'"
    ));
    print_result("");
    print_result(format_args!("the API:   {base}/docs"));
    print_result(format_args!(
        "the data:  ./{FOLDER} (remove it to start over)"
    ));
}
