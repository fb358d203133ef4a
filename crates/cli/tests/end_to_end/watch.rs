//! `mnasnet watch`: what it answers, and whom.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use mnasnet_testing::place::refused;
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::{Place, TINY};
use serde_json::Value;

/// A server that ends when this does.
pub struct Watch {
    process: Child,
    /// Where it listens: `127.0.0.1:PORT`.
    pub address: String,
}

impl Watch {
    pub fn start(place: &Place, runs: &str) -> Self {
        let mut process = Command::new(cargo_bin("mnasnet"))
            .arg("watch")
            .args(runs.split_whitespace())
            .current_dir(place.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        assert!(
            line.starts_with("watching ") && address.starts_with("127.0.0.1:"),
            "{line}"
        );
        Self { process, address }
    }

    pub fn end(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The head and the body of the answer to a request.
    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str, more: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", self.address))
    }

    fn run(&self) -> Value {
        let (_, body) = self.get("/data.json", "");
        serde_json::from_str::<Value>(&body).unwrap()["runs"][0].clone()
    }

    fn wait_for(&self, reached: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        while !reached(&self.run()) {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", self.run());
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_run_is_followed_through_its_death_and_on() {
    let place = Place::three_classes();
    let train = format!("train {TINY} --epoch_size 2000 --checkpoint_every 10steps --out run");
    let mut child = spawn(&place, &train);
    wait_for(&mut child, || place.path("run/run.json").exists());
    let watch = Watch::start(&place, "run --port 0");
    watch.wait_for(|run| run["state"] == "running" && run["step"].as_u64() > Some(20));
    assert!(watch.run()["left_s"].is_u64());
    signal(&child, "-KILL");
    child.wait().unwrap();
    watch.wait_for(|run| run["state"] == "stopped");
    let then = watch.run();
    // While nothing happens, nothing is sent again.
    let (head, _) = watch.get("/data.json", "");
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    sleep(Duration::from_millis(1200));
    let (head, body) = watch.get("/data.json", &format!("If-None-Match: {tag}\r\n"));
    assert!(head.starts_with("HTTP/1.1 304 ") && body.is_empty(), "{head}");
    let mut child = spawn(&place, &train);
    watch.wait_for(|run| run["state"] == "running" && run["step"].as_u64() > then["step"].as_u64());
    let starts = watch.run()["starts"].as_array().unwrap().len();
    assert_eq!(starts, 2);
    signal(&child, "-KILL");
    child.wait().unwrap();
}

#[test]
fn only_pages_of_this_server_are_answered() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let before = fs::read(place.path("run/run.html")).unwrap();
    let watch = Watch::start(&place, "run --port 0");
    let (head, body) = watch.get("/", "");
    assert!(
        head.starts_with("HTTP/1.1 200 OK") && head.contains("frame-ancestors 'none'"),
        "{head}"
    );
    assert!(body.contains("connect-src &#x27;self&#x27;") && body.ends_with("</html>"));
    let host = format!("Host: {}\r\n", watch.address);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "421"),
        (
            "GET /data.json HTTP/1.1\r\nHost: 127.0.0.1.evil.example:80\r\n\r\n".to_owned(),
            "421",
        ),
        (format!("POST / HTTP/1.1\r\n{host}\r\n"), "405"),
        (format!("GET /../run/config.toml HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("GET /run.json HTTP/1.1\r\n{host}\r\n"), "404"),
        (
            format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(20_000)),
            "431",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ] {
        let (head, _) = watch.ask(&request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    // Many who say nothing keep nobody else waiting for good.
    let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&watch.address).unwrap()).collect();
    assert_eq!(watch.run()["state"], "finished");
    drop(idle);
    assert_eq!(
        fs::read(place.path("run/run.html")).unwrap(),
        before,
        "watching writes nothing"
    );

    let port = watch.address.rsplit(':').next().unwrap();
    refused(
        &place,
        &format!("watch run --port {port}"),
        2,
        "is taken; say another by `--port`, or `--port 0`",
    );
    watch.end();
}

#[test]
fn what_is_no_run_is_refused() {
    let place = Place::three_classes();
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for (arguments, code, message) in [
        ("watch", 2, "there is no run in runs; give the folder of one"),
        (
            "watch empty",
            2,
            "empty is no run: there is neither run.json nor metrics.jsonl in it",
        ),
        ("watch nowhere", 4, "nowhere"),
        ("watch photos", 4, "it holds photos, and no run"),
        (
            "watch file",
            2,
            "file is no run: it is a file; give the folder of the run",
        ),
        ("watch empty --port 99999", 2, "--port"),
        ("plot empty -o out.svg", 2, "empty is no run"),
        (
            "plot empty -o out.pdf",
            2,
            "out.pdf does not say which kind of picture it is to be; say `-o out.svg` or `-o out.png`",
        ),
        ("plot -o out.svg", 2, "RUN"),
        (
            "plot a b c d e f g h i -o out.svg",
            2,
            "a picture has colours for 8 runs, and 9 are given",
        ),
    ] {
        refused(&place, arguments, code, message);
    }
}

#[test]
fn curves_are_drawn_of_runs() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out one"));
    place.done(&format!("train {TINY} --epoch_size 1 --out two"));
    assert_eq!(place.done("plot one two -o out/curves.svg"), "curves: out/curves.svg\n");
    place.done("plot one two -o curves.PNG");
    let svg = fs::read_to_string(place.path("out/curves.svg")).unwrap();
    for words in [
        ">one</text>",
        ">two</text>",
        ">Loss",
        ">Top-1, %</text>",
        ">Learning rate</text>",
        "#0072b2",
        "#d55e00",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    let png = fs::read(place.path("curves.PNG")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}
