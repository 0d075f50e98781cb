//! A server that publishes keys and can simulate failures.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::issuer::SigningKey;

/// How often the server checks for changes.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How the server responds.
#[derive(Debug, Clone)]
pub enum JwksResponse {
    /// With these keys.
    Keys(Vec<Value>),
    /// With a status, header lines and a body.
    Raw(u16, String, Vec<u8>),
    /// With this number of redirections, and then with these keys.
    Redirections(usize, Vec<Value>),
    /// Not at all, while the connection stays open.
    Hang,
    /// With an incomplete response, after which it closes the connection.
    Cut,
}

/// A running server.
pub struct JwksServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tls: Option<Tls>,
    running: Mutex<Option<Running>>,
}

struct Shared {
    answer: Mutex<JwksResponse>,
    request_count: AtomicUsize,
    response_count: AtomicUsize,
    is_over: AtomicBool,
}

struct Running {
    is_closed: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Clone)]
struct Tls {
    config: Arc<ServerConfig>,
    folder: Arc<TempDir>,
}

impl JwksServer {
    /// Starts a server that publishes these keys.
    pub fn start(keys: &[&SigningKey]) -> Self {
        Self::launch(keys, None)
    }

    /// Starts a server with TLS and a self-signed certificate for `localhost`.
    pub fn start_tls(keys: &[&SigningKey]) -> Self {
        Self::launch(keys, Some(Tls::new()))
    }

    fn launch(keys: &[&SigningKey], tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                answer: Mutex::new(JwksResponse::Keys(published(keys))),
                request_count: AtomicUsize::new(0),
                response_count: AtomicUsize::new(0),
                is_over: AtomicBool::new(false),
            }),
            tls,
            running: Mutex::new(None),
        };
        server.run(listener);
        server
    }

    /// The URL of the document.
    pub fn url(&self) -> String {
        let (scheme, host) = match self.tls {
            Some(_) => ("https", "localhost"),
            None => ("http", "127.0.0.1"),
        };
        format!("{scheme}://{host}:{}/keys/0", self.address.port())
    }

    /// The certificate of a server with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.tls.as_ref().unwrap().folder.path().join("ca.pem")
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.respond_with(JwksResponse::Keys(published(keys)));
    }

    /// Changes how the server responds.
    pub fn respond_with(&self, answer: JwksResponse) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// The number of requests for the document.
    pub fn request_count(&self) -> usize {
        self.shared.request_count.load(Ordering::SeqCst)
    }

    /// The number of complete and incomplete responses.
    pub fn response_count(&self) -> usize {
        self.shared.response_count.load(Ordering::SeqCst)
    }

    /// Stops the server, so that connections are refused.
    pub fn kill(&self) {
        if let Some(running) = self.running.lock().unwrap().take() {
            running.is_closed.store(true, Ordering::SeqCst);
            running.thread.join().unwrap();
        }
    }

    /// Starts it again on the same address.
    pub fn restart(&self) {
        for _ in 0..500 {
            if let Ok(listener) = TcpListener::bind(self.address) {
                return self.run(listener);
            }
            thread::sleep(POLL_INTERVAL * 5);
        }
        panic!("the port is not free again");
    }

    fn run(&self, listener: TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let is_closed = Arc::new(AtomicBool::new(false));
        let (closed, shared, tls) = (is_closed.clone(), self.shared.clone(), self.tls.clone());
        let thread = thread::spawn(move || {
            while !closed.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(POLL_INTERVAL);
                    continue;
                };
                let (shared, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || shared.serve(stream, tls));
            }
        });
        *self.running.lock().unwrap() = Some(Running { is_closed, thread });
    }
}

impl Drop for JwksServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.kill();
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, tls: Option<Tls>) {
        stream.set_nonblocking(false).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // A disconnect of the client is not an error.
        let _ = match tls {
            None => self.exchange(stream),
            Some(tls) => {
                let connection = ServerConnection::new(tls.config).unwrap();
                self.exchange(StreamOwned::new(connection, stream))
            }
        };
    }

    fn exchange(&self, mut stream: impl Read + Write) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        let step: usize = head
            .split(' ')
            .nth(1)
            .and_then(|path| path.rsplit('/').next()?.split('?').next()?.parse().ok())
            .unwrap_or_default();
        if step == 0 {
            self.request_count.fetch_add(1, Ordering::SeqCst);
        }
        let answer = self.answer.lock().unwrap().clone();
        let done = self.reply(&mut stream, step, answer);
        self.response_count.fetch_add(1, Ordering::SeqCst);
        done
    }

    fn reply(&self, stream: &mut impl Write, step: usize, answer: JwksResponse) -> io::Result<()> {
        match answer {
            JwksResponse::Redirections(wanted, _) if step < wanted => {
                let location = format!("location: /keys/{}\r\n", step + 1);
                write(stream, 302, &location, b"")
            }
            JwksResponse::Keys(keys) | JwksResponse::Redirections(_, keys) => write(
                stream,
                200,
                "",
                json!({"keys": keys}).to_string().as_bytes(),
            ),
            JwksResponse::Raw(status, headers, body) => write(stream, status, &headers, &body),
            JwksResponse::Hang => {
                while !self.is_over.load(Ordering::SeqCst)
                    && matches!(*self.answer.lock().unwrap(), JwksResponse::Hang)
                {
                    thread::sleep(POLL_INTERVAL);
                }
                Ok(())
            }
            JwksResponse::Cut => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"keys\":[")?;
                stream.flush()
            }
        }
    }
}

fn write(stream: &mut impl Write, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

fn published(keys: &[&SigningKey]) -> Vec<Value> {
    keys.iter().map(|key| key.published()).collect()
}

impl Tls {
    fn new() -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certified.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        Self {
            config: Arc::new(config),
            folder: Arc::new(folder),
        }
    }
}
