//! HTTP clients with credentials, their responses, and signed tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::credentials::JWT_SECRET;

/// A client of one app, with its credentials.
pub struct TestClient<'a> {
    client: &'a reqwest::Client,
    base_url: String,
    authorization: Option<String>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null if it is not JSON.
    pub json: Value,
}

impl<'a> TestClient<'a> {
    pub(crate) fn new(
        client: &'a reqwest::Client,
        base_url: String,
        authorization: Option<String>,
    ) -> Self {
        Self {
            client,
            base_url,
            authorization,
        }
    }

    /// Creates a request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}{path}", self.base_url));
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::send(self.request(Method::GET, path)).await
    }

    /// Gets a path with header fields.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        Reply::send(with(self.request(Method::GET, path), headers)).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, body, &[]).await
    }

    /// Posts JSON with header fields.
    pub async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        Reply::send(with(self.request(Method::POST, path).json(body), headers)).await
    }

    /// Posts an empty body, as for actions such as `/suspend`.
    pub async fn post_empty(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        Reply::send(with(self.request(Method::POST, path), headers)).await
    }

    /// Patches with JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.patch_with(path, body, &[]).await
    }

    /// Patches with JSON and header fields.
    pub async fn patch_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        Reply::send(with(self.request(Method::PATCH, path).json(body), headers)).await
    }

    /// Puts JSON with header fields.
    pub async fn put_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        Reply::send(with(self.request(Method::PUT, path).json(body), headers)).await
    }

    /// Puts an empty body.
    pub async fn put(&self, path: &str) -> Reply {
        Reply::send(self.request(Method::PUT, path)).await
    }

    /// Deletes with header fields.
    pub async fn delete_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        Reply::send(with(self.request(Method::DELETE, path), headers)).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Reply {
        self.delete_with(path, &[]).await
    }
}

impl Reply {
    /// Sends a request and reads the complete response.
    pub async fn send(request: RequestBuilder) -> Self {
        Self::read(request.send().await.expect("the service responds")).await
    }

    /// Reads a complete response.
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.expect("the response is complete");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            text,
            json,
        }
    }

    /// The value of a header field; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The version and the view in the `ETag`; empty without one. Asserts the format of the tag.
    pub fn version_and_view(&self) -> &str {
        let tag = self.header("etag");
        if tag.is_empty() {
            return tag;
        }
        let (named, tag) = tag
            .trim_matches('"')
            .rsplit_once('-')
            .expect("a tag of three parts");
        let digits = tag.bytes().filter(u8::is_ascii_hexdigit).count();
        assert!(digits >= 8 && digits == tag.len(), "{tag}");
        named
    }

    /// The code of the problem; empty if the response is not a problem.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The pointers (or parameters) and codes of the errors in a problem, in order.
    pub fn faults(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let faults = self.json["errors"].as_array().cloned().unwrap_or_default();
        faults
            .iter()
            .map(|fault| {
                let place = if fault["pointer"].is_null() {
                    &fault["parameter"]
                } else {
                    &fault["pointer"]
                };
                (text(place), text(&fault["code"]))
            })
            .collect()
    }

    /// The id of the user.
    pub fn id(&self) -> &str {
        self.json["id"].as_str().unwrap_or_default()
    }

    /// The version of the user.
    pub fn version(&self) -> i64 {
        self.json["version"].as_i64().unwrap_or_default()
    }
}

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

/// The claims of a token that is valid for an hour.
#[expect(
    clippy::disallowed_methods,
    reason = "a token of the tests is issued now"
)]
pub fn claims(sub: &str) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({"sub": sub, "iat": now - 1, "exp": now + 3600, "type": "access"})
}

/// Signs a token as the Auth Service does. It does not use the library of the service, so that the tests verify that
/// library independently.
pub fn sign(claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"}).to_string();
    sign_as(&header, &claims.to_string(), JWT_SECRET.as_bytes())
}

/// Signs any header and payload with any secret and HS256, regardless of the algorithm in the header.
pub fn sign_as(header: &str, payload: &str, secret: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}
