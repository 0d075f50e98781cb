use proptest::prelude::*;

use super::*;

/// Returns the requests that are read if these bytes arrive in pieces of at most `size` bytes.
fn requests(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut requests = RequestTracker::default();
    let mut read = vec![Vec::new()];
    for mut piece in bytes.chunks(size) {
        while !piece.is_empty() {
            let progress = requests.receive(piece);
            assert!(progress.taken > 0 && !progress.is_too_large);
            let (taken, rest) = piece.split_at(progress.taken);
            let rewritten = progress.rewritten.unwrap_or_else(|| taken.to_vec());
            read.last_mut().unwrap().extend(rewritten);
            if requests.is_between_requests() {
                read.push(Vec::new());
            }
            piece = rest;
        }
    }
    read.retain(|request| !request.is_empty());
    read
}

/// Returns the bytes that are read if these bytes arrive in pieces of at most `size` bytes.
fn read(bytes: &[u8], size: usize) -> Vec<u8> {
    requests(bytes, size).concat()
}

fn assert_read(sent: &str, expected: &str) {
    for size in [1, 2, 7, sent.len()] {
        let read = String::from_utf8(read(sent.as_bytes(), size)).unwrap();
        assert_eq!(read, expected, "{sent:?} in pieces of {size}");
    }
}

#[test]
fn non_ascii_bytes_in_a_request_target_are_percent_encoded() {
    assert_read(
        "GET /v1/users/by-username/zo\u{eb}?q=\u{4e2d} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/users/by-username/zo%C3%AB?q=%E4%B8%AD HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert_eq!(
        read(b"GET /\xe9 HTTP/1.1\r\n\r\n", 100),
        b"GET /%E9 HTTP/1.1\r\n\r\n"
    );
}

#[test]
fn bodies_and_header_fields_are_unchanged() {
    let body = "{\"a\":\"\u{eb}\\n\"}\nGET /\u{eb} HTTP/1.1\n\n";
    let request = format!(
        "\r\nPOST /\u{eb} HTTP/1.1\r\nHost: x\r\nX-Name: \u{eb}\r\nContent-LENGTH:  {} \r\n\r\n{body}",
        body.len()
    );
    let expected = request.replacen('\u{eb}', "%C3%AB", 1);
    // The requests of one connection. The lines of one of them end without a carriage return, as those of some clients.
    let sent = format!("{request}{request}GET /\u{eb} HTTP/1.1\nHost: x\n\n{request}");
    let expected = format!("{expected}{expected}GET /%C3%AB HTTP/1.1\nHost: x\n\n{expected}");
    assert_read(&sent, &expected);
}

#[test]
fn a_simple_get_is_one_complete_request() {
    for simple in [
        "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nTraceparent: a\r\nConnection: close\r\nCookie: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(is_simple_get(simple.as_bytes()), "{simple:?}");
        assert_eq!(requests(simple.as_bytes(), simple.len()).len(), 1);
    }
    for other in [
        "GET / HTTP/1.1\r\ncontent-LENGTH: 9\r\n\r\n",
        "GET / HTTP/1.1\r\nTRANSFER-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nupgrade: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\nCONNECT x HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n\r\n",
    ] {
        assert!(!is_simple_get(other.as_bytes()), "{other:?}");
    }
}

#[test]
fn each_request_ends_at_the_end_of_its_body() {
    let padding = " ".repeat(1000);
    let framed = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "\r\n\r\nGET / HTTP/1.1\nHost: x\n\n".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /\u{eb} HTTP/1.1\r\n\r\n.".to_owned(),
        format!("POST / HTTP/1.1\r\nContent-Length:{padding}3\r\n\r\n\r\n\n"),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        format!(
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING:{padding}Chunked \r\n\r\n18;a=\"b\"\r\nGET /\u{eb} HTTP/1.1\r\n\r\n....\r\n\
             3 \r\n0\r\n\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n"
        ),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nx\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n".to_owned(),
        "COPY / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "CONNECT x HTTP/1.1\r\nContent-Length: 1\r\n\r\nx".to_owned(),
    ];
    for request in &framed {
        let sent = [request.as_str(), request, "GET /\u{eb} HTTP/1.1\r\n\r\n"].concat();
        for size in [1, 2, 7, sent.len()] {
            let read = requests(sent.as_bytes(), size);
            let read: Vec<_> = read
                .iter()
                .map(|request| String::from_utf8_lossy(request))
                .collect();
            // Empty lines before a request are read separately if they arrive separately.
            assert_eq!(read.concat().matches("%C3%AB").count(), 1, "{read:?}");
            assert_eq!(read.last().unwrap(), "GET /%C3%AB HTTP/1.1\r\n\r\n");
            assert!(size == 1 || request.starts_with('\r') || read.len() == 3);
        }
    }
}

