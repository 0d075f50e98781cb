//! A TCP proxy that delays and cuts, to stand between the service and its database.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy to one address.
pub struct Proxy {
    address: SocketAddr,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
}

struct Faults {
    delay_micros: AtomicU64,
    /// The number of the next connection, and of the first that is not frozen.
    next: AtomicU64,
    frozen_below: AtomicU64,
    cut: watch::Sender<bool>,
}

impl Proxy {
    /// Starts a proxy to `target`, without faults.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Faults {
            delay_micros: AtomicU64::new(0),
            next: AtomicU64::new(0),
            frozen_below: AtomicU64::new(0),
            cut: watch::Sender::new(false),
        });
        let shared = faults.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), shared.clone()));
            }
        });
        Self {
            address,
            faults,
            accepting,
        }
    }

    /// Starts a proxy before the server of a database, and gives the database's address through it.
    pub async fn before(url: &str) -> (Self, String) {
        let target = host_of(url);
        let proxy = Self::start(target.clone()).await;
        let through = url.replacen(&target, &proxy.address().to_string(), 1);
        (proxy, through)
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays what each side sends by so much, from now on.
    pub fn delay(&self, delay: Duration) {
        self.faults
            .delay_micros
            .store(u64::try_from(delay.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// Lets nothing through any more on the connections there are, without closing them, as a network does that has lost
    /// its way; connections made from now on work.
    pub fn freeze(&self) {
        let next = self.faults.next.load(Ordering::Relaxed);
        self.faults.frozen_below.store(next, Ordering::Relaxed);
    }

    /// Cuts every connection and refuses new ones until [`Proxy::mend`].
    pub fn cut(&self) {
        self.faults.cut.send_replace(true);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.faults.cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn carry(client: TcpStream, target: String, faults: Arc<Faults>) {
    let mut cut = faults.cut.subscribe();
    if *cut.borrow_and_update() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else {
        return;
    };
    let number = faults.next.fetch_add(1, Ordering::Relaxed);
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = async { tokio::join!(pump(from_client, to_server, &faults, number), pump(from_server, to_client, &faults, number)); } => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults, number: u64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let delay = Duration::from_micros(faults.delay_micros.load(Ordering::Relaxed));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if number < faults.frozen_below.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().unwrap().to_owned()
}
