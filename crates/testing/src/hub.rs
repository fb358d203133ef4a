//! A server that behaves as Hugging Face's hub, the hub's CDN and PyTorch's downloads do, on this machine.
//!
//! The hub answers a request for a file's head with the commit, the SHA-256, the size, and an address on another host, the CDN. The CDN
//! sends parts of files. Python's `huggingface_hub` downloads from this server too (`hub/tests/hub/python.rs`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

/// The commit of every repository.
pub const COMMIT: &str = "4f3a1c0b5d6e7f8091a2b3c4d5e6f708192a3b4c";
/// The token that a gated repository wants.
pub const TOKEN: &str = "hf_of_a_test";

/// Variables that would lead a client elsewhere.
const FOREIGN: [&str; 11] = [
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_TOKEN_PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Each answer with bytes of a file ends after so many bytes.
    Drops(usize),
    /// Each answer with bytes of a file says nothing more after so many bytes.
    Stalls(usize),
    /// The bytes are others than those of the SHA-256.
    Corrupt,
    /// Whole files are sent, whatever part is asked for.
    Whole,
    /// The hub promises a file of so many bytes.
    Promises(u64),
    /// The hub wants [`TOKEN`].
    Gated,
    /// Every answer has this status.
    Status(u16),
    /// Every answer is a page of a wireless network that wants a person to log in.
    Portal,
    /// The repositories are at `moved/NAME` now.
    Moved,
}

/// A running server. Its threads end with the process.
pub struct Hub {
    /// The hub's address, and that of PyTorch's downloads.
    pub url: String,
    state: Arc<State>,
}

struct State {
    /// Repositories `OWNER/NAME` with the bytes of `model.safetensors`, and `models/FILE` of PyTorch.
    files: BTreeMap<String, Vec<u8>>,
    /// The CDN's address: the same server under another name.
    cdn: String,
    fault: Mutex<Fault>,
    requests: Mutex<Vec<String>>,
}

struct Request {
    method: String,
    path: String,
    from: usize,
    token: Option<String>,
}

impl Hub {
    /// Serves `model.safetensors` of repositories `OWNER/NAME`, and PyTorch's `models/FILE`.
    pub fn start(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            files: files
                .iter()
                .map(|(name, bytes)| ((*name).into(), bytes.to_vec()))
                .collect(),
            cdn: format!("http://localhost:{port}"),
            fault: Mutex::default(),
            requests: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away in the middle is a client's business.
                thread::spawn(move || state.serve(stream));
            }
        });
        Self {
            url: format!("http://127.0.0.1:{port}"),
            state,
        }
    }

    /// Lets a command find this server, and caches in `folder` alone.
    pub fn serves(&self, command: &mut Command, folder: &Path) {
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        command
            .env("HF_ENDPOINT", &self.url)
            .env("MNASNET_PYTORCH_URL", &self.url)
            .env("HF_HOME", folder.join("hf"))
            .env("TORCH_HOME", folder.join("torch"));
    }

    /// From now on this goes wrong.
    pub fn fault(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// What was asked since the last call: `METHOD PATH`, with ` from BYTE` for a part and ` token` where one was sent.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.requests.lock().unwrap())
    }
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let mut request = Request {
        method: words.next()?.into(),
        path: words.next()?.into(),
        from: 0,
        token: None,
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match &*name.to_lowercase() {
            "range" => request.from = value.strip_prefix("bytes=")?.split('-').next()?.parse().ok()?,
            "authorization" => request.token = Some(value.strip_prefix("Bearer ")?.into()),
            _ => {}
        }
    }
    Some(request)
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let Some(request) = read_request(&stream) else {
            return;
        };
        let mut line = format!("{} {}", request.method, request.path);
        if request.from > 0 {
            let _ = write!(line, " from {}", request.from);
        }
        if request.token.is_some() {
            line += " token";
        }
        self.requests.lock().unwrap().push(line);
        let fault = self.fault.lock().unwrap().clone();
        let _ = self.answer(&stream, &request, &fault);
    }

    fn answer(&self, stream: &TcpStream, request: &Request, fault: &Fault) -> io::Result<()> {
        match fault {
            Fault::Status(status) => return head(stream, *status, &[("Content-Length", "0")]),
            Fault::Portal => return page(stream, request, "text/html", "<html>Log in</html>"),
            _ => {}
        }
        let path = request
            .path
            .split('?')
            .next()
            .unwrap_or_default()
            .trim_start_matches('/');
        if let Some(sha) = path.strip_prefix("cdn/") {
            let found = self.files.values().find(|bytes| sha256(bytes) == sha);
            return found.map_or_else(
                || missing(stream, "EntryNotFound"),
                |bytes| send(stream, request, bytes, fault),
            );
        }
        if path.starts_with("models/") {
            let found = self.files.get(path);
            return found.map_or_else(
                || missing(stream, "NoSuchKey"),
                |bytes| send(stream, request, bytes, fault),
            );
        }
        if let Some(name) = path.strip_prefix("api/models/") {
            let card = json!({
                "id": name,
                "sha": COMMIT,
                "tags": ["timm", "license:apache-2.0"],
                "cardData": {"license": "apache-2.0"},
            });
            return page(stream, request, "application/json", &card.to_string());
        }
        let Some((name, file)) = path.split_once("/resolve/main/") else {
            return missing(stream, "EntryNotFound");
        };
        if matches!(fault, Fault::Moved) && !name.starts_with("moved/") {
            let to = format!("/moved/{name}/resolve/main/{file}");
            return head(stream, 307, &[("Location", &to), ("Content-Length", "0")]);
        }
        let Some(bytes) = self.files.get(name.trim_start_matches("moved/")) else {
            let message = ("X-Error-Message", "Invalid username or password.");
            let code = ("X-Error-Code", "RepoNotFound");
            return head(stream, 401, &[code, message, ("Content-Length", "0")]);
        };
        if matches!(fault, Fault::Gated) && request.token.as_deref() != Some(TOKEN) {
            let message = format!("Access to model {name} is restricted.");
            let code = ("X-Error-Code", "GatedRepo");
            return head(
                stream,
                401,
                &[code, ("X-Error-Message", &message), ("Content-Length", "0")],
            );
        }
        if file != "model.safetensors" {
            return missing(stream, "EntryNotFound");
        }
        let size = match fault {
            Fault::Promises(bytes) => *bytes,
            _ => bytes.len() as u64,
        };
        let sha = sha256(bytes);
        head(
            stream,
            302,
            &[
                ("Location", &format!("{}/cdn/{sha}?X-Amz-Signature=5", self.cdn)),
                ("X-Repo-Commit", COMMIT),
                ("X-Linked-Size", &size.to_string()),
                ("X-Linked-ETag", &format!("\"{sha}\"")),
                ("Accept-Ranges", "bytes"),
                ("Content-Length", "0"),
            ],
        )
    }
}

