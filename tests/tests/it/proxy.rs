//! Tests of the fault-injecting proxy that other tests use.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use user_tests::Proxy;

/// Long enough for any local transfer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The time without data that counts as silence.
const SILENCE: Duration = Duration::from_millis(150);

/// A server that echoes and records what it receives.
struct Echo {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    opened: usize,
    closed: usize,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().opened += 1;
                tokio::spawn(echo(stream, shared.clone()));
            }
        });
        Self {
            address,
            seen,
            accepting,
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.seen.lock().unwrap().bytes.clone()).unwrap()
    }

    /// Waits until a condition on the recorded state is true.
    async fn until(&self, holds: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !holds(&self.seen.lock().unwrap()) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(TIMEOUT, waiting).await.unwrap();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn echo(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        seen.lock()
            .unwrap()
            .bytes
            .extend_from_slice(&buffer[..count]);
        if stream.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    seen.lock().unwrap().closed += 1;
}

async fn behind_a_proxy() -> (Echo, Proxy) {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address.to_string()).await;
    (echo, proxy)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn send_text(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn receive_text(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    timeout(TIMEOUT, stream.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Sends a text and asserts that it is echoed.
async fn assert_works(stream: &mut TcpStream, text: &str) {
    send_text(stream, text).await;
    assert_eq!(receive_text(stream, text.len()).await, text);
}

/// Asserts that a connection is open and silent.
async fn assert_silent(stream: &mut TcpStream) {
    let received = timeout(SILENCE, stream.read_u8()).await;
    assert!(received.is_err(), "{received:?}");
}

/// Waits for a connection to close or reset and returns the text received before.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = timeout(TIMEOUT, stream.read(&mut buffer)).await.unwrap() {
        received.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn without_faults_data_and_shutdown_are_forwarded() {
    let (echo, proxy) = behind_a_proxy().await;
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let data: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = data.clone();
    let sending = async move {
        to.write_all(&data).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let receiving = async { timeout(4 * TIMEOUT, from.read_to_end(&mut received)).await };
    let ((), receiving) = tokio::join!(sending, receiving);
    receiving.unwrap().unwrap();
    assert!(received == expected);
    echo.until(|seen| seen.closed == 1).await;
}

#[tokio::test]
async fn a_delay_adds_latency_without_reducing_throughput() {
    let (_echo, proxy) = behind_a_proxy().await;
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let delay = Duration::from_millis(200);
    proxy.delay(delay);
    let sending = async {
        let mut sent = Vec::new();
        for n in 0..50_u8 {
            sent.push(Instant::now());
            to.write_all(&[n]).await.unwrap();
            sleep(Duration::from_millis(2)).await;
        }
        sent
    };
    let receiving = async {
        let mut received = Vec::new();
        for n in 0..50_u8 {
            let byte = timeout(TIMEOUT, from.read_u8()).await.unwrap().unwrap();
            assert_eq!(byte, n);
            received.push(Instant::now());
        }
        received
    };
    let (sent, received) = tokio::join!(sending, receiving);
    for (sent, received) in sent.iter().zip(&received) {
        let took = *received - *sent;
        assert!((2 * delay..5 * delay / 2).contains(&took), "{took:?}");
    }

    proxy.delay(Duration::ZERO);
    assert_works(&mut connect(&proxy).await, "at once").await;
    assert!(received[49].elapsed() < delay);
}

#[tokio::test]
async fn replies_alone_can_be_delayed() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    let delay = Duration::from_millis(300);
    proxy.delay_replies(delay);
    let begin = Instant::now();
    send_text(&mut stream, "hello").await;
    echo.until(|seen| seen.bytes == b"hello").await;
    assert!(begin.elapsed() < delay, "the request was delayed");
    receive_text(&mut stream, 5).await;
    let took = begin.elapsed();
    assert!((delay..2 * delay).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_delayed_close_arrives_after_the_data_before_it() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "hello").await;
    proxy.delay(Duration::from_millis(100));
    send_text(&mut stream, " and goodbye").await;
    drop(stream);
    echo.until(|seen| seen.closed == 1).await;
    assert_eq!(echo.text(), "hello and goodbye");
}

#[tokio::test]
async fn a_freeze_silences_existing_connections_only() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.freeze();
    send_text(&mut old, "lost").await;
    assert_works(&mut connect(&proxy).await, "after").await;
    proxy.clear_faults();
    assert_silent(&mut old).await;
    assert_eq!(echo.text(), "beforeafter");
}

#[tokio::test]
async fn a_cut_closes_both_sides_until_it_is_cleared() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.cut();
    assert_eq!(until_closed(&mut old).await, "");
    echo.until(|seen| seen.closed == 1).await;
    assert_eq!(until_closed(&mut connect(&proxy).await).await, "");
    proxy.clear_faults();
    assert_works(&mut connect(&proxy).await, "after").await;
    assert_eq!(echo.text(), "beforeafter");
}

#[tokio::test]
async fn a_cut_that_is_cleared_at_once_still_closes() {
    let (_echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.cut();
    proxy.clear_faults();
    assert_eq!(until_closed(&mut old).await, "");
}

#[tokio::test]
async fn a_hang_holds_data_and_forwards_it_in_order_when_cleared() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before;").await;
    proxy.hang();
    for word in ["one,", "two,", "three;"] {
        send_text(&mut old, word).await;
        sleep(Duration::from_millis(5)).await;
    }
    let mut new = connect(&proxy).await;
    send_text(&mut new, "new").await;
    assert_silent(&mut old).await;
    assert_silent(&mut new).await;
    assert_eq!(echo.text(), "before;");
    proxy.clear_faults();
    assert_eq!(receive_text(&mut old, 14).await, "one,two,three;");
    assert_eq!(receive_text(&mut new, 3).await, "new");
}

#[tokio::test]
async fn a_hang_holds_replies_too() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.delay_replies(Duration::from_millis(50));
    send_text(&mut stream, "hello").await;
    echo.until(|seen| seen.bytes == b"hello").await;
    proxy.hang();
    assert_silent(&mut stream).await;
    proxy.clear_faults();
    assert_eq!(receive_text(&mut stream, 5).await, "hello");
}

#[tokio::test]
async fn a_hang_keeps_the_data_of_a_closed_client() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "hello").await;
    proxy.hang();
    send_text(&mut stream, " and goodbye").await;
    drop(stream);
    sleep(SILENCE).await;
    assert_eq!(echo.seen.lock().unwrap().closed, 0);
    proxy.clear_faults();
    echo.until(|seen| seen.closed == 1).await;
    assert_eq!(echo.text(), "hello and goodbye");
}

