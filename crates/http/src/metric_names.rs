//! The metrics of the API, under their OpenTelemetry names.

/// A histogram of seconds by `method`, `route` (the pattern, never the path) and `status`.
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";

/// The status in logs and metrics of a request whose client disconnected before the response, as in nginx. It is never
/// sent.
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A counter of problem responses, by `code`.
pub(crate) const PROBLEMS: &str = "http_server_problems_total";

/// A counter of the connections that the service closed or rejected, by `reason`.
pub(crate) const CONNECTIONS_CLOSED: &str = "http_server_connections_closed_total";

/// A gauge of active requests; requests that wait for their bodies are not counted.
pub const ACTIVE_REQUESTS: &str = "http_server_active_requests";

/// A gauge of the requests that wait for events.
pub(crate) const EVENT_WAITS: &str = "http_server_event_waits";

/// A gauge of held bodies: bodies that are being received, and large bodies until they are parsed.
pub(crate) const HELD_BODIES: &str = "http_server_held_bodies";

/// A gauge of the bytes of held bodies.
pub(crate) const HELD_BODY_BYTES: &str = "http_server_held_body_bytes";

/// A counter of bodies that were ended because they were the slowest when a limit was reached.
pub(crate) const ENDED_BODIES: &str = "http_server_ended_bodies_total";

/// The upper bounds, in seconds, of the buckets of [`REQUEST_DURATION`].
pub const REQUEST_DURATION_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
