//! Which fields of a user are wanted.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use user_domain::Violation;

use super::Part;
use crate::api::Api;
use crate::bodies::FieldSet;
use crate::problem::Problem;
use crate::query::Query;

/// The `fields` of the query; `include` is known but accepts nothing yet.
pub(crate) struct Selection(pub(crate) Option<FieldSet>);

impl Part for Selection {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        if query.take("include").is_some() {
            query.refuse(
                "include",
                &Violation::new("unknown", "names nothing that can be included"),
            );
        }
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
        Ok(Self(fields))
    }
}
