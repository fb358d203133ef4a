//! `mnasnet watch`: the page of runs, served to a browser.

mod request;
mod runs;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mnasnet_report::run::page;
use mnasnet_train::folder::runs as folders;

use self::request::{Refusal, read};
use self::runs::Runs;
use crate::args::WatchArgs;
use crate::console::{print, shell_word};
use crate::failure::{Exit, Failure};
use crate::paths;
use crate::run_page::name;

/// Where runs without `--out` go.
const RUNS: &str = "runs";
/// Connections at a time; browsers open six.
const CONNECTIONS: usize = 32;
/// The most time for a request, and for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the page until the process ends.
pub fn run(args: &WatchArgs) -> Result<Exit, Failure> {
    let folders = folders(args)?;
    let title = folders.iter().map(|folder| name(folder)).collect::<Vec<_>>().join(", ");
    let page = page::live(&title)?;
    let asked = SocketAddr::new(args.host, args.port);
    let listener = TcpListener::bind(asked).map_err(|error| refused(asked, &error))?;
    let address = listener.local_addr().map_err(|error| Failure::Io("listen", error))?;
    let server = Server {
        page,
        runs: Mutex::new(Runs::new(&folders)),
        busy: AtomicUsize::new(0),
    };
    print(&format!("watching {title} at http://{address}/ (Ctrl-C ends)"))?;
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            // One that is gone already, or too many files for a moment.
            let Ok(stream) = stream else {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            if server.busy.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                server.busy.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let server = &server;
            let work = move || {
                // Who has gone away needs no answer.
                let _ = server.answer(&stream);
                server.busy.fetch_sub(1, Ordering::Relaxed);
            };
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                server.busy.fetch_sub(1, Ordering::Relaxed);
            }
        }
    });
    Ok(Exit::Success)
}

fn refused(asked: SocketAddr, error: &io::Error) -> Failure {
    let (address, port) = (asked.ip(), asked.port());
    Failure::Usage(match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} of {address} is taken; say another by `--port`, or `--port 0` for a free one")
        }
        io::ErrorKind::PermissionDenied => format!("port {port} is not for every program; say another by `--port`"),
        io::ErrorKind::AddrNotAvailable => format!("{address} is no address of this machine; say one by `--host`"),
        _ => format!("cannot listen at {asked}: {error}"),
    })
}

/// The folders of the runs that are meant.
fn folders(args: &WatchArgs) -> Result<Vec<PathBuf>, Failure> {
    if !args.runs.is_empty() {
        let check = |folder: &PathBuf| of_run(folder).map(|()| folder.clone());
        return args.runs.iter().map(check).collect();
    }
    let none = || {
        let runs = Path::new(RUNS).display();
        Failure::Usage(format!(
            "there is no run in {runs}; give the folder of one: mnasnet watch RUN"
        ))
    };
    folders::newest(Path::new(RUNS))
        .map(|run| vec![run])
        .map_err(|_| none())
}

/// Refuses what is no folder of a run.
pub fn of_run(folder: &Path) -> Result<(), Failure> {
    if folder.join("run.json").is_file() || folder.join("metrics.jsonl").is_file() {
        return Ok(());
    }
    paths::run(folder)?;
    let advice = match folder.is_file() {
        true => "it is a file; give the folder of the run".to_owned(),
        false => {
            "there is neither run.json nor metrics.jsonl in it; give the folder of a run, as `mnasnet train` made it"
                .to_owned()
        }
    };
    Err(Failure::Usage(format!("{} is no run: {advice}", shell_word(folder))))
}

struct Server {
    page: Vec<u8>,
    runs: Mutex<Runs>,
    busy: AtomicUsize,
}

/// An answer: status, what the body is, the body, and its name for whoever has it already.
struct Answer<'a> {
    status: &'static str,
    kind: &'static str,
    body: &'a [u8],
    tag: Option<&'a str>,
}

impl Server {
    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let text = |status: &'static str| Answer {
            status,
            kind: "text/plain; charset=utf-8",
            body: status.as_bytes(),
            tag: None,
        };
        let request = match read(stream, PATIENCE) {
            Ok(request) => request,
            Err(Refusal::Gone(error)) => return Err(error),
            Err(Refusal::Status(status)) => {
                send(stream, &text(status))?;
                return drain(stream);
            }
        };
        match request.path.as_str() {
            "/" => send(
                stream,
                &Answer {
                    status: "200 OK",
                    kind: "text/html; charset=utf-8",
                    body: &self.page,
                    tag: None,
                },
            ),
            "/data.json" => {
                let (body, tag) = {
                    let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
                    runs.json()
                };
                let is_known = request.known.as_deref() == Some(&*tag);
                send(
                    stream,
                    &Answer {
                        status: if is_known { "304 Not Modified" } else { "200 OK" },
                        kind: "application/json",
                        body: if is_known { &[] } else { body.as_bytes() },
                        tag: Some(&tag),
                    },
                )
            }
            _ => send(stream, &text("404 Not Found")),
        }
    }
}

/// Reads on for a moment where a request was not read to its end: a system that has unread bytes takes the answer back.
fn drain(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let (mut bytes, mut left) = ([0; 4096], 64 << 10);
    while left > 0 {
        match stream.read(&mut bytes)? {
            0 => break,
            read => left = usize::saturating_sub(left, read),
        }
    }
    Ok(())
}

fn send(mut stream: &TcpStream, answer: &Answer) -> io::Result<()> {
    let Answer {
        status,
        kind,
        body,
        tag,
    } = answer;
    let tag = tag.map_or(String::new(), |tag| format!("ETag: {tag}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{tag}Cache-Control: no-store\r\n\
         Connection: close\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: frame-ancestors 'none'\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Whether a request that names `host` comes from a page of this server: a page of another name may have been made to lead here (DNS
/// rebinding), and an address cannot be.
fn is_own(host: &str) -> bool {
    let is_port =
        |rest: &str| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok() && is_port(rest);
    }
    let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
    (name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok()) && is_port(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_not_answered() {
        for own in [
            "127.0.0.1:8321",
            "localhost:1",
            "LOCALHOST",
            "[::1]:8321",
            "192.168.1.7:80",
            "127.0.0.1",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "",
            "evil.example",
            "evil.example:8321",
            "127.0.0.1.evil.example:8321",
            "localhost.evil.example",
            "::1:x]",
            "[::1]x",
            "127.0.0.1:8321x",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }
}
