//! That the proxy of the tests does to connections what it says, and nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use user_tests::Proxy;

/// Long enough for anything on this machine to arrive.
const SOON: Duration = Duration::from_secs(5);

/// How long nothing has to come for it to be silence.
const SILENCE: Duration = Duration::from_millis(150);

/// A server that sends back what it gets, and remembers it.
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

    /// Waits until something holds of what the server has seen.
    async fn until(&self, holds: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !holds(&self.seen.lock().unwrap()) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(SOON, waiting).await.unwrap();
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

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn hear(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    timeout(SOON, stream.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Says something and holds the server to its echo.
async fn assert_works(stream: &mut TcpStream, text: &str) {
    say(stream, text).await;
    assert_eq!(hear(stream, text.len()).await, text);
}

/// Holds a connection to be open and silent.
async fn assert_silent(stream: &mut TcpStream) {
    let heard = timeout(SILENCE, stream.read_u8()).await;
    assert!(heard.is_err(), "{heard:?}");
}

/// Holds a connection to end, by a close or a reset, and gives what came before.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = timeout(SOON, stream.read(&mut buffer)).await.unwrap() {
        heard.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn without_faults_much_passes_unchanged_and_an_end_is_passed_on() {
    let (echo, proxy) = behind_a_proxy().await;
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let much: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = much.clone();
    let saying = async move {
        to.write_all(&much).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let hearing = async { timeout(4 * SOON, from.read_to_end(&mut heard)).await };
    let ((), hearing) = tokio::join!(saying, hearing);
    hearing.unwrap().unwrap();
    assert!(heard == expected);
    echo.until(|seen| seen.closed == 1).await;
}

#[tokio::test]
async fn a_delay_is_latency_and_costs_no_throughput() {
    let (_echo, proxy) = behind_a_proxy().await;
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let delay = Duration::from_millis(200);
    proxy.delay(delay);
    let saying = async {
        let mut said = Vec::new();
        for n in 0..50_u8 {
            said.push(Instant::now());
            to.write_all(&[n]).await.unwrap();
            sleep(Duration::from_millis(2)).await;
        }
        said
    };
    let hearing = async {
        let mut heard = Vec::new();
        for n in 0..50_u8 {
            let byte = timeout(SOON, from.read_u8()).await.unwrap().unwrap();
            assert_eq!(byte, n);
            heard.push(Instant::now());
        }
        heard
    };
    let (said, heard) = tokio::join!(saying, hearing);
    for (said, heard) in said.iter().zip(&heard) {
        let took = *heard - *said;
        assert!((2 * delay..5 * delay / 2).contains(&took), "{took:?}");
    }

    proxy.delay(Duration::ZERO);
    assert_works(&mut connect(&proxy).await, "at once").await;
    assert!(heard[49].elapsed() < delay);
}

#[tokio::test]
async fn replies_alone_can_be_delayed() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    let delay = Duration::from_millis(300);
    proxy.delay_replies(delay);
    let begin = Instant::now();
    say(&mut stream, "hello").await;
    echo.until(|seen| seen.bytes == b"hello").await;
    assert!(begin.elapsed() < delay, "the request was delayed");
    hear(&mut stream, 5).await;
    let took = begin.elapsed();
    assert!((delay..2 * delay).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_delayed_end_comes_after_what_was_said_before_it() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "hello").await;
    proxy.delay(Duration::from_millis(100));
    say(&mut stream, " and goodbye").await;
    drop(stream);
    echo.until(|seen| seen.closed == 1).await;
    assert_eq!(echo.text(), "hello and goodbye");
}

#[tokio::test]
async fn a_freeze_silences_the_connections_there_are_and_no_new_one() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.freeze();
    say(&mut old, "lost").await;
    assert_works(&mut connect(&proxy).await, "after").await;
    proxy.mend();
    assert_silent(&mut old).await;
    assert_eq!(echo.text(), "beforeafter");
}

#[tokio::test]
async fn a_cut_closes_both_sides_and_refuses_until_it_is_mended() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.cut();
    assert_eq!(until_closed(&mut old).await, "");
    echo.until(|seen| seen.closed == 1).await;
    assert_eq!(until_closed(&mut connect(&proxy).await).await, "");
    proxy.mend();
    assert_works(&mut connect(&proxy).await, "after").await;
    assert_eq!(echo.text(), "beforeafter");
}

#[tokio::test]
async fn a_cut_that_is_mended_at_once_still_closes() {
    let (_echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.cut();
    proxy.mend();
    assert_eq!(until_closed(&mut old).await, "");
}

#[tokio::test]
async fn a_hang_holds_everything_and_passes_it_on_in_order_once_mended() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before;").await;
    proxy.hang();
    for word in ["one,", "two,", "three;"] {
        say(&mut old, word).await;
        sleep(Duration::from_millis(5)).await;
    }
    let mut new = connect(&proxy).await;
    say(&mut new, "new").await;
    assert_silent(&mut old).await;
    assert_silent(&mut new).await;
    assert_eq!(echo.text(), "before;");
    proxy.mend();
    assert_eq!(hear(&mut old, 14).await, "one,two,three;");
    assert_eq!(hear(&mut new, 3).await, "new");
}

#[tokio::test]
async fn a_hang_holds_replies_too() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.delay_replies(Duration::from_millis(50));
    say(&mut stream, "hello").await;
    echo.until(|seen| seen.bytes == b"hello").await;
    proxy.hang();
    assert_silent(&mut stream).await;
    proxy.mend();
    assert_eq!(hear(&mut stream, 5).await, "hello");
}