fn head(mut stream: &TcpStream, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} As Told\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    stream.write_all((text + "\r\n").as_bytes())
}

fn missing(stream: &TcpStream, code: &str) -> io::Result<()> {
    let headers = [
        ("X-Error-Code", code),
        ("X-Repo-Commit", COMMIT),
        ("Content-Length", "0"),
    ];
    head(stream, 404, &headers)
}

fn page(mut stream: &TcpStream, request: &Request, kind: &str, text: &str) -> io::Result<()> {
    let length = text.len().to_string();
    head(stream, 200, &[("Content-Type", kind), ("Content-Length", &length)])?;
    match &*request.method {
        "HEAD" => Ok(()),
        _ => stream.write_all(text.as_bytes()),
    }
}

/// Bytes of a file, from the byte on that was asked for.
fn send(mut stream: &TcpStream, request: &Request, bytes: &[u8], fault: &Fault) -> io::Result<()> {
    let whole = bytes.len();
    let from = match fault {
        Fault::Whole => 0,
        _ => request.from,
    };
    if from >= whole {
        let range = format!("bytes */{whole}");
        return head(stream, 416, &[("Content-Range", &range), ("Content-Length", "0")]);
    }
    let length = (whole - from).to_string();
    let range = format!("bytes {from}-{}/{whole}", whole - 1);
    let headers = [
        ("Content-Length", &*length),
        ("ETag", "\"5\""),
        ("Content-Range", &range),
    ];
    match from {
        0 => head(stream, 200, &headers[..2])?,
        _ => head(stream, 206, &headers)?,
    }
    if request.method == "HEAD" {
        return Ok(());
    }
    let mut part = bytes[from..].to_vec();
    match fault {
        Fault::Corrupt => part[0] ^= 1,
        Fault::Drops(bytes) | Fault::Stalls(bytes) => part.truncate(*bytes),
        _ => {}
    }
    stream.write_all(&part)?;
    if matches!(fault, Fault::Stalls(_)) {
        stream.flush()?;
        sleep(Duration::from_secs(60));
    }
    Ok(())
}
