//! The settings of the management port and traces.

use secrecy::ExposeSecret;

use super::{assert_refused, load};

#[test]
fn the_management_port_differs_from_the_port() {
    assert_eq!(load(&[]).server.management_port, None);
    let settings = load(&[("MANAGEMENT_PORT", "9090")]);
    assert_eq!(settings.server.management_port, Some(9090));
    let any = load(&[("PORT", "0"), ("MANAGEMENT_PORT", "0")]);
    assert_eq!(any.server.management_port, Some(0));
    assert_refused(
        &[("MANAGEMENT_PORT", "5000")],
        "MANAGEMENT_PORT",
        "differ from PORT",
    );
    assert_refused(&[("MANAGEMENT_PORT", "x")], "MANAGEMENT_PORT", "0 to 65535");
}

#[test]
fn nothing_is_traced_without_a_collector() {
    let traces = load(&[]).traces;
    assert_eq!(traces.endpoint, None);
    assert_eq!(traces.service_name, "user-service");
    assert!((traces.sample_ratio - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_collector_is_an_http_address_without_a_password() {
    let named = |endpoint| {
        load(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)])
            .traces
            .endpoint
    };
    assert_eq!(
        named("http://otel:4318/"),
        Some("http://otel:4318".to_owned())
    );
    assert_eq!(
        named("https://otel.example.org/otlp"),
        Some("https://otel.example.org/otlp".to_owned())
    );
    for endpoint in [
        "otel:4318",
        "grpc://otel:4317",
        "http://",
        "http://otel?x=1",
        "http://me:secret@otel:4318",
    ] {
        let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
        assert_refused(&[(variable, endpoint)], variable, "");
    }
}

#[test]
fn headers_of_the_collector_are_decoded_and_never_shown() {
    let settings = load(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "API-Key=s%20cret, x-tenant = acme ,",
        ),
    ]);
    let headers = &settings.traces.headers;
    let shown: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose_secret()))
        .collect();
    assert_eq!(shown, [("api-key", "s cret"), ("x-tenant", "acme")]);
    assert!(!format!("{settings:?}").contains("s cret"));
    for malformed in ["secret", "=secret", "a b=secret", "a=%FF", "a=%0A"] {
        let variable = "OTEL_EXPORTER_OTLP_HEADERS";
        assert_refused(&[(variable, malformed)], variable, "name=value");
    }
    let alone = load(&[("OTEL_EXPORTER_OTLP_HEADERS", "a=b")]);
    let warned = |warning: &String| warning.starts_with("OTEL_EXPORTER_OTLP_HEADERS");
    assert!(alone.warnings().iter().any(warned));
}

#[test]
fn a_share_of_traces_is_from_0_to_1() {
    let ratio = |text| {
        load(&[("OTEL_TRACES_SAMPLER_ARG", text)])
            .traces
            .sample_ratio
    };
    assert!((ratio("0.25") - 0.25).abs() < f64::EPSILON);
    for text in ["-0.1", "1.1", "NaN", "half"] {
        let variable = "OTEL_TRACES_SAMPLER_ARG";
        assert_refused(&[(variable, text)], variable, "from 0 to 1");
    }
}
