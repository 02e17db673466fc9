//! HTTP/1.1 as bytes, for the origin and the client: nothing is normalised and nothing is hidden.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Header lines in their order, with the names as they were written.
pub type Headers = Vec<(String, String)>;

/// A start line and the header lines below it.
pub struct Head {
    /// The first line, without its line break.
    pub start: String,
    /// The header lines.
    pub headers: Headers,
}

impl Head {
    /// The bytes of a head, up to and with the empty line; characters are bytes (Latin-1).
    pub fn write(start: &str, headers: &Headers) -> Vec<u8> {
        let mut text = [start, "\r\n"].concat();
        for (name, value) in headers {
            text.push_str(&[name, ": ", value, "\r\n"].concat());
        }
        text.push_str("\r\n");
        text.chars().map(|character| u8::try_from(character).unwrap()).collect()
    }

    /// Reads up to the empty line; `None` when the peer closed before the first byte.
    pub async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let Some(start) = line(stream).await? else { return Ok(None) };
        Ok(Some(Self { start, headers: header_lines(stream).await? }))
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By a count of bytes.
    Length(u64),
    /// By the chunk of size zero.
    Chunked,
    /// By the end of the connection.
    Close,
}

impl Framing {
    /// The framing that these headers announce, or else `otherwise`.
    pub fn of(headers: &Headers, otherwise: Self) -> Self {
        if values(headers, "transfer-encoding").iter().any(|coding| coding.contains("chunked")) {
            return Self::Chunked;
        }
        let length = values(headers, "content-length").first().and_then(|text| text.parse().ok());
        length.map_or(otherwise, Self::Length)
    }
}

/// Reads a body piece by piece into `take` and returns the trailers.
pub async fn body(
    stream: &mut (impl AsyncBufRead + Unpin),
    framing: Framing,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Headers> {
    match framing {
        Framing::Length(length) => exactly(stream, length, &mut take).await?,
        Framing::Close => while !piece(stream, u64::MAX, &mut take).await?.eq(&0) {},
        Framing::Chunked => loop {
            let size = line(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| io::Error::other("chunk size"))?;
            if size == 0 {
                return header_lines(stream).await;
            }
            exactly(stream, size, &mut take).await?;
            stream.read_u16().await?;
        },
    }
    Ok(Headers::new())
}

/// Every value of a header, whatever the case of its name.
pub fn values<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let named = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str()).collect()
}

/// Waits until the other side ends the connection, which it has nothing more to send on.
pub async fn gone(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Error {
    match stream.read_u8().await {
        Ok(_) => io::Error::other("bytes after the request"),
        Err(error) => error,
    }
}

async fn exactly(
    stream: &mut (impl AsyncBufRead + Unpin),
    mut left: u64,
    take: &mut impl FnMut(&[u8]),
) -> io::Result<()> {
    while left > 0 {
        match piece(stream, left, take).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left -= count,
        }
    }
    Ok(())
}

async fn piece(
    stream: &mut (impl AsyncBufRead + Unpin),
    most: u64,
    take: &mut impl FnMut(&[u8]),
) -> io::Result<u64> {
    let bytes = stream.fill_buf().await?;
    let count = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    take(&bytes[..count]);
    stream.consume(count);
    Ok(count as u64)
}

async fn header_lines(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Headers> {
    let mut headers = Headers::new();
    loop {
        let text = line(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if text.is_empty() {
            return Ok(headers);
        }
        let (name, value) = text.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// One line without its break; bytes beyond ASCII are read as Latin-1, so that none is lost.
async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if stream.read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Some(bytes.into_iter().map(char::from).collect()))
}
