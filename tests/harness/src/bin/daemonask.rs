//! A client of the daemon that knows nothing of its protocol.
//!
//! daemonask SOCKET sends standard input and writes what comes until a NUL byte, without that. daemonask SOCKET COUNT opens as
//! many connections, says how many there are, and keeps them without a word until it is killed. daemonask SOCKET serve TEXT listens
//! there in place of the daemon, and answers each connection with TEXT and a NUL byte; daemonask SOCKET close TEXT with TEXT alone,
//! and daemonask SOCKET never takes no connection. With `-` for TEXT nothing is said. daemonask SOCKET talk sends each line of
//! standard input as a message, and writes each reply as a line.
#![forbid(unsafe_code)]

use std::io::{BufRead, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let ended = match words.as_slice() {
        [_, socket] => ask(socket),
        [_, socket, never] if never == "never" => park(UnixListener::bind(socket)),
        [_, socket, talk] if talk == "talk" => converse(socket),
        [_, socket, count] => hold(socket, count.parse().unwrap_or(1)),
        [_, socket, how, text] => serve(socket, how, text),
        _ => Err(std::io::Error::other("unknown arguments")),
    };
    if let Err(error) = ended {
        eprintln!("daemonask: {error}");
        std::process::exit(1);
    }
}

fn ask(socket: &str) -> std::io::Result<()> {
    let mut question = Vec::new();
    std::io::stdin().read_to_end(&mut question)?;
    let mut stream = UnixStream::connect(socket)?;
    // One that is not served is told so, and cannot send.
    let _ = stream.write_all(&question);
    print(&reply(&mut stream)?)
}

fn converse(socket: &str) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    for line in std::io::stdin().lock().lines() {
        stream.write_all(line?.as_bytes())?;
        stream.write_all(b"\0")?;
        let mut line = reply(&mut stream)?;
        line.push(b'\n');
        print(&line)?;
    }
    Ok(())
}

/// The bytes before the next NUL byte.
fn reply(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    let mut room = [0; 4096];
    while !reply.ends_with(b"\0") {
        match stream.read(&mut room)? {
            0 => break,
            count => reply.extend_from_slice(room.get(..count).unwrap_or_default()),
        }
    }
    if reply.ends_with(b"\0") {
        reply.pop();
    }
    Ok(reply)
}

fn hold(socket: &str, count: usize) -> std::io::Result<()> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(UnixStream::connect(socket)?);
    }
    eprintln!("{}", held.len());
    park(Ok(held))
}

fn park<T>(kept: std::io::Result<T>) -> std::io::Result<()> {
    let _kept = kept?;
    loop {
        std::thread::park();
    }
}

fn serve(socket: &str, how: &str, text: &str) -> std::io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let mut open = Vec::new();
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut question = [0; 4096];
        if how == "serve" {
            let _ = stream.read(&mut question)?;
        }
        if text != "-" {
            let _ = stream.write_all(text.as_bytes());
        }
        if how == "serve" {
            let _ = stream.write_all(b"\0");
            open.push(stream);
        }
    }
}

fn print(text: &[u8]) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    output.write_all(text)?;
    output.flush()
}
