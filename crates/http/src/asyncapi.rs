//! The AsyncAPI 3.0 document: the events, and how consumers receive them.
//!
//! The schemas are those of the OpenAPI document. Operations are described from the side of a consumer.

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value, json};
use user_domain::ports::FeedEventKind;
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::openapi::{
    EventInclude, EventPage, EventsQuery, NamedSchemas, add_lengths, event_example,
};

const DESCRIPTION: &str = "\
The events of the user service: each change of a user, and of its follows and blocks, as CloudEvents 1.0. They contain \
ids and the paths of changed fields, but no personal data.

This document describes a consumer, so each operation receives. An event that is at both channels has the same `id`. \
Drop an event whose `data.revision` is not greater than the one that you have of its subject: then repetitions do no \
harm. Ignore events of unknown types, which later releases may add.";

const FEED: &str = "\
Pages of events, oldest first. Read it with the `cursor` of the previous page. With `wait`, the response is sent as \
soon as there is an event. A 410 means that the cursor cannot be continued.";

const EXCHANGE: &str = "\
A durable topic exchange, for services that set one up. The routing key is the type of the event. The service declares \
the exchange and no queue: bind your own. Events are published in order, at least once, as persistent messages whose \
`message_id` is the id of the event and whose `correlation_id` is the id of the user. `data.user` is always `null`. \
Events that reveal blocks are published only if the service is configured to do so. The name and the virtual host below \
are the defaults of the settings `AMQP_EXCHANGE` and `AMQP_URL`.";

/// Returns the AsyncAPI document for a base path, as indented JSON. The output is deterministic.
///
/// The base path is empty, or starts with a slash and does not end with one.
pub fn asyncapi(base_path: &str) -> String {
    let document = json!({
        "asyncapi": "3.0.0",
        "id": "urn:user-service:events",
        "info": {
            "title": "User service events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": servers(base_path),
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": messages(),
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A service token with the scope `events:read`.",
                },
                "amqp": {
                    "type": "userPassword",
                    "description": "A user of the broker that may read the exchange.",
                },
            },
        },
    });
    // Serialisation fails only for maps with keys that are not strings, and the document has none.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn servers(base_path: &str) -> Value {
    let host =
        |default: &str, about: &str| json!({"host": {"default": default, "description": about}});
    let mut http = json!({
        "host": "{host}",
        "protocol": "http",
        "description": "The service, or the gateway in front of it.",
        "variables": host("localhost:5000", "The host and port of the service."),
        "security": [{"$ref": "#/components/securitySchemes/bearer"}],
    });
    if let (Some(http), false) = (http.as_object_mut(), base_path.is_empty()) {
        http.insert("pathname".to_owned(), base_path.into());
    }
    json!({
        "http": http,
        "rabbitmq": {
            "host": "{host}",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "description": "The broker to which the service publishes, if one is configured.",
            "variables": host("localhost:5672", "The host and port of the broker."),
            "security": [{"$ref": "#/components/securitySchemes/amqp"}],
        },
    })
}

fn channels() -> Value {
    let kinds: Vec<&str> = FeedEventKind::all().map(FeedEventKind::as_str).collect();
    json!({
        "feed": {
            "address": "/v1/events",
            "title": "The event feed",
            "description": FEED,
            "servers": [{"$ref": "#/servers/http"}],
            "messages": {"page": {"$ref": "#/components/messages/EventPage"}},
        },
        "exchange": {
            "address": "{type}",
            "title": "The exchange",
            "description": EXCHANGE,
            "servers": [{"$ref": "#/servers/rabbitmq"}],
            "parameters": {"type": {"description": "The type of the event.", "enum": kinds}},
            "messages": {"event": {"$ref": "#/components/messages/CloudEvent"}},
            "bindings": {"amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": "user-service.events",
                    "type": "topic",
                    "durable": true,
                    "autoDelete": false,
                    "vhost": "/",
                },
                "bindingVersion": "0.3.0",
            }},
        },
    })
}

fn operations() -> Value {
    json!({
        "readEvents": {
            "action": "receive",
            "channel": {"$ref": "#/channels/feed"},
            "title": "Read a page of events",
            "messages": [{"$ref": "#/channels/feed/messages/page"}],
            "bindings": {"http": {"method": "GET", "query": query(), "bindingVersion": "0.3.0"}},
        },
        "consumeEvents": {
            "action": "receive",
            "channel": {"$ref": "#/channels/exchange"},
            "title": "Consume the events of a queue",
            "messages": [{"$ref": "#/channels/exchange/messages/event"}],
            "bindings": {"amqp": {"ack": true, "bindingVersion": "0.3.0"}},
        },
    })
}

fn messages() -> Value {
    json!({
        "EventPage": {
            "title": "A page of events",
            "contentType": "application/json",
            "payload": {"$ref": "#/components/schemas/EventPage"},
            "bindings": {"http": {"statusCode": 200, "bindingVersion": "0.3.0"}},
        },
        "CloudEvent": {
            "title": "An event",
            "contentType": "application/cloudevents+json",
            "headers": {
                "type": "object",
                "properties": {
                    "user": {"type": "string", "format": "uuid", "description": "The id of the user: `subject`."},
                },
            },
            "correlationId": {
                "description": "The id of the user, so that consumers can share the load and keep the order of each user.",
                "location": "$message.payload#/subject",
            },
            "payload": {"$ref": "#/components/schemas/CloudEvent"},
            "examples": [{"name": "update", "payload": event_example()}],
        },
    })
}

/// Returns the schema of the query of the feed, from the parameters of the OpenAPI document.
fn query() -> Value {
    let parameters = EventsQuery::into_params(|| None);
    let property = |parameter: Parameter| (parameter.name.clone(), property(&parameter));
    let properties: Map<String, Value> = parameters.into_iter().map(property).collect();
    json!({"type": "object", "properties": properties})
}

fn property(parameter: &Parameter) -> Value {
    let mut schema = to_json(&parameter.schema);
    if let (Some(schema), Some(about)) = (schema.as_object_mut(), &parameter.description) {
        schema.insert("description".to_owned(), about.as_str().into());
    }
    schema
}

/// Returns the schemas of a page and all that it refers to, by their names in the OpenAPI document.
fn schemas() -> Value {
    let mut named: NamedSchemas = vec![
        (EventPage::name().into_owned(), EventPage::schema()),
        (EventInclude::name().into_owned(), EventInclude::schema()),
    ];
    EventPage::schemas(&mut named);
    let mut schemas: Value = named
        .into_iter()
        .map(|(name, schema)| (name, to_json(&schema)))
        .collect::<Map<String, Value>>()
        .into();
    add_lengths(&mut schemas);
    rename_examples(&mut schemas);
    schemas
}

fn to_json(schema: &impl Serialize) -> Value {
    // Schemas have no keys that are not strings, which is what could fail.
    serde_json::to_value(schema).unwrap_or_default()
}

/// Replaces `example`, which only OpenAPI has, by the `examples` of JSON Schema. No schema has a property of that name.
fn rename_examples(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(example) = members.shift_remove("example") {
                members.insert("examples".to_owned(), json!([example]));
            }
            let inner = members.iter_mut();
            inner
                .filter(|(name, _)| *name != "examples")
                .for_each(|(_, inner)| rename_examples(inner));
        }
        Value::Array(items) => items.iter_mut().for_each(rename_examples),
        _ => {}
    }
}