#[tokio::test]
async fn a_hang_keeps_what_a_client_said_that_has_left() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "hello").await;
    proxy.hang();
    say(&mut stream, " and goodbye").await;
    drop(stream);
    sleep(SILENCE).await;
    assert_eq!(echo.seen.lock().unwrap().closed, 0);
    proxy.mend();
    echo.until(|seen| seen.closed == 1).await;
    assert_eq!(echo.text(), "hello and goodbye");
}

#[tokio::test]
async fn a_lost_reply_is_one_to_a_request_that_was_done() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    assert_works(&mut old, "before").await;
    proxy.lose_replies();
    assert_silent(&mut old).await;
    say(&mut old, ",old").await;
    assert_eq!(until_closed(&mut old).await, "");
    let mut new = connect(&proxy).await;
    say(&mut new, ",new").await;
    assert_eq!(until_closed(&mut new).await, "");
    echo.until(|seen| seen.closed == 2).await;
    assert_eq!(echo.text(), "before,old,new");
    proxy.mend();
    assert_works(&mut connect(&proxy).await, ",after").await;
}

#[tokio::test]
async fn the_replies_to_lose_can_be_told_by_their_request() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "COMMIT of a time before;").await;
    proxy.lose_replies_to("COMMIT");
    assert_works(&mut stream, "BEGIN;").await;
    say(&mut stream, "COMMIT;").await;
    assert_eq!(until_closed(&mut stream).await, "");
    echo.until(|seen| seen.closed == 1).await;
    assert!(echo.text().ends_with("BEGIN;COMMIT;"));
    assert_works(&mut connect(&proxy).await, "BEGIN;").await;
    proxy.mend();
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
    say(&mut first, "hello").await;
    assert_eq!(until_closed(&mut first).await, "hel");
    assert_works(&mut second, "he").await;
    say(&mut second, "llo").await;
    assert_eq!(until_closed(&mut second).await, "l");
    echo.until(|seen| seen.closed == 2).await;
    assert_works(&mut connect(&proxy).await, "unharmed").await;
}

#[tokio::test]
async fn a_reply_can_be_cut_before_its_first_byte_and_mending_spares_the_rest() {
    let (_echo, proxy) = behind_a_proxy().await;
    let mut cut = connect(&proxy).await;
    let mut spared = connect(&proxy).await;
    assert_works(&mut cut, "1").await;
    assert_works(&mut spared, "2").await;
    proxy.cut_mid_reply(0);
    assert_silent(&mut cut).await;
    say(&mut cut, "hello").await;
    assert_eq!(until_closed(&mut cut).await, "");
    proxy.mend();
    assert_works(&mut spared, "hello").await;
    proxy.cut_mid_reply(4);
    say(&mut spared, "hello").await;
    assert_eq!(until_closed(&mut spared).await, "hell");
}

#[tokio::test]
async fn a_retarget_cuts_and_leads_to_the_other_server() {
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
async fn a_proxy_that_is_gone_has_closed_its_connections() {
    let (echo, proxy) = behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    assert_works(&mut stream, "hello").await;
    let mut hung = connect(&proxy).await;
    proxy.hang();
    say(&mut hung, "held").await;
    sleep(SILENCE).await;
    drop(proxy);
    assert_eq!(until_closed(&mut stream).await, "");
    assert_eq!(until_closed(&mut hung).await, "");
    assert_eq!(echo.text(), "hello");
}

#[tokio::test]
async fn a_proxy_stands_before_the_server_that_a_url_names() {
    let echo = Echo::start().await;
    let server = echo.address;
    let urls = [
        "redis://HOST",
        "redis://HOST/3",
        "redis://:se@cret@HOST/3",
        "redis://somebody:secret@HOST?protocol=resp3",
        "postgres://somebody@HOST/people?application_name=a@b",
        "postgresql://HOST:secret@HOST/HOST",
    ];
    for url in urls {
        let direct = url.replace("HOST", &server.to_string());
        let (proxy, through) = Proxy::before(&direct).await;
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