#[tokio::test]
async fn a_lost_reply_belongs_to_a_delivered_request() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.lose_replies();
    assert_silent(&mut old).await;
    send_text(&mut old, ",old").await;
    assert_eq!(until_closed(&mut old).await, "");
    let mut new = connect(&proxy).await;
    send_text(&mut new, ",new").await;
    assert_eq!(until_closed(&mut new).await, "");
    echo.until(|seen| seen.closed == 2).await;
    assert_eq!(echo.text(), "before,old,new");
    proxy.clear_faults();
    assert_works(&mut connect(&proxy).await, ",after").await;
}

#[tokio::test]
async fn lost_replies_can_be_selected_by_request() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "COMMIT of a time before;").await;
    proxy.lose_replies_to("COMMIT");
    assert_works(&mut stream, "BEGIN;").await;
    send_text(&mut stream, "COMMIT;").await;
    assert_eq!(until_closed(&mut stream).await, "");
    echo.until(|seen| seen.closed == 1).await;
    assert!(echo.text().ends_with("BEGIN;COMMIT;"));
    assert_works(&mut connect(&proxy).await, "BEGIN;").await;
    proxy.clear_faults();
    assert_works(&mut connect(&proxy).await, "COMMIT;").await;
}

#[tokio::test]
async fn a_reply_is_cut_after_its_first_bytes_once_on_each_connection() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut first = connect(&proxy).await;
    let mut second = connect(&proxy).await;
    assert_works(&mut first, "1").await;
    assert_works(&mut second, "2").await;
    proxy.cut_mid_reply(3);
    send_text(&mut first, "hello").await;
    assert_eq!(until_closed(&mut first).await, "hel");
    assert_works(&mut second, "he").await;
    send_text(&mut second, "llo").await;
    assert_eq!(until_closed(&mut second).await, "l");
    echo.until(|seen| seen.closed == 2).await;
    assert_works(&mut connect(&proxy).await, "unharmed").await;
}

#[tokio::test]
async fn a_reply_can_be_cut_at_byte_zero_until_faults_are_cleared() {
    let (_echo, proxy) = behind_a_proxy().await;
    let mut cut = connect(&proxy).await;
    let mut spared = connect(&proxy).await;
    assert_works(&mut cut, "1").await;
    assert_works(&mut spared, "2").await;
    proxy.cut_mid_reply(0);
    assert_silent(&mut cut).await;
    send_text(&mut cut, "hello").await;
    assert_eq!(until_closed(&mut cut).await, "");
    proxy.clear_faults();
    assert_works(&mut spared, "hello").await;
    proxy.cut_mid_reply(4);
    send_text(&mut spared, "hello").await;
    assert_eq!(until_closed(&mut spared).await, "hell");
}

#[tokio::test]
async fn a_retarget_closes_connections_and_uses_the_new_server() {
    let (old, proxy) = behind_a_proxy().await;
    let new = Echo::start().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "old").await;
    proxy.retarget(new.address.to_string());
    assert_eq!(until_closed(&mut stream).await, "");
    old.until(|seen| seen.closed == 1).await;
    assert_works(&mut connect(&proxy).await, "new").await;
    assert_eq!((old.text().as_str(), new.text().as_str()), ("old", "new"));
}

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "hello").await;
    let mut hung = connect(&proxy).await;
    proxy.hang();
    send_text(&mut hung, "held").await;
    sleep(SILENCE).await;
    drop(proxy);
    assert_eq!(until_closed(&mut stream).await, "");
    assert_eq!(until_closed(&mut hung).await, "");
    assert_eq!(echo.text(), "hello");
}

#[tokio::test]
async fn a_proxy_replaces_the_host_in_a_url() {
    let echo = Echo::start().await;
    let server = echo.address;
    let urls = [
        "redis://HOST",
        "redis://HOST/3",
        "redis://:se@cret@HOST/3",
        "redis://user:secret@HOST?protocol=resp3",
        "postgres://user@HOST/people?application_name=a@b",
        "postgresql://HOST:secret@HOST/HOST",
    ];
    for url in urls {
        let direct = url.replace("HOST", &server.to_string());
        let (proxy, through) = Proxy::in_front_of(&direct).await;
        let at = url
            .rfind("@HOST")
            .map_or_else(|| url.find("HOST").unwrap(), |at| at + 1);
        let (head, tail) = url.split_at(at);
        let head = head.replace("HOST", &server.to_string());
        let tail = tail.replacen("HOST", &proxy.address().to_string(), 1);
        assert_eq!(through, head + &tail.replace("HOST", &server.to_string()));
        assert_works(&mut connect(&proxy).await, "hello").await;
    }
}
