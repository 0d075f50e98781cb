//! What is known of a request from its first byte to its last, shared by all who handle it.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpRequest};
use tokio::time::Instant;

use crate::resource::Pattern;

/// The id of a request, on its answer and in the log: one short plain word.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

/// What is known of a request.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) id: RequestId,
    /// When it came in.
    pub(crate) received: Instant,
    /// The pattern of its route, once a handler has it: known even of a request that nobody waits for to the end.
    pub(crate) route: Cell<Option<&'static str>>,
    /// The kind of caller, for the log: no name and no id.
    pub(crate) caller: Cell<&'static str>,
}

impl RequestId {
    /// Takes a word that may stand in a header field.
    pub(crate) fn new(word: HeaderValue) -> Self {
        Self(word)
    }

    /// The id, for the log.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id, for a header field.
    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl Frame {
    /// Begins with a request that has just come in.
    pub(crate) fn begin(id: RequestId) -> Rc<Self> {
        Rc::new(Self {
            id,
            received: Instant::now(),
            route: Cell::new(None),
            caller: Cell::new("none"),
        })
    }

    /// Notes which handler has the request.
    pub(crate) fn note_route(&self, request: &HttpRequest) {
        let pattern = request.app_data::<Pattern>();
        self.route.set(pattern.map(|pattern| pattern.0));
    }

    /// The frame of a request, if it was begun.
    pub(crate) fn of(request: &impl HttpMessage) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().cloned()
    }
}
