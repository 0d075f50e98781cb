//! `healthcheck`: what a container runs to know whether its service is alive.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{say, settings};
use crate::cli::Outcome;

const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run() -> Outcome {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let host = match settings.server.host {
        any if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host,
    };
    let server = &settings.server;
    let address = SocketAddr::new(host, server.management_port.unwrap_or(server.port));
    match tokio::time::timeout(PATIENCE, ask(address)).await {
        Ok(Ok(true)) => Outcome::Done,
        Ok(Ok(false)) => failed(address, "it does not answer with 200"),
        Ok(Err(error)) => failed(address, &error.to_string()),
        Err(_) => failed(address, "it does not answer in time"),
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(status == *b"HTTP/1.1 200")
}

fn failed(address: SocketAddr, reason: &str) -> Outcome {
    say(format_args!("user-service: {address}: {reason}"));
    Outcome::Failed
}
