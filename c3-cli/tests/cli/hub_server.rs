//! A server on loopback that speaks as the hub does: listings, `resolve` with its headers, and
//! large files on another host, which understands ranges. It can be told to misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How the server misbehaves.
#[derive(Default, Clone)]
pub struct Faults {
    /// Close the connection after so many bytes of a large file, so many times.
    pub break_after: Option<(usize, u32)>,
    /// Change a byte of this file.
    pub corrupt: Option<&'static str>,
    /// Answer every request for a large file from its beginning.
    pub no_ranges: bool,
    /// Ask for this token.
    pub token: Option<&'static str>,
    /// Answer so many requests with 503.
    pub unavailable: u32,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

/// The server; it goes away with the process.
pub struct Hub {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    port: u16,
    files: BTreeMap<String, Vec<u8>>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Request>>,
}

impl Hub {
    /// Serves `files` as the repository `org/model`.
    pub fn serve(files: &[(&str, Vec<u8>)], faults: Faults) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
        let (faults, log) = (Mutex::new(faults), Mutex::default());
        let state = Arc::new(State { port, files, faults, log });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that went away is its own affair.
                let _ = shared.answer(stream.unwrap());
            }
        });
        Self { port, state }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, faults: Faults) {
        *self.state.faults.lock().unwrap() = faults;
    }

    /// The requests so far; forgets them.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn git_blob(bytes: &[u8]) -> String {
    let mut sha = Sha1::new();
    sha.update(format!("blob {}\0", bytes.len()));
    sha.update(bytes);
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_large(path: &str) -> bool {
    path.ends_with(".safetensors")
}

impl State {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Some(request) = read(&stream)? else { return Ok(()) };
        self.log.lock().unwrap().push(request.clone());
        let mut faults = self.faults.lock().unwrap();
        if faults.unavailable > 0 {
            faults.unavailable -= 1;
            return write(&mut stream, "503 Service Unavailable", &[], b"");
        }
        let on_cdn = request.path.starts_with("/cdn/");
        let expected = faults.token.map(|token| format!("Bearer {token}"));
        if !on_cdn && expected.is_some() && request.authorization != expected {
            let why = [("X-Error-Message", "Access to model org/model is restricted".to_owned())];
            return write(&mut stream, "401 Unauthorized", &why, b"");
        }
        if request.path.starts_with("/api/models/org/model/revision/") {
            let names: Vec<_> =
                self.files.keys().map(|path| serde_json::json!({"rfilename": path})).collect();
            let listing = serde_json::json!({"sha": COMMIT, "siblings": names}).to_string();
            return write(&mut stream, "200 OK", &[], listing.as_bytes());
        }
        let resolve = format!("/org/model/resolve/{COMMIT}/");
        if let Some(path) = request.path.strip_prefix("/cdn/") {
            return self.send_large(&mut stream, &request, path, &mut faults);
        }
        let file = request.path.strip_prefix(&resolve).and_then(|p| Some((p, self.files.get(p)?)));
        let Some((path, bytes)) = file else {
            return write(&mut stream, "404 Not Found", &[], b"");
        };
        if is_large(path) {
            let headers = [
                ("Location", format!("http://localhost:{}/cdn/{path}", self.port)),
                ("X-Linked-Etag", format!("\"{}\"", sha256(bytes))),
                ("X-Linked-Size", bytes.len().to_string()),
                ("ETag", "\"of the redirect\"".to_owned()),
            ];
            return write(&mut stream, "302 Found", &headers, b"");
        }
        let etag = [("ETag", format!("\"{}\"", git_blob(bytes)))];
        if request.method == "HEAD" {
            let length = bytes.len();
            let tag = &etag[0].1;
            return write!(
                stream,
                "HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
        }
        write(&mut stream, "200 OK", &etag, &self.body(path, &faults))
    }

    fn body(&self, path: &str, faults: &Faults) -> Vec<u8> {
        let mut bytes = self.files[path].clone();
        if faults.corrupt == Some(path) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        bytes
    }

    fn send_large(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        path: &str,
        faults: &mut Faults,
    ) -> std::io::Result<()> {
        let bytes = self.body(path, faults);
        let range = request.range.as_ref().filter(|_| !faults.no_ranges);
        let start = range.map_or(0, |range| {
            range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap()
        });
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let rest = &bytes[start..];
        let mut sent = rest;
        if let Some((most, times)) = &mut faults.break_after
            && *times > 0
        {
            *times -= 1;
            sent = &rest[..rest.len().min(*most)];
        }
        let length = rest.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(sent)
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let (mut range, mut authorization) = (None, None);
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => range = Some(value.to_owned()),
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(Some(Request { method, path, range, authorization }))
}

fn write(
    stream: &mut TcpStream,
    status: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(body)
}
