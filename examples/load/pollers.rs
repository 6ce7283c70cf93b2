//! Sessions over long-poll: each has one connection that is kept alive, over which it says hello, joins its channels,
//! and then asks for events, acknowledging those that it has.

use std::io;

use memchr::memmem;

use crate::floor::scan::{number, string};
use crate::frames::{Writer, hello, join};
use crate::net::Net;

/// Where an event begins that is a message.
const MESSAGE: &[u8] = br#"{"type":"message","channel":""#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Hello,
    Join,
    Poll,
}

#[derive(Debug)]
struct Poller {
    step: Step,
    join: String,
    secret: String,
}

/// All of them. Their connections follow each other.
#[derive(Debug)]
pub struct Pollers {
    first: usize,
    list: Vec<Poller>,
    /// How many have come in.
    pub inside: usize,
    /// How many answers to polls came, empty ones too.
    pub answers: u64,
}

impl Pollers {
    /// Opens a session for each of these lists of channels.
    pub fn open(net: &mut Net, writer: &Writer, channels: &[Vec<u32>]) -> io::Result<Self> {
        let first = net.len();
        let mut list = Vec::new();
        for channels in channels {
            let joins: Vec<_> = channels.iter().map(|channel| join(writer.name(*channel), None, false)).collect();
            let who = net.plain()?;
            post(net.out(who), "/v1/sessions", "", &hello(None));
            list.push(Poller { step: Step::Hello, join: format!("[{}]", joins.join(",")), secret: String::new() });
        }
        Ok(Self { first, list, inside: 0, answers: 0 })
    }

    /// Whether a connection is one of them.
    pub fn has(&self, who: usize) -> bool {
        (self.first..self.first + self.list.len()).contains(&who)
    }

    /// An answer came. The messages in it are handed on, each with all that stands behind it; what is wrong is returned.
    pub fn answer(
        &mut self,
        net: &mut Net,
        who: usize,
        status: u16,
        body: &[u8],
        mut message: impl FnMut(&mut Net, &[u8]),
    ) -> Result<(), String> {
        let poller = &mut self.list[who - self.first];
        let wrong = || format!("{status} {}", String::from_utf8_lossy(body));
        let mut after = 0;
        match poller.step {
            Step::Hello if status == 201 => {
                let secret = string(body, br#""session":""#).ok_or_else(wrong)?;
                poller.secret = String::from_utf8_lossy(secret).into_owned();
                poller.step = Step::Join;
                post(net.out(who), "/v1/sessions/self/commands", &poller.secret, &poller.join);
                return Ok(());
            }
            Step::Join if status == 200 && memmem::find(body, br#""type":"error""#).is_none() => {
                poller.step = Step::Poll;
                self.inside += 1;
            }
            Step::Poll if status == 200 => {
                self.answers += 1;
                // `next` stands at the end, behind all that people may have said.
                let end = body.len().saturating_sub(40);
                after = number(&body[end..], br#""next":"#).ok_or_else(wrong)?;
                memmem::find_iter(body, MESSAGE).for_each(|at| message(net, &body[at..]));
            }
            _ => return Err(wrong()),
        }
        let request = format!(
            "GET /v1/sessions/self/events?after={after}&wait=25 HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n\r\n",
            poller.secret
        );
        net.out(who).extend_from_slice(request.as_bytes());
        Ok(())
    }
}

fn post(out: &mut Vec<u8>, path: &str, secret: &str, body: &str) {
    let secret = if secret.is_empty() { String::new() } else { format!("Authorization: Bearer {secret}\r\n") };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: load\r\n{secret}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    out.extend_from_slice(request.as_bytes());
}
