//! A minimal Redis client: one command per connection.

use std::io;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A reply of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// A status, such as `OK`.
    Status(String),
    /// An error: its code, such as `OOM`, and a message.
    Error(String),
    /// A number.
    Integer(i64),
    /// A value.
    Bytes(Vec<u8>),
    /// The absence of a value.
    Nil,
    /// A list.
    Array(Vec<RedisReply>),
}

impl RedisReply {
    /// The text of a value, a status or an error.
    pub fn text(&self) -> String {
        match self {
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?} has no text"),
        }
    }

    /// Takes a reply (RESP2) off the front of what was read; nothing while it is incomplete.
    fn parse(input: &mut &[u8]) -> Option<Self> {
        let end = input.windows(2).position(|two| two == b"\r\n")?;
        let (kind, line) = (input[0], str::from_utf8(&input[1..end]).unwrap());
        *input = &input[end + 2..];
        Some(match kind {
            b'+' => Self::Status(line.to_owned()),
            b'-' => Self::Error(line.to_owned()),
            b':' => Self::Integer(line.parse().unwrap()),
            b'$' | b'*' if line == "-1" => Self::Nil,
            b'$' => {
                let length: usize = line.parse().unwrap();
                let value = input.get(..length)?.to_vec();
                *input = input.get(length + 2..)?;
                Self::Bytes(value)
            }
            b'*' => Self::Array(
                (0..line.parse().unwrap())
                    .map(|_: usize| Self::parse(input))
                    .collect::<Option<_>>()?,
            ),
            other => panic!("a reply begins with {other}"),
        })
    }
}

/// Sends one command and reads its reply, by the socket in the file system, which a server with TLS has too.
pub(super) async fn exchange<A: AsRef<[u8]>>(
    socket: PathBuf,
    arguments: &[A],
) -> io::Result<RedisReply> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments.iter().map(AsRef::as_ref) {
        request.extend(format!("${}\r\n", argument.len()).into_bytes());
        request.extend(argument);
        request.extend(b"\r\n");
    }
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&request).await?;
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await? > 0 {
        if let Some(reply) = RedisReply::parse(&mut read.as_slice()) {
            return Ok(reply);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
