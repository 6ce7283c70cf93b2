//! The bare server: one thread, one epoll, and the physical minimum for Parlor's frames.
//!
//! It does the handshake, answers `hello`, `join`, `leave`, `publish` and `ping`, numbers messages and hands them to
//! everyone who hears the channel. What one round of readiness produced becomes one write per socket. It knows no
//! users, no limits and no slow readers, and keeps nothing, unless it is told to append: then a round's messages are on
//! the disk before anyone hears of them. What any real server adds stands out against it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

#[path = "disk.rs"]
pub mod disk;
#[path = "room.rs"]
pub mod room;
#[path = "scan.rs"]
pub mod scan;
#[path = "socket.rs"]
mod socket;
#[path = "wire.rs"]
pub mod wire;

use disk::Disk;
use room::{Room, itoa};
use socket::Socket;
use wire::{Head, Then};

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4096;
const EPOCH: &str = "floor";

/// Serves until the process is ended. Says where it listens.
pub fn serve(port: u16, append: Option<&Path>, said: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    said(listener.local_addr()?);
    let disk = append.map(Disk::open).transpose()?;
    let house = House { disk, ..House::default() };
    Server { poll, listener, sockets: Vec::new(), free: Vec::new(), house }.run()
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    sockets: Vec<Option<Socket>>,
    free: Vec<usize>,
    house: House,
}

/// What clients share.
#[derive(Default)]
struct House {
    rooms: Vec<Room>,
    names: HashMap<Vec<u8>, usize>,
    disk: Option<Disk>,
    /// The rooms in which something was said in this round.
    loud: Vec<usize>,
    /// The time of this round.
    at: String,
}

impl Server {
    fn run(mut self) -> io::Result<()> {
        let (mut events, mut buffer) = (Events::with_capacity(4096), Vec::new());
        let mut listed = Vec::new();
        loop {
            match self.poll.poll(&mut events, None) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(who) => self.read(who, &mut buffer, &mut listed),
                }
            }
            self.end_round(&mut listed)?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => continue,
            };
            let who = self.free.pop().unwrap_or(self.sockets.len());
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, Token(who), Interest::READABLE | Interest::WRITABLE)?;
            if who == self.sockets.len() {
                self.sockets.push(None);
            }
            self.sockets[who] = Some(Socket::new(stream));
        }
    }

    /// Takes all that a client has sent.
    fn read(&mut self, who: usize, buffer: &mut Vec<u8>, listed: &mut Vec<usize>) {
        loop {
            let Some(Some(socket)) = self.sockets.get_mut(who) else { return };
            let (upto, then) = wire::read(&mut socket.stream, &mut socket.left, buffer);
            let used = self.house.take(who, socket, &mut buffer[..upto]);
            if !socket.out.is_empty() && !socket.listed {
                socket.listed = true;
                listed.push(who);
            }
            match used {
                Some(used) => socket.left.extend_from_slice(&buffer[used..upto]),
                None => return self.close(who),
            }
            match then {
                Then::More => {}
                Then::Nothing => return,
                Then::End => return self.close(who),
            }
        }
    }

    /// Everything is on the disk if it has to be, and then everyone hears of it.
    fn end_round(&mut self, listed: &mut Vec<usize>) -> io::Result<()> {
        if let Some(disk) = &mut self.house.disk {
            disk.commit()?;
        }
        for &room in &self.house.loud {
            for &who in &self.house.rooms[room].hearers {
                let Some(socket) = &mut self.sockets[who] else { continue };
                let from = socket.joined.iter().find(|(joined, _)| *joined == room).map_or(0, |(_, from)| *from);
                socket.shares.push((room, from));
                if !socket.listed {
                    socket.listed = true;
                    listed.push(who);
                }
            }
        }
        for who in listed.drain(..) {
            let Some(Some(socket)) = self.sockets.get_mut(who) else { continue };
            socket.listed = false;
            socket.joined.clear();
            if !socket.flush(&self.house.rooms) {
                self.close(who);
            }
        }
        for room in self.house.loud.drain(..) {
            self.house.rooms[room].round.clear();
        }
        self.house.at.clear();
        Ok(())
    }

    fn close(&mut self, who: usize) {
        if let Some(socket) = self.sockets[who].take() {
            for room in socket.rooms {
                self.house.rooms[room].hearers.retain(|hearer| *hearer != who);
            }
            self.free.push(who);
        }
    }
}

