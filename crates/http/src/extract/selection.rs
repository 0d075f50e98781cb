//! What of a user is wanted.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use user_domain::Violation;

use super::Part;
use crate::api::Api;
use crate::bodies::FieldSet;
use crate::problem::Problem;
use crate::query::Query;

/// The `fields` and the `include` of the query.
pub(crate) struct Selection {
    /// The fields of the user; all if none are named.
    pub(crate) fields: Option<FieldSet>,
    /// What is wanted besides.
    pub(crate) include: Include,
}

/// The `include` of the query: what is wanted with a user that is not part of it.
#[derive(Clone, Copy)]
pub(crate) struct Include {
    /// How many follow the user, and how many it follows.
    pub(crate) counts: bool,
}

impl Part for Selection {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        let include = Include::take(&mut query);
        let fields = query
            .take("fields")
            .and_then(|text| match FieldSet::parse(text.split(',')) {
                Ok(fields) => Some(fields),
                Err(violation) => {
                    query.refuse("fields", &violation);
                    None
                }
            });
        query.check()?;
        Ok(Self { fields, include })
    }
}

impl Part for Include {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        let include = Self::take(&mut query);
        query.check()?;
        Ok(include)
    }
}

impl Include {
    fn take(query: &mut Query) -> Self {
        let counts = match query.take("include").as_deref() {
            None => false,
            Some("counts") => true,
            Some(_) => {
                query.refuse("include", &Violation::new("unknown", "Must be counts."));
                false
            }
        };
        Self { counts }
    }
}
