//! `healthcheck`: the liveness check of a container.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{load_sections, print_message};
use crate::cli::CommandOutcome;
use crate::settings::Section;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn run() -> CommandOutcome {
    let settings = match load_sections(&[Section::Server]) {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let server = &settings.server;
    let address = SocketAddr::new(
        server.local_host(),
        server.management_port.unwrap_or(server.port),
    );
    match tokio::time::timeout(RESPONSE_TIMEOUT, ask(address)).await {
        Ok(Ok(true)) => CommandOutcome::Success,
        Ok(Ok(false)) => fail(address, "the response is not 200"),
        Ok(Err(error)) => fail(address, &error.to_string()),
        Err(_) => fail(address, "no response within 2 seconds"),
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

fn fail(address: SocketAddr, reason: &str) -> CommandOutcome {
    print_message(format_args!("user-service: {address}: {reason}"));
    CommandOutcome::Failure
}
