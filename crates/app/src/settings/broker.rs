//! The settings of the message broker.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};
use user_adapters::amqp::AmqpOptions;

use super::Read;
use super::reader::Reader;

const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;
/// The user and the password of a new RabbitMQ, which accepts them only from its own machine.
const DEFAULT_CREDENTIAL: &str = "guest";
/// The maximum length of the name of an exchange in bytes.
const MAX_EXCHANGE: usize = 127;

/// The message broker to which events are relayed.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// The broker and the exchange (`AMQP_URL`, `AMQP_EXCHANGE`). `None`: no events are relayed.
    pub amqp: Option<AmqpOptions>,
    /// Whether events that reveal blocks are relayed too (`AMQP_PRIVATE`).
    pub shows_blocks: bool,
}

/// A parsed `AMQP_URL`.
struct AmqpUrl {
    host: String,
    port: u16,
    user: String,
    password: SecretString,
    virtual_host: String,
    has_tls: bool,
    has_parameters: bool,
}

impl BrokerSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let url = reader.optional("AMQP_URL", parse);
        let exchange = reader.required("AMQP_EXCHANGE", exchange);
        let shows_blocks = reader.switch("AMQP_PRIVATE");
        let (url, exchange) = (url?, exchange?);
        if url.as_ref().is_some_and(|url| url.has_parameters) {
            reader.warn("AMQP_URL", "the part after its `?` or `#` has no effect");
        }
        Ok(Self {
            amqp: url.map(|url| AmqpOptions {
                host: url.host,
                port: url.port,
                user: url.user,
                password: url.password,
                virtual_host: url.virtual_host,
                has_tls: url.has_tls,
                exchange,
            }),
            shows_blocks: shows_blocks?,
        })
    }
}

/// Parses an `AMQP_URL`. Errors contain nothing of it.
fn parse(text: &str) -> Result<AmqpUrl, String> {
    let url =
        Url::parse(text).map_err(|_| "is not a valid URL; in a password, escape /, ?, # and @")?;
    let has_tls = match url.scheme() {
        "amqp" => false,
        "amqps" => true,
        _ => return Err("must start with amqp:// or amqps://".to_owned()),
    };
    let host = match url.host() {
        None | Some(Host::Domain("")) => return Err("has no host".to_owned()),
        Some(Host::Domain(name)) => decoded(name)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
    };
    if host.contains(',') {
        return Err("names several servers: name one, or a load balancer".to_owned());
    }
    let given = |text: &str| match text {
        "" => Ok(DEFAULT_CREDENTIAL.to_owned()),
        text => decoded(text),
    };
    let virtual_host = match url.path().trim_start_matches('/') {
        "" => "/".to_owned(),
        name if name.contains('/') => {
            return Err("must write a / in the name of the virtual host as %2F".to_owned());
        }
        name => decoded(name)?,
    };
    Ok(AmqpUrl {
        host,
        port: url.port().unwrap_or(if has_tls { TLS_PORT } else { PORT }),
        user: given(url.username())?,
        password: given(url.password().unwrap_or_default())?.into(),
        virtual_host,
        has_tls,
        has_parameters: url.query().is_some() || url.fragment().is_some(),
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| "has an escape that is not UTF-8".to_owned())
}

fn exchange(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
    if text.is_empty() || text.len() > MAX_EXCHANGE || !text.chars().all(is_plain) {
        return Err(format!(
            "must be 1 to {MAX_EXCHANGE} letters, digits, or characters of - _ . :"
        ));
    }
    if text.starts_with("amq.") {
        return Err("must not start with amq., which RabbitMQ reserves".to_owned());
    }
    Ok(text.to_owned())
}
