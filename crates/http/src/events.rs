//! `/v1/events`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use tokio::time::{Instant, sleep, sleep_until};
use user_domain::Violation;
use user_domain::ports::FeedStart;
use user_domain::use_cases::{EventTypes, EventsPage, EventsQuery, ReadEvents};
use user_domain::values::UserId;
use utoipa::OpenApi;

use crate::bodies::events_page;
use crate::cursor;
use crate::extract::AuthenticatedRequest;
use crate::gzip::large_json_response;
use crate::openapi::{self, FoundEvents};
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::resource::read_only;
use crate::resource_limits::ActiveRequest;

/// The maximum time that a request may wait for events, in seconds.
const MAX_WAIT: u16 = 25;

/// How long a request that waits pauses after a read without a matching event. It doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two reads of a request that waits.
const MAX_PAUSE: Duration = Duration::from_millis(800);

/// The OpenAPI description of the resource.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub(crate) struct Description;

/// Registers the resource.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config.service(read_only("/v1/events", list));
}

/// Follows the changes of all users.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    description = "Oldest first. Each event is returned once along a chain of cursors; the events of one user are in the order of `data.revision`. Events are kept for 30 days. A 410 means that the cursor cannot be continued: read `cursor=now`, then walk `/v1/users`, then continue from that cursor, and keep the greater `version` of each user. With `wait`, the response is sent as soon as an event passes the filter; at shutdown, and if too many requests wait, at once. An unknown parameter is a 422. For services with `events:read`. The types `user.blocked` and `user.unblocked` also require `users:read_private`, and `include=user` also requires `users:read`.",
    params(openapi::EventsQuery),
    responses(FoundEvents)
)]
pub(crate) async fn list(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    let mut call = call;
    ReadEvents::permit(&call.caller)?;
    let (mut query, wait) = parameters(&call)?;
    let deadline = Instant::now() + wait;
    let mut page = read(&call, &query).await?;
    let permit = call.api.resource_limits().event_waits.clone();
    let is_position_only = query.start == FeedStart::Newest;
    if !wait.is_zero()
        && !is_position_only
        && let Ok(_permit) = permit.try_acquire()
    {
        let mut pause = Duration::ZERO;
        while page.events.is_empty() && !page.has_more {
            if !wait_for_more(&call, &page, pause, deadline).await {
                break;
            }
            let turns = call.api.resource_limits().reads_after_wait.clone();
            let _turn = tokio::select! {
                turn = turns.acquire() => turn,
                () = sleep_until(deadline) => break,
                () = call.api.readiness().draining() => break,
            };
            call.resume().await?;
            query.start = FeedStart::After(page.end);
            page = read(&call, &query).await?;
            pause = (pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
        }
    }
    let cursor = cursor::encode_feed(call.api.signing_keys(), &page.end);
    let budget = &call.api.resource_limits().large_documents;
    let body = events_page(&page, &cursor, budget).await?;
    large_json_response(&call.request, budget, body).await
}

async fn read(call: &AuthenticatedRequest, query: &EventsQuery) -> Result<EventsPage, Problem> {
    let use_case = &call.api.use_cases().read_events;
    call.within_listing_deadline("read_events", use_case.run(&call.caller, query))
        .await
}

/// Waits until there may be more events, but not past the deadline or into a shutdown. Returns whether there may be more.
///
/// A request that waits holds no database connection, and does not count as active.
async fn wait_for_more(
    call: &AuthenticatedRequest,
    page: &EventsPage,
    pause: Duration,
    deadline: Instant,
) -> bool {
    let _paused = ActiveRequest::pause(call.api.resource_limits().active.clone());
    let use_case = &call.api.use_cases().read_events;
    let more = async {
        sleep(pause).await;
        use_case.wait_for_more(page).await;
    };
    tokio::select! {
        () = more => true,
        () = sleep_until(deadline) => false,
        () = call.api.readiness().draining() => false,
    }
}

/// Returns the parameters of a request: the query, and how long to wait.
fn parameters(call: &AuthenticatedRequest) -> Result<(EventsQuery, Duration), Problem> {
    let mut query = Query::of(&call.request);
    let cursor = query.take("cursor");
    let limit = query.take_number("limit", 1, EventsQuery::MAX_LIMIT);
    let wait = query.take_number("wait", 0, MAX_WAIT);
    let types = query
        .take_list("types")
        .map(|types| EventTypes::parse(&types));
    let subject = query.take("subject").map(|id| UserId::parse(&id));
    let include = query.take("include");
    let types = query.valid("types", types).unwrap_or_default();
    let subject = query.valid("subject", subject);
    let includes_users = include.is_some();
    if include.is_some_and(|include| include != "user") {
        query.refuse("include", &Violation::new("unknown", "Must be user."));
    }
    query.refuse_unused();
    query.check()?;
    let start = match cursor.as_deref() {
        None => FeedStart::Oldest,
        Some("now") => FeedStart::Newest,
        Some(text) => {
            let position = cursor::decode_feed(call.api.signing_keys(), text);
            FeedStart::After(position.ok_or_else(|| {
                Problem::new(Code::InvalidCursor, "The cursor is not one of this feed.")
            })?)
        }
    };
    let events = EventsQuery {
        start,
        types,
        subject,
        includes_users,
        limit: limit.unwrap_or(EventsQuery::DEFAULT_LIMIT),
    };
    Ok((events, Duration::from_secs(wait.unwrap_or(0).into())))
}
