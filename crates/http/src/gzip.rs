//! Compression of responses for clients that ask for gzip (RFC 9110, section 12.5.3).

use std::io::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CONTENT_ENCODING, Encoding, Header as _, HeaderValue, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::task::yield_now;

use crate::bodies::{json_response_of_bytes, tracked_bytes};
use crate::problem::Problem;
use crate::resource_limits::ByteBudget;

/// The size from which a response is compressed. Smaller ones fit into one packet anyway.
const MIN_BYTES: usize = 1024;

/// The number of bytes that are compressed between two turns of other requests.
const CHUNK_BYTES: usize = 64 * 1024;

/// The level for responses of users. Higher levels make them about a tenth smaller and take several times as long.
const FAST: Compression = Compression::new(1);

/// Creates the response of a list, a batch or an export, compressed if the client asks for it.
///
/// Such a response has no `ETag`. The representation of one user has a strong one and is never compressed, because the
/// tag covers its exact bytes.
///
/// # Errors
///
/// `overloaded` if the budget of large responses does not suffice. It counts the compressed bytes too until they are sent.
pub(crate) async fn large_json_response(
    request: &HttpRequest,
    budget: &ByteBudget,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let is_compressed = body.len() > MIN_BYTES && is_accepted(request);
    let body = if is_compressed {
        let compressed = compress(&body, FAST).await?;
        if body.len() > CHUNK_BYTES {
            let held = budget.try_hold(compressed.len());
            tracked_bytes(compressed, held.ok_or_else(Problem::overloaded)?)
        } else {
            compressed.into()
        }
    } else {
        body
    };
    let mut response = json_response_of_bytes(StatusCode::OK, body);
    add_headers(&mut response, is_compressed);
    Ok(response)
}

/// Adds the header fields of a response that may be compressed.
pub(crate) fn add_headers(response: &mut HttpResponse, is_compressed: bool) {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

/// Whether the client prefers gzip to an uncompressed response.
pub(crate) fn is_accepted(request: &HttpRequest) -> bool {
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        return false;
    }
    let supported = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request)
        .is_ok_and(|accepted| accepted.negotiate(supported.iter()) == Some(Encoding::gzip()))
}

/// Compresses bytes in chunks, and lets other requests run between them.
async fn compress(bytes: &[u8], level: Compression) -> Result<Vec<u8>, Problem> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), level);
    for chunk in bytes.chunks(CHUNK_BYTES) {
        encoder.write_all(chunk).map_err(failed)?;
        if chunk.len() == CHUNK_BYTES {
            yield_now().await;
        }
    }
    let mut compressed = encoder.finish().map_err(failed)?;
    // A slow client would keep the unused capacity allocated.
    compressed.shrink_to_fit();
    Ok(compressed)
}

/// Compresses a document, which is kept.
pub(crate) fn compress_document(bytes: &[u8]) -> Result<Bytes, Problem> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).map_err(failed)?;
    Ok(encoder.finish().map_err(failed)?.into())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of `map_err`"
)]
fn failed(error: std::io::Error) -> Problem {
    Problem::internal(format!("compression failed: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_is_used_only_if_the_client_prefers_it() {
        let is_accepted = |line: &'static str| {
            let request = TestRequest::default().insert_header((ACCEPT_ENCODING, line));
            is_accepted(&request.to_http_request())
        };
        for line in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1"] {
            assert!(is_accepted(line), "{line}");
        }
        for line in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.5, identity",
            "nonsense;;",
        ] {
            assert!(!is_accepted(line), "{line}");
        }
        assert!(!super::is_accepted(
            &TestRequest::default().to_http_request()
        ));
    }

    #[actix_web::test]
    async fn a_large_compressed_response_is_counted_until_it_is_dropped() {
        let budget = ByteBudget::new(1024 * 1024);
        let request = TestRequest::default().insert_header((ACCEPT_ENCODING, "gzip"));
        let request = request.to_http_request();
        let body = Bytes::from(vec![b'a'; CHUNK_BYTES + 1]);
        let response = large_json_response(&request, &budget, body.clone()).await;
        assert!(budget.try_hold(1024 * 1024).is_none());
        drop(response.unwrap());
        let all = budget.try_hold(1024 * 1024);
        assert!(all.is_some());
        let refused = large_json_response(&request, &budget, body).await;
        assert!(refused.is_err());
    }

    #[actix_web::test]
    async fn compressed_bytes_of_several_chunks_are_restored() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| format!("the user with the number {n}\n").into_bytes())
            .collect();
        for compressed in [
            Bytes::from(compress(&text, FAST).await.unwrap()),
            compress_document(&text).unwrap(),
        ] {
            assert!(compressed.len() < text.len() / 2);
            let mut restored = Vec::new();
            GzDecoder::new(&*compressed)
                .read_to_end(&mut restored)
                .unwrap();
            assert!(restored == text);
        }
    }
}
