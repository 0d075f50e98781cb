//! The settings of traces.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::Read;
use super::reader::{Reader, comma_list};
use crate::http_client::base_url;

/// The settings of traces, with the names of the OpenTelemetry specification.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector, without a trailing slash (`OTEL_EXPORTER_OTLP_ENDPOINT`). `None`: nothing is traced.
    pub endpoint: Option<String>,
    /// The header fields that the collector requires (`OTEL_EXPORTER_OTLP_HEADERS`).
    pub headers: Vec<(String, SecretString)>,
    /// The name of this service in traces (`OTEL_SERVICE_NAME`).
    pub service_name: String,
    /// The share of requests that are traced if the caller has not decided it, 0 to 1 (`OTEL_TRACES_SAMPLER_ARG`). With
    /// 0, nothing is traced, even if a caller requests it.
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
            let warning = "has no effect: OTEL_EXPORTER_OTLP_ENDPOINT is not set";
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
    base_url(text, "OTEL_EXPORTER_OTLP_HEADERS")
}

/// Parses `name=value` pairs with percent-encoded values (W3C Baggage).
fn headers(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let malformed = || "must be a comma-separated list of name=value, percent-encoded".to_owned();
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
