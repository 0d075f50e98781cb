//! `GET /v1/users/{id}/export`.

use actix_web::HttpResponse;
use user_domain::permissions::{Action, permit};
use user_domain::ports::EventPosition;
use user_domain::relationship::{RelatedList, RelatedPosition};
use user_domain::use_cases::ExportPositions;
use user_domain::values::UserId;

use super::related::cursor_of_other_list;
use crate::bodies::{ExportCursors, export_document};
use crate::cursor;
use crate::extract::{AuthenticatedRequest, TargetUser};
use crate::gzip::large_json_response;
use crate::openapi::{ExportQuery, Exported, IdPath};
use crate::problem::Problem;
use crate::query::Query;
use crate::signing::SigningKeys;

/// Returns all stored data about the user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/export",
    operation_id = "exportUser",
    tag = "users",
    description = "Each list has its newest 1,000 entries and its own cursor for the next page. With one or more cursors in the request, the response has the user and only the lists of these cursors. An unknown parameter is a 422. For the user itself, in its own view; for services with `users:read_private` and administrators, in the full view.",
    params(IdPath, ExportQuery),
    responses(Exported)
)]
pub(crate) async fn export(
    call: AuthenticatedRequest<TargetUser>,
) -> Result<HttpResponse, Problem> {
    let (call, TargetUser(user)) = call.split();
    permit(&call.caller, Action::Export(user))?;
    let cursors = Cursors {
        keys: call.api.signing_keys(),
        user,
    };
    let from = cursors.read(Query::of(&call.request))?;
    let use_case = &call.api.use_cases().export_user;
    let budget = &call.api.resource_limits().large_documents;
    let exported = async {
        let export = use_case.run(&call.caller, user, &from).await?;
        export_document(&export, &cursors, budget).await
    };
    let body = call
        .within_listing_deadline("export_user", exported)
        .await?;
    large_json_response(&call.request, budget, body).await
}

/// The cursors of the export of one user.
struct Cursors<'a> {
    keys: &'a SigningKeys,
    user: UserId,
}

impl Cursors<'_> {
    /// Parses the cursors of a query.
    ///
    /// # Errors
    ///
    /// A problem for an unknown parameter, and for a cursor of another list or another user.
    fn read(&self, mut query: Query) -> Result<ExportPositions, Problem> {
        let events = query.take("events_cursor");
        let [followers, following, blocks] = [
            RelatedList::Followers,
            RelatedList::Following,
            RelatedList::Blocks,
        ]
        .map(|list| (list, query.take(&format!("{}_cursor", list.as_str()))));
        query.refuse_unused();
        query.check()?;
        let events = events.map(|text| {
            cursor::decode_events(self.keys, self.user, &text).ok_or_else(cursor_of_other_list)
        });
        let position = |(list, text): (RelatedList, Option<String>)| {
            let read = |text: String| {
                cursor::decode_related(self.keys, (self.user, list), &text)
                    .ok_or_else(cursor_of_other_list)
            };
            text.map(read).transpose()
        };
        Ok(ExportPositions {
            events: events.transpose()?,
            followers: position(followers)?,
            following: position(following)?,
            blocks: position(blocks)?,
        })
    }
}

impl ExportCursors for Cursors<'_> {
    fn events(&self, position: EventPosition) -> String {
        cursor::encode_events(self.keys, self.user, position)
    }

    fn related(&self, list: RelatedList, position: &RelatedPosition) -> String {
        cursor::encode_related(self.keys, (self.user, list), position)
    }
}
