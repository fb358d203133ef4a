//! A request of a browser, bounded in size and time.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::is_own;

/// The most bytes of a request, and of its fields.
const BYTES: usize = 16 << 10;
const FIELDS: usize = 64;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// The path, without a query.
    pub path: String,
    /// The name of the body that the browser has already.
    pub known: Option<String>,
}

/// Why there is nothing to answer, or what to answer instead.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody waits for an answer.
    Gone(io::Error),
    /// What to say.
    Status(&'static str),
}

/// Reads a request.
pub fn read(mut stream: &TcpStream, patience: Duration) -> Result<Request, Refusal> {
    let (start, mut bytes) = (Instant::now(), Vec::new());
    loop {
        if let Some(request) = parse(&bytes)? {
            return Ok(request);
        }
        if bytes.len() >= BYTES {
            return Err(Refusal::Status("431 Request Header Fields Too Large"));
        }
        if start.elapsed() > patience {
            return Err(Refusal::Status("408 Request Timeout"));
        }
        let mut piece = [0; 2048];
        match stream.read(&mut piece).map_err(Refusal::Gone)? {
            0 => return Err(Refusal::Gone(io::ErrorKind::UnexpectedEof.into())),
            read => bytes.extend(&piece[..read]),
        }
    }
}

/// A request, if the bytes have all of it.
fn parse(bytes: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(bytes).map_err(|_| Refusal::Status("400 Bad Request"))?;
    if status.is_partial() {
        return Ok(None);
    }
    if request.method != Some("GET") {
        return Err(Refusal::Status("405 Method Not Allowed"));
    }
    let field = |name: &str| {
        let mut all = request
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        let value = all.next().and_then(|field| std::str::from_utf8(field.value).ok());
        // Two of a kind say two things.
        value.filter(|_| all.next().is_none())
    };
    if !field("Host").is_some_and(is_own) {
        return Err(Refusal::Status("421 Misdirected Request"));
    }
    let path = request.path.unwrap_or_default();
    Ok(Some(Request {
        path: path.split('?').next().unwrap_or_default().to_owned(),
        known: field("If-None-Match").map(str::to_owned),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> &'static str {
        match parse(text.as_bytes()) {
            Err(Refusal::Status(status)) => status,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_whole() {
        let text = "GET /data.json?x HTTP/1.1\r\nhost: 127.0.0.1:1\r\nIf-None-Match: \"a\"\r\n\r\n";
        for end in 0..text.len() {
            assert!(parse(&text.as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
        let expected = Request {
            path: "/data.json".into(),
            known: Some("\"a\"".into()),
        };
        assert_eq!(parse(text.as_bytes()).unwrap(), Some(expected));
    }

    #[test]
    fn what_is_no_request_of_ours_is_refused() {
        assert_eq!(
            status("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            "405 Method Not Allowed"
        );
        assert_eq!(
            status("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
            "421 Misdirected Request"
        );
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "421 Misdirected Request");
        let twice = "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n";
        assert_eq!(status(twice), "421 Misdirected Request");
        assert_eq!(status("\u{1}\u{2}\r\n\r\n"), "400 Bad Request");
        let many = "X: 1\r\n".repeat(FIELDS + 1);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), "400 Bad Request");
    }
}