impl House {
    /// Takes what came from a client and returns how much of it was used; `None` if it has to go.
    fn take(&mut self, who: usize, socket: &mut Socket, bytes: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        if !socket.open {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Some(0) };
            socket.out.extend_from_slice(upgrade(&bytes[..end])?.as_bytes());
            socket.open = true;
            at = end + 4;
        }
        while let Some(head) = Head::read(&bytes[at..]).filter(|head| bytes.len() - at >= head.whole()) {
            let payload = &mut bytes[at + head.bytes..at + head.whole()];
            if let Some(mask) = head.mask {
                wire::unmask(payload, mask);
            }
            match head.opcode {
                wire::TEXT => self.command(who, socket, payload),
                wire::PING => wire::put(&mut socket.out, wire::PONG, payload),
                wire::CLOSE => return None,
                _ => {}
            }
            at += head.whole();
        }
        Some(at)
    }

    fn command(&mut self, who: usize, socket: &mut Socket, frame: &[u8]) {
        let kind = scan::kind(frame);
        let id = scan::string(frame, br#""id":""#);
        let room = match scan::string(frame, br#""channel":""#) {
            Some(name) => self.room(name),
            None => usize::MAX,
        };
        match kind {
            b"publish" if room != usize::MAX => self.publish(socket, room, id, frame),
            b"join" if room != usize::MAX => self.join(who, socket, room, id, frame),
            b"leave" if room != usize::MAX => {
                self.rooms[room].hearers.retain(|hearer| *hearer != who);
                socket.rooms.retain(|heard| *heard != room);
                say(socket, "left", id, "");
            }
            b"hello" => say(
                socket,
                "welcome",
                id,
                r#","session":"0-0","sid":"000000000000","user":"~floor-00000","guest":true,"token":"floor","heartbeat_ms":25000,"timeout_ms":60000,"versions":[1],"features":[]"#,
            ),
            b"ping" => say(socket, "pong", id, ""),
            b"typing" | b"read" => say(socket, "ok", id, ""),
            _ => say(socket, "error", id, r#","code":"unknown_type","message":"the floor has no such command""#),
        }
    }

    fn room(&mut self, name: &[u8]) -> usize {
        if let Some(room) = self.names.get(name) {
            return *room;
        }
        self.names.insert(name.to_owned(), self.rooms.len());
        self.rooms.push(Room::new(name));
        self.rooms.len() - 1
    }

    fn publish(&mut self, socket: &mut Socket, place: usize, id: Option<&[u8]>, frame: &[u8]) {
        let Some(body) = scan::object(frame, br#""body":"#) else {
            return say(socket, "error", id, r#","code":"bad_frame","message":"body: expected an object""#);
        };
        if self.at.is_empty() {
            self.at = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        }
        let room = &mut self.rooms[place];
        let begin = room.round.len();
        if begin == 0 {
            self.loud.push(place);
        }
        let seq = room.publish(&self.at, body);
        if let Some(disk) = &mut self.disk {
            disk.add(&room.round[begin..]);
        }
        let Some(id) = id else { return };
        let name = scan::string(frame, br#""channel":""#).unwrap_or_default();
        let mut digits = itoa();
        put_reply(
            &mut socket.out,
            &[
                br#"{"type":"published","id":""#,
                id,
                br#"","channel":""#,
                name,
                br#"","epoch":"floor","seq":"#,
                digits.write(seq),
                br#","at":""#,
                self.at.as_bytes(),
                br#"","duplicate":false}"#,
            ],
        );
    }

    fn join(&mut self, who: usize, socket: &mut Socket, place: usize, id: Option<&[u8]>, frame: &[u8]) {
        let room = &mut self.rooms[place];
        if !socket.rooms.contains(&place) {
            socket.rooms.push(place);
            room.hearers.push(who);
        }
        let since = scan::object(frame, br#""since":"#).and_then(|since| scan::number(since, br#""seq":"#));
        let (page, replay, gap) = room.after(since.unwrap_or(room.head));
        let name = String::from_utf8_lossy(scan::string(frame, br#""channel":""#).unwrap_or_default());
        let (head, next) = (room.head, room.head + 1 - replay);
        say(
            socket,
            "joined",
            id,
            &format!(
                r#","channel":"{name}","epoch":"{EPOCH}","first":1,"gap":{gap},"head":{head},"next":{next},"replay":{replay}"#
            ),
        );
        socket.out.extend_from_slice(page);
        socket.joined.retain(|(joined, _)| *joined != place);
        socket.joined.push((place, room.round.len()));
    }
}

/// A reply, with what stands behind its `id`.
fn say(socket: &mut Socket, kind: &str, id: Option<&[u8]>, members: &str) {
    let quoted = id.map(|id| format!(r#","id":"{}""#, String::from_utf8_lossy(id))).unwrap_or_default();
    wire::put(&mut socket.out, wire::TEXT, format!(r#"{{"type":"{kind}"{quoted}{members}}}"#).as_bytes());
}

/// A frame of parts, without a buffer between.
fn put_reply(out: &mut Vec<u8>, parts: &[&[u8]]) {
    wire::put_head(out, wire::TEXT, parts.iter().map(|part| part.len()).sum(), 0);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The answer to a handshake.
fn upgrade(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    };
    let key = text.lines().find_map(header)?;
    let accept = derive_accept_key(key.as_bytes());
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}
