//! The responses that actix-http creates itself, without a body and without passing the app.

use actix_web::http::StatusCode;
use memchr::memmem;

/// An upper bound of the length of such a response: a status line, `content-length`, `connection` and `date`.
const MAX_LENGTH: usize = 192;

/// Returns the start and status of a response of actix-http itself at the end of the bytes to send.
///
/// It is always the last response of a connection and is written in one call. Responses of the app are never mistaken
/// for it: they contain `x-request-id`, and no body of this service ends with an empty line.
pub(super) fn find(bytes: &[u8]) -> Option<(usize, StatusCode)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let window = bytes.len().saturating_sub(MAX_LENGTH);
    let start = window + memmem::rfind(bytes.get(window..)?, b"HTTP/1.")?;
    let status = status_of_bare(std::str::from_utf8(bytes.get(start..)?).ok()?)?;
    Some((start, status))
}

fn status_of_bare(head: &str) -> Option<StatusCode> {
    let mut lines = head.strip_suffix("\r\n\r\n")?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let status = StatusCode::from_u16(status).ok()?;
    let is_error = status.is_client_error() || status.is_server_error();
    let mut is_empty = false;
    for line in lines {
        match line.split_once(": ")? {
            ("content-length", "0") => is_empty = true,
            ("connection" | "date", _) => {}
            _ => return None,
        }
    }
    (is_error && is_empty).then_some(status)
}

/// Returns the `date` field of such a response.
pub(super) fn date(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    head.split("\r\n")
        .find_map(|line| line.strip_prefix("date: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
        date: Mon, 30 Nov 2026 02:00:00 GMT\r\n\r\n";

    #[test]
    fn a_bare_response_is_found_alone_and_after_another() {
        assert_eq!(find(BARE), Some((0, StatusCode::BAD_REQUEST)));
        let earlier = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: a\r\n\r\n{}";
        let both = [&earlier[..], BARE].concat();
        assert_eq!(find(&both), Some((earlier.len(), StatusCode::BAD_REQUEST)));
        assert_eq!(date(BARE), Some("Mon, 30 Nov 2026 02:00:00 GMT"));
    }

    #[test]
    fn other_responses_are_not_bare() {
        for text in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n{}",
            "0\r\n\r\n",
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text:?}");
        }
    }
}
