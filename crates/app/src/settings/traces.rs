//! Where traces are sent.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use super::Read;
use super::reader::{Reader, comma_list};

/// Where traces are sent, by the names of OpenTelemetry's specification.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector, without a slash at its end (`OTEL_EXPORTER_OTLP_ENDPOINT`); without one, nothing is traced.
    pub endpoint: Option<String>,
    /// The header fields that the collector asks for (`OTEL_EXPORTER_OTLP_HEADERS`).
    pub headers: Vec<(String, SecretString)>,
    /// What the service calls itself (`OTEL_SERVICE_NAME`).
    pub service_name: String,
    /// The share of requests that are traced if their caller has not decided, 0 to 1 (`OTEL_TRACES_SAMPLER_ARG`).
    pub sample_ratio: f64,
}

impl TraceSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let endpoint = reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        let headers = reader.optional("OTEL_EXPORTER_OTLP_HEADERS", headers);
        let service_name = reader.required("OTEL_SERVICE_NAME", |text| Ok(text.to_owned()));
        let sample_ratio = reader.required("OTEL_TRACES_SAMPLER_ARG", ratio);
        let (endpoint, headers) = (endpoint?, headers?);
        if headers.is_some() && endpoint.is_none() {
            let warning = "is without effect: OTEL_EXPORTER_OTLP_ENDPOINT is not set";
            reader.warn("OTEL_EXPORTER_OTLP_HEADERS", warning);
        }
        Ok(Self {
            endpoint,
            headers: headers.unwrap_or_default(),
            service_name: service_name?,
            sample_ratio: sample_ratio?,
        })
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "is not a valid URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("must be http://host:port or https://host:port".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a password: use OTEL_EXPORTER_OTLP_HEADERS".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Reads `name=value` pairs whose values are percent-encoded (W3C Baggage).
fn headers(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let malformed = || "must be a comma list of name=value, percent-encoded".to_owned();
    let pair = |entry: &str| {
        let (name, value) = entry.split_once('=').ok_or_else(malformed)?;
        let name = name.trim().to_ascii_lowercase();
        let is_token = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let value = percent_decode_str(value.trim())
            .decode_utf8()
            .map_err(|_| malformed())?;
        if name.is_empty() || !name.chars().all(is_token) || value.chars().any(char::is_control) {
            return Err(malformed());
        }
        Ok((name, SecretString::from(value.into_owned())))
    };
    comma_list(text).into_iter().map(pair).collect()
}

fn ratio(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "must be a number from 0 to 1".to_owned())
}
