//! A fault-injecting TCP proxy between the service and its database or Redis.

mod connection;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use connection::Connection;

/// A proxy to one address.
///
/// Bytes from the client are called requests, and bytes from the server replies, regardless of the protocol. Faults can
/// be combined. [`Proxy::clear_faults`] ends all of them except a delay, which lasts until it is set to zero, and a
/// freeze, which lasts as long as its connections.
pub struct Proxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    /// The number of the next connection.
    next: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// The active faults.
struct Faults {
    target: String,
    /// Connections of an earlier era are closed.
    era: u64,
    refusing: bool,
    hanging: bool,
    delay_of_requests: Duration,
    delay_of_replies: Duration,
    /// The number of the first connection that is not frozen.
    frozen_below: u64,
    /// How often a fault that affects each connection once has been armed. It identifies an arming.
    armings: u64,
    loss: Option<Loss>,
    sample: Option<Sample>,
    break_off: Option<BreakOff>,
}

/// The loss of replies: to all requests, or only to those that contain the trigger if it is not empty.
struct Loss {
    arming: u64,
    trigger: Vec<u8>,
}

/// The loss of a part of the replies.
struct Sample {
    one_in: u64,
    /// The number of replies so far.
    replies: AtomicU64,
}

/// Closes the connections below a number after this many further bytes of the server.
#[derive(Clone, Copy)]
struct BreakOff {
    arming: u64,
    below: u64,
    after: usize,
}

impl Proxy {
    /// Starts a proxy to `target`, without faults.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = watch::Sender::new(Faults {
            target,
            era: 0,
            refusing: false,
            hanging: false,
            delay_of_requests: Duration::ZERO,
            delay_of_replies: Duration::ZERO,
            frozen_below: 0,
            armings: 0,
            loss: None,
            sample: None,
            break_off: None,
        });
        let next = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, faults.subscribe(), next.clone()));
        Self {
            address,
            faults,
            next,
            accepting,
        }
    }

    /// Starts a proxy to the server in a URL of PostgreSQL or Redis, and returns the URL through the proxy.
    pub async fn in_front_of(url: &str) -> (Self, String) {
        let (place, target) = host_of(url);
        let proxy = Self::start(target).await;
        let mut through = url.to_owned();
        through.replace_range(place, &proxy.address().to_string());
        (proxy, through)
    }

    /// The address on which the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays both directions from now on. It adds only latency and does not limit the throughput.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| {
            faults.delay_of_requests = delay;
            faults.delay_of_replies = delay;
        });
    }

    /// Delays replies from now on. The delay of requests stays the same.
    pub fn delay_replies(&self, delay: Duration) {
        self.faults
            .send_modify(|faults| faults.delay_of_replies = delay);
    }

    /// Blocks existing connections without closing them, as after a change of the route. New connections work.
    pub fn freeze(&self) {
        let next = self.next.load(Ordering::Relaxed);
        self.faults.send_modify(|faults| faults.frozen_below = next);
    }

    /// Blocks existing and new connections in both directions without closing them, and also holds back the end of a
    /// connection. [`Proxy::clear_faults`] forwards the held bytes in order, even if the client has disconnected since,
    /// as a recovered network does. New connections are accepted, but connect to the server only then.
    pub fn hang(&self) {
        self.faults.send_modify(|faults| faults.hanging = true);
    }

    /// Loses replies until [`Proxy::clear_faults`]. A request reaches the server, and at the first byte of the reply
    /// the connection to the client is closed. This simulates a server that dies between its commit and its reply.
    pub fn lose_replies(&self) {
        self.lose_replies_to("");
    }

    /// Like [`Proxy::lose_replies`], but only for requests from now on that contain `trigger`. With `COMMIT`, a
    /// transaction is committed and its reply is lost. The trigger must be in one piece as read from the network.
    pub fn lose_replies_to(&self, trigger: &str) {
        self.faults.send_modify(|faults| {
            faults.armings += 1;
            faults.loss = Some(Loss {
                arming: faults.armings,
                trigger: trigger.as_bytes().to_owned(),
            });
        });
    }

    /// Loses one in this number of replies, as [`Proxy::lose_replies`] does, until [`Proxy::clear_faults`]. A reply is
    /// what is read from the network in one piece.
    pub fn lose_one_reply_in(&self, number: u64) {
        self.faults.send_modify(|faults| {
            faults.sample = Some(Sample {
                one_in: number,
                replies: AtomicU64::new(0),
            });
        });
    }

    /// The number of replies that [`Proxy::lose_one_reply_in`] has lost since it was called.
    pub fn lost_replies(&self) -> u64 {
        let faults = self.faults.borrow();
        faults.sample.as_ref().map_or(0, |sample| {
            sample.replies.load(Ordering::Relaxed) / sample.one_in
        })
    }

    /// Closes each existing connection after `after_bytes` further bytes of the server have been forwarded (with 0,
    /// before the next byte). New connections work. [`Proxy::clear_faults`] cancels it for connections that are still
    /// open.
    pub fn cut_mid_reply(&self, after_bytes: usize) {
        let below = self.next.load(Ordering::Relaxed);
        self.faults.send_modify(|faults| {
            faults.armings += 1;
            faults.break_off = Some(BreakOff {
                arming: faults.armings,
                below,
                after: after_bytes,
            });
        });
    }

    /// Closes all connections and refuses new ones until [`Proxy::clear_faults`].
    pub fn cut(&self) {
        self.faults.send_modify(|faults| {
            faults.era += 1;
            faults.refusing = true;
        });
    }

    /// Closes all connections and directs new ones to another server, as a fail-over does.
    pub fn retarget(&self, target: impl Into<String>) {
        let target = target.into();
        self.faults.send_modify(|faults| {
            faults.era += 1;
            faults.target = target;
        });
    }

    /// Directs new connections to another server, and keeps the existing ones, as a changed DNS record does.
    pub fn redirect(&self, target: impl Into<String>) {
        let target = target.into();
        self.faults.send_modify(|faults| faults.target = target);
    }

    /// Ends faults, so that connections, requests and replies pass again.
    pub fn clear_faults(&self) {
        self.faults.send_modify(|faults| {
            faults.refusing = false;
            faults.hanging = false;
            faults.loss = None;
            faults.sample = None;
            faults.break_off = None;
        });
    }
}

impl Drop for Proxy {
    /// Stops the proxy. Dropping `faults` ends its connections.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, faults: watch::Receiver<Faults>, next: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let (refusing, era) = {
            let faults = faults.borrow();
            (faults.refusing, faults.era)
        };
        if refusing {
            continue;
        }
        let connection = Connection {
            number: next.fetch_add(1, Ordering::Relaxed),
            faults: faults.clone(),
        };
        tokio::spawn(connection.forward(client, era));
    }
}

/// The position of the host in a URL, and the host with its port, or with the default port of the scheme.
fn host_of(url: &str) -> (Range<usize>, String) {
    let scheme = url.find("://").unwrap();
    let authority = scheme + "://".len();
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |length| authority + length);
    let start = url[authority..end]
        .rfind('@')
        .map_or(authority, |at| authority + at + 1);
    let host = &url[start..end];
    let name_ends = host.rfind(']').unwrap_or(0);
    if host[name_ends..].contains(':') {
        return (start..end, host.to_owned());
    }
    let port = if url.starts_with("redis") { 6379 } else { 5432 };
    (start..end, format!("{host}:{port}"))
}