#[test]
fn nothing_is_rewritten_once_requests_cannot_be_tracked() {
    for head in [
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\rx",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        "CONNECT x HTTP/1.1\r\n\r\n",
        "CONNECT x HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "nonsense\r\n",
    ] {
        let sent = format!("{head}GET /\u{eb} HTTP/1.1\r\n\r\n");
        assert_read(&sent, &sent);
    }
}

#[test]
fn a_request_with_a_too_large_head_is_found_while_it_arrives() {
    let padding = "x".repeat(1024);
    let mut requests = RequestTracker::default();
    assert!(requests.receive(b"GET / HTTP/1.1\r\nX-Padding: ").fits());
    for _ in 0..31 {
        assert!(requests.receive(padding.as_bytes()).fits());
    }
    assert!(!requests.receive(padding.as_bytes()).fits());
    // The body is not counted, and each request is counted separately.
    let mut requests = RequestTracker::default();
    for _ in 0..40 {
        let head = "POST / HTTP/1.1\r\nContent-Length: 2048\r\n\r\n";
        for part in [head, &padding, &padding] {
            assert!(requests.receive(part.as_bytes()).fits());
        }
        assert!(requests.is_between_requests());
    }
}

#[test]
fn a_malformed_length_does_not_end_the_header_fields() {
    for field in [
        "Content-Length: x\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
    ] {
        let mut requests = RequestTracker::default();
        let head = ["POST / HTTP/1.1\r\n", field].concat();
        assert!(
            !requests.receive(head.as_bytes()).is_head_complete,
            "{field:?}"
        );
        assert!(requests.is_in_head(), "{field:?}");
        assert!(
            !requests
                .receive("x".repeat(MAX_HEAD_BYTES).as_bytes())
                .fits()
        );
        let mut requests = RequestTracker::default();
        let head = [&head, "Host: x\r\n\r\n"].concat();
        assert!(
            requests.receive(head.as_bytes()).is_head_complete,
            "{field:?}"
        );
        assert!(!requests.is_in_head(), "{field:?}");
    }
}

#[test]
fn the_head_of_a_request_is_not_counted_for_the_next() {
    let mut requests = RequestTracker::default();
    let head = "POST / HTTP/1.1\r\nX-Padding: ";
    let padding = "x".repeat(MAX_HEAD_BYTES - head.len() - 3);
    // The empty line at the end exceeds the limit, but the head is complete.
    let head = [head, &padding, "\r\n\r\n"].concat();
    assert_eq!(head.len(), MAX_HEAD_BYTES + 1);
    let progress = requests.receive(head.as_bytes());
    assert!(progress.fits() && progress.is_head_complete);
    assert!(requests.receive(b"POST / HTTP/1.1\r\n\r\n").fits());
}

#[test]
fn the_memory_of_a_long_field_is_released_at_its_end() {
    let mut requests = RequestTracker::default();
    requests.receive(b"POST / HTTP/1.1\r\nX-Padding: ");
    requests.receive("x".repeat(16 * 1024).as_bytes());
    assert!(requests.partial.capacity() >= 16 * 1024);
    requests.receive(b"\r\n\r\n");
    assert!(requests.partial.capacity() < 1024);
}

impl Progress {
    fn fits(&self) -> bool {
        !self.is_too_large
    }
}

proptest! {
    #[test]
    fn ascii_is_never_rewritten_and_the_size_of_pieces_has_no_influence(
        text in "(GET|POST) /[a-z\u{eb} ]{0,9} HTTP/1.1\r?\n(Content-Length: [0-9]\r?\n)?\r?\n[ -~\u{eb}\r\n]{0,30}",
        size in 1_usize..9,
    ) {
        let whole = read(text.as_bytes(), text.len());
        prop_assert_eq!(&read(text.as_bytes(), size), &whole);
        if text.is_ascii() {
            prop_assert_eq!(whole, text.as_bytes());
        }
    }
}
