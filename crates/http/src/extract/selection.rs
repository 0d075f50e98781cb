//! The query parameters `fields` and `include`.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use user_domain::Violation;

use super::RequestPart;
use crate::api::Api;
use crate::bodies::FieldSet;
use crate::problem::Problem;
use crate::query::Query;

/// The `fields` and `include` of the query.
pub(crate) struct Selection {
    /// The requested fields of the user; all if `fields` is missing.
    pub(crate) fields: Option<FieldSet>,
    /// The requested additions.
    pub(crate) include: Include,
}

/// The `include` of the query: data of a user that is not part of its representation.
#[derive(Clone, Copy)]
pub(crate) struct Include {
    /// The number of followers and of followed users.
    pub(crate) counts: bool,
}

impl RequestPart for Selection {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        let selection = Self::take(&mut query);
        query.check()?;
        Ok(selection)
    }
}

impl Selection {
    /// Takes the parameters from a query, which records their errors.
    pub(crate) fn take(query: &mut Query) -> Self {
        let include = Include::take(query);
        let fields = query.take_list("fields").and_then(|names| {
            match FieldSet::parse(names.iter().map(String::as_str)) {
                Ok(fields) => Some(fields),
                Err(violation) => {
                    query.refuse("fields", &violation);
                    None
                }
            }
        });
        Self { fields, include }
    }
}

impl RequestPart for Include {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        let include = Self::take(&mut query);
        query.check()?;
        Ok(include)
    }
}

impl Include {
    fn take(query: &mut Query) -> Self {
        let names = query.take_list("include").unwrap_or_default();
        if names.iter().any(|name| name != "counts") {
            query.refuse("include", &Violation::new("unknown", "Must be counts."));
        }
        Self {
            counts: !names.is_empty(),
        }
    }
}
